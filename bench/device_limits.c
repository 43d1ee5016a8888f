/* The limits of a device with its own memory, a GPU: its fastest matrix product, as a linear layer, and copies. */
#include "base/memory.h"
#include "bench/measure.h"
#include "network/ops/ops.h"

typedef struct Product {
    Executor *executor;
    Err failure;
} Product;

static void multiply(void *context)
{
    Product *p = context;
    if (!executor_forward(p->executor, &(Step){0}, &p->failure)) executor_wait(p->executor, &p->failure);
}

static int measure_layer(double *flops, const Graph *g, Parameters *parameters, Ref y, const MeasureOptions *o,
                         DType precision, int64_t size, Err *e)
{
    Product p = {.executor = NULL};
    const ExecutorOptions options = {.outputs = &y, .output_count = 1, .precision = precision, .device = o->device};
    TRY(executor_new(&p.executor, g, parameters, &options, e));
    void *x = executor_input_memory(p.executor, 0, e);
    int failed = x ? executor_feed(p.executor, 0, x, e) : ERR_NOMEM;
    if (!failed) {
        const double seconds = measure_best(multiply, &p, o->quick ? 0.001 : 0.5);
        *flops = 2.0 * (double)size * (double)size * (double)size / seconds;
        if (p.failure.code) *e = p.failure;
        failed = p.failure.code;
    }
    executor_free(p.executor);
    return failed;
}

static int measure_products_of(Limits *limits, const MeasureOptions *o, int64_t size, Err *e)
{
    Parameters *parameters = NULL;
    Graph *g = graph_new(e);
    if (!g) return ERR_NOMEM;
    const Ref x = graph_input(g, "x", (Shape){1, 1, size, size}, DTYPE_F32);
    const Ref y = op_linear(g, "product", x, size, false);
    graph_output(g, "y", y);
    int failed = graph_check(g, e);
    if (!failed) failed = parameters_new(&parameters, g, e);
    if (!failed) parameters_initialize(parameters, 1);
    if (!failed) failed = measure_layer(&limits->flops[1], g, parameters, y, o, DTYPE_F32, size, e);
    if (!failed && executor_supports(DTYPE_BF16, o->device))
        failed = measure_layer(&limits->bf16_flops[1], g, parameters, y, o, DTYPE_BF16, size, e);
    parameters_free(parameters);
    graph_free(g);
    return failed;
}

typedef struct Copy {
    const Device *device;
    char *memory;
    size_t bytes;
    Err failure;
} Copy;

static void copy(void *context)
{
    Copy *c = context;
    const Device *d = c->device;
    if (!d->copy(d, c->memory + c->bytes, c->memory, c->bytes, COPY_ON_DEVICE, &c->failure)) d->wait(d, &c->failure);
}

/* Bytes read and written per second. */
static int measure_copy(double *rate, const MeasureOptions *o, Err *e)
{
    const Device *d = o->device;
    Copy c = {.device = d, .bytes = o->quick ? 1 << 20 : 1 << 30};
    c.memory = d->alloc(d, 2 * c.bytes, e);
    if (!c.memory) return ERR_NOMEM;
    int failed = d->clear(d, c.memory, 2 * c.bytes, e);
    if (!failed) {
        *rate = 2.0 * (double)c.bytes / measure_best(copy, &c, o->quick ? 0.001 : 0.5);
        if (c.failure.code) *e = c.failure;
        failed = c.failure.code;
    }
    d->free(d, c.memory);
    return failed;
}

int measure_device_limits(Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e)
{
    TRY(measure_products_of(limits, o, o->quick ? 256 : 8192, e));
    TRY(measure_copy(&limits->copy_bytes[1], o, e));
    report_row(r, "limits");
    report_text(r, "engine", o->device->name);
    report_measure(r, "sgemm_gflops_all", limits->flops[1] * 1e-9);
    report_measure(r, "bf16_gflops_all", limits->bf16_flops[1] * 1e-9);
    report_measure(r, "copy_gbytes_all", limits->copy_bytes[1] * 1e-9);
    report_end(r);
    return report_check(r, e);
}
