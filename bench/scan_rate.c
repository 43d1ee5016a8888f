/* Measures the kernel of the selective scan, without the op's matrix product. A state update is h = a h + b for one
 * state of one channel at one pixel in one direction, including the computation of a and b. */
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench/measure.h"
#include "network/ops/scan.h"

/* The shape in the first stage's blocks at 320x320: L = 6400, D = 192, N = 16. */
static const ScanShape full_shape = {
    .batch = 1,
    .height = 80,
    .width = 80,
    .channels = 192,
    .states = 16,
    .rank = 6,
    .directions = {4, {SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED, SCAN_COLUMN_MAJOR_REVERSED}}};

enum { X, DY, PROJECTIONS, DT_WEIGHT, DT_BIAS, A_LOGS, DS, INPUTS };
enum { Y = INPUTS, DX, DPROJECTIONS, DDT_WEIGHT, DDT_BIAS, DA_LOGS, DDS, STATES, PACKED, SCRATCH, BUFFERS };

typedef struct Scan {
    const ScanKernel *kernel;
    ScanShape shape;
    float *memory[BUFFERS];
    ScanValues values;
    ScanGradients gradients;
} Scan;

static void scan_free(Scan *s)
{
    for (int b = 0; b < BUFFERS; b++) mem_free(s->memory[b]);
}

static int allocate(Scan *s, Err *e)
{
    const ScanShape *p = &s->shape;
    const ScanSizes sizes = scan_sizes(p);
    const int64_t pixels = p->batch * p->height * p->width, channels = p->directions.count * p->channels;
    const size_t scratch =
        sizes.forward_scratch > sizes.backward_scratch ? sizes.forward_scratch : sizes.backward_scratch;
    const size_t image = (size_t)(pixels * p->channels) * sizeof(float);
    const size_t projections = (size_t)(pixels * p->directions.count * scan_row(p)) * sizeof(float);
    const size_t each = (size_t)channels * sizeof(float);
    const size_t weight = each * (size_t)p->rank, rates = each * (size_t)p->states;
    const size_t bytes[BUFFERS] = {[X] = image,
                                   [DY] = image,
                                   [Y] = image,
                                   [DX] = image,
                                   [PROJECTIONS] = projections,
                                   [DPROJECTIONS] = projections,
                                   [DT_WEIGHT] = weight,
                                   [DDT_WEIGHT] = weight,
                                   [A_LOGS] = rates,
                                   [DA_LOGS] = rates,
                                   [DT_BIAS] = each,
                                   [DDT_BIAS] = each,
                                   [DS] = each,
                                   [DDS] = each,
                                   [STATES] = sizes.states,
                                   [PACKED] = sizes.packed,
                                   [SCRATCH] = scratch};
    for (int b = 0; b < BUFFERS; b++) {
        s->memory[b] = mem_zalloc(bytes[b], 1, e);
        if (!s->memory[b]) return ERR_NOMEM;
    }
    static const double low[INPUTS] = {-1, -1, -1, -0.5, -4, 0, 1}, high[INPUTS] = {2, 1, 1, 0.5, 0, 2.5, 1};
    for (int b = 0; b < INPUTS; b++) {
        Rng rng = rng_make(1, 0, 0, (uint32_t)b, RNG_TEST);
        for (size_t i = 0; i < bytes[b] / sizeof(float); i++) s->memory[b][i] = (float)rng_range(&rng, low[b], high[b]);
    }
    return 0;
}

static int scan_new(Scan *s, int threads, Err *e)
{
    *s = (Scan){.kernel = *scan_kernels(), .shape = full_shape};
    s->shape.threads = threads;
    float **m = s->memory;
    TRY(allocate(s, e));
    const int64_t pitch = s->shape.channels;
    const ScanParams params = {m[DT_WEIGHT], m[DT_BIAS], m[A_LOGS], m[DS]};
    s->values = (ScanValues){{m[X], pitch}, m[PROJECTIONS], {m[Y], pitch}, {m[Y], pitch}, m[STATES]};
    s->gradients = (ScanGradients){
        {m[DY], pitch}, {m[DX], pitch}, false, m[DPROJECTIONS], {m[DDT_WEIGHT], m[DDT_BIAS], m[DA_LOGS], m[DDS]}};
    s->kernel->pack(&s->shape, &params, m[PACKED]);
    return 0;
}

static void forward(void *context)
{
    Scan *s = context;
    s->kernel->forward(&s->shape, s->memory[PACKED], &s->values, s->memory[SCRATCH]);
}

static void backward(void *context)
{
    Scan *s = context;
    s->kernel->backward(&s->shape, s->memory[PACKED], &s->values, &s->gradients, s->memory[SCRATCH]);
}

static void report(BenchReport *r, const Scan *s, double forward_seconds, double backward_seconds)
{
    const ScanShape *p = &s->shape;
    const int64_t length = p->batch * p->height * p->width;
    const double updates = (double)(p->directions.count * length * p->channels * p->states) / p->threads * 1e-9;
    report_row(r, "scan");
    report_text(r, "implementation", s->kernel->name);
    report_number(r, "directions", p->directions.count);
    report_number(r, "length", (double)length);
    report_number(r, "channels", (double)p->channels);
    report_number(r, "states", p->states);
    report_number(r, "threads", p->threads);
    report_measure(r, "forward_ms", forward_seconds * 1e3);
    report_measure(r, "forward_giga_updates_per_core", updates / forward_seconds);
    report_measure(r, "backward_ms", backward_seconds * 1e3);
    report_measure(r, "backward_giga_updates_per_core", updates / backward_seconds);
    report_end(r);
}

int measure_scan(const MeasureOptions *o, BenchReport *r, Err *e)
{
    for (int all = 0; all < (o->threads > 1 ? 2 : 1); all++) {
        Scan scan;
        const int failed = scan_new(&scan, all ? o->threads : 1, e);
        if (!failed) {
            const double seconds = measure_best(forward, &scan, o->seconds);
            report(r, &scan, seconds, measure_best(backward, &scan, o->seconds));
        }
        scan_free(&scan);
        if (failed) return failed;
    }
    return report_check(r, e);
}
