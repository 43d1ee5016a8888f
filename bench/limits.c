/* Measures the machine's limits, in the same run as the values that are compared with them. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench/exp_limit.h"
#include "bench/measure.h"
#include "network/ops/onednn.h"

typedef struct Product {
    Dnn *primitive;
    const void *a, *b;
    void *c, *scratch;
    Err failure;
} Product;

static void multiply(void *context)
{
    Product *p = context;
    dnn_run_product(p->primitive, p->a, p->b, NULL, p->c, p->scratch, &p->failure);
}

/* Fills memory with finite values, both as bfloat16 and as float32. */
static void fill(uint16_t *values, int64_t count)
{
    Rng rng = rng_make(1, 0, 0, 0, RNG_TEST);
    for (int64_t i = 0; i < count; i++) values[i] = (uint16_t)(0x3f00 | (rng_u32(&rng) & 0x80ff)); /* ±0.5 … 2 */
}

/* The speed of products of n × n matrices; those of bfloat16 have float32 results. */
static int measure_size(double *flops, Product *p, bool bf16, int64_t n, double seconds, Err *e)
{
    const DType type = bf16 ? DTYPE_BF16 : DTYPE_F32;
    const DnnProduct product = {
        n, n, n, {n, 1}, {n, 1}, n, .dtype = type, .a_dtype = type, .b_dtype = type, .c_dtype = DTYPE_F32};
    TRY(dnn_product(&p->primitive, &product, e));
    p->scratch = mem_alloc(dnn_scratch_bytes(p->primitive), e);
    if (!p->scratch) return ERR_NOMEM;
    const double rate = 2.0 * (double)(n * n * n) / measure_best(multiply, p, seconds);
    if (rate > *flops) *flops = rate;
    if (p->failure.code) *e = p->failure;
    return p->failure.code;
}

/* The speed of the fastest square product, in floating-point operations per second. */
static int measure_product(double *flops, bool bf16, int64_t largest, double seconds, Err *e)
{
    const int64_t count = largest * largest;
    float *memory = mem_alloc(3 * (size_t)count * sizeof(float), e);
    if (!memory) return ERR_NOMEM;
    fill((uint16_t *)memory, 4 * count);
    *flops = 0;
    int failed = 0;
    for (int64_t size = 1024; !failed && size <= largest; size *= 2) {
        Product p = {.a = memory, .b = memory + count, .c = memory + 2 * count};
        failed = measure_size(flops, &p, bf16, size, seconds, e);
        dnn_free(p.primitive);
        mem_free(p.scratch);
    }
    mem_free(memory);
    return failed;
}

typedef struct Copy {
    const char *from;
    char *to;
    int64_t bytes;
} Copy;

static void copy(void *context)
{
    const Copy *c = context;
    enum { PIECE = 1 << 20 };
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < c->bytes; i += PIECE) memcpy(c->to + i, c->from + i, PIECE);
}

/* Bytes read and written per second when copying memory that is larger than all caches. */
static int measure_copy(double *bytes, double seconds, Err *e)
{
    const int64_t size = 256 << 20;
    char *memory = mem_alloc(2 * (size_t)size, e);
    if (!memory) return ERR_NOMEM;
    memset(memory, 1, (size_t)size);
    Copy c = {memory, memory + size, size};
    *bytes = 2.0 * (double)size / measure_best(copy, &c, seconds);
    mem_free(memory);
    return 0;
}

typedef struct Exps {
    ExpLimit *run;
    float *values;
} Exps;

enum { EXP_VALUES = 4096, EXP_ROUNDS = 256 };

static void exps(void *context)
{
    const Exps *x = context;
    for (int i = 0; i < EXP_ROUNDS; i++) x->run(x->values, EXP_VALUES);
}

static int measure_exps(double *rate, double seconds, Err *e)
{
    Exps x = {exp_limit_of(simd_level()), mem_zalloc(EXP_VALUES, sizeof(float), e)};
    if (!x.values) return ERR_NOMEM;
    *rate = (double)EXP_VALUES * EXP_ROUNDS / measure_best(exps, &x, seconds);
    mem_free(x.values);
    return 0;
}

int measure_limits(Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e)
{
    const double seconds = o->quick ? 0.05 : 0.5;
    for (int all = 0; all < 2; all++) {
        omp_set_num_threads(all ? o->threads : 1);
        const int64_t largest = o->quick ? 1024 : 4096;
        TRY(measure_product(&limits->flops[all], false, largest, seconds, e));
        if (executor_supports(DTYPE_BF16, NULL))
            TRY(measure_product(&limits->bf16_flops[all], true, largest, seconds, e));
        TRY(measure_copy(&limits->copy_bytes[all], seconds, e));
    }
    TRY(measure_exps(&limits->exps, seconds, e));
    char engine[EXECUTOR_ENGINE_BYTES];
    report_row(r, "limits");
    report_text(r, "engine", executor_engine(engine));
    report_number(r, "threads", o->threads);
    report_measure(r, "sgemm_gflops_1", limits->flops[0] * 1e-9);
    report_measure(r, "sgemm_gflops_all", limits->flops[1] * 1e-9);
    report_measure(r, "bf16_gflops_1", limits->bf16_flops[0] * 1e-9);
    report_measure(r, "bf16_gflops_all", limits->bf16_flops[1] * 1e-9);
    report_measure(r, "copy_gbytes_1", limits->copy_bytes[0] * 1e-9);
    report_measure(r, "copy_gbytes_all", limits->copy_bytes[1] * 1e-9);
    report_measure(r, "exp_giga_1", limits->exps * 1e-9);
    report_end(r);
    return report_check(r, e);
}
