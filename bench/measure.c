#include "bench/measure.h"

#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"

double measure_best(void (*run)(void *context), void *context, double seconds)
{
    double best = 0, spent = 0;
    run(context);
    do {
        const double start = clock_seconds();
        run(context);
        const double took = clock_seconds() - start;
        if (!best || took < best) best = took;
        spent += took;
    } while (spent < seconds);
    return best;
}

void measure_tell(BenchReport *r, const char *what, const char *unit, double amount, double seconds)
{
    report_row(r, "pipeline");
    report_text(r, "what", what);
    report_text(r, "unit", unit);
    report_measure(r, "seconds", seconds);
    report_measure(r, "per_second", amount / seconds);
    report_end(r);
}

int measure_build(Graph **g, const char *network, const int64_t size[2], Err *e)
{
    NetworkSpec spec;
    TRY(network_defaults(&spec, network, e));
    spec.height = size[0];
    spec.width = size[1];
    spec.channels = 3;
    spec.classes = 14;
    spec.deep_supervision = true;
    return network_build(g, &spec, e);
}

int64_t measure_products(const Node *node) { return node->op->product_macs ? node->op->product_macs(node) : 0; }

static int make_inputs(Subject *s, int64_t classes, Err *e)
{
    Rng rng = rng_make(1, 0, 0, 0, RNG_TEST);
    const Tensor *labels = executor_input(s->executor, 1);
    const int64_t values = shape_count(executor_input_shape(s->executor, 0)),
                  pixels = labels ? shape_count(labels->shape) : 0;
    float *value = s->inputs[0] = mem_alloc((size_t)values * sizeof *value, e);
    int16_t *label = s->inputs[1] = labels ? mem_alloc((size_t)pixels * sizeof *label, e) : NULL;
    if (!value || (labels && !label)) return ERR_NOMEM;
    for (int64_t i = 0; i < values; i++) value[i] = (float)rng_normal(&rng);
    for (int64_t i = 0; i < pixels; i++) label[i] = (int16_t)rng_below(&rng, (uint32_t)classes);
    return 0;
}

int measure_subject(Subject *s, const Graph *g, Parameters *parameters, const MeasureRun *run, Err *e)
{
    Ref output, head;
    graph_find(g, run->train ? "loss" : "head0", &output);
    graph_find(g, "head0", &head);
    const Shape pixels = {run->batch, run->size[0], run->size[1], 1};
    const Shape shapes[] = {{pixels.n, pixels.h, pixels.w, 3}, pixels};
    const ExecutorOptions options = {.inputs = shapes,
                                     .outputs = &output,
                                     .output_count = 1,
                                     .train = run->train,
                                     .precision = run->precision,
                                     .device = run->device};
    *s = (Subject){.executor = NULL};
    TRY(executor_new(&s->executor, g, parameters, &options, e));
    return make_inputs(s, graph_shape(g, head).c, e);
}

void measure_drop(Subject *s)
{
    executor_free(s->executor);
    for (int i = 0; i < 2; i++) mem_free(s->inputs[i]);
}

int measure_feed(const Subject *s, Err *e)
{
    for (int i = 0; i < 2; i++) TRY(executor_feed(s->executor, i, s->inputs[i], e));
    return 0;
}

int measure_seed(const Subject *s, Err *e)
{
    static const float one = 1;
    return executor_seed(s->executor, 0, &one, e);
}
