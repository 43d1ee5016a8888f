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

void measure_tell(Report *r, const char *what, const char *unit, double amount, double seconds)
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
    TRY(network_defaults(&spec, network, 1, e));
    spec.height = size[0];
    spec.width = size[1];
    spec.channels = 3;
    spec.classes = 14;
    spec.deep_supervision = true;
    return network_build(g, &spec, e);
}

int64_t measure_products(const Node *node)
{
    static const char *const products[] = {"linear", "conv2d", "conv_transpose2d", "depthwise_conv2d"};
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        if (!strcmp(node->op->name, products[i])) return node->op->macs(node);
    if (strcmp(node->op->name, "selective_scan")) return 0;
    return shape_pixels(node->in[0]->shape) * (node->param_info[0]->count + node->param_info[1]->count);
}

static void fill_inputs(Executor *x, int64_t classes)
{
    Rng rng = rng_make(1, 0, 0, 0, RNG_TEST);
    Tensor *image = executor_input(x, 0), *labels = executor_input(x, 1);
    float *pixels = image->data;
    int16_t *truth = labels ? labels->data : NULL;
    for (int64_t i = 0; i < shape_count(image->shape); i++) pixels[i] = (float)rng_normal(&rng);
    for (int64_t i = 0; truth && i < shape_count(labels->shape); i++)
        truth[i] = (int16_t)rng_below(&rng, (uint32_t)classes);
}

int measure_executor(Executor **x, const Graph *g, Parameters *parameters, const MeasureRun *run, Err *e)
{
    Ref output, head;
    graph_find(g, run->train ? "loss" : "head0", &output);
    graph_find(g, "head0", &head);
    const Shape pixels = {run->batch, run->size[0], run->size[1], 1};
    const Shape shapes[] = {{pixels.n, pixels.h, pixels.w, 3}, pixels};
    const ExecutorOptions options = {.inputs = shapes, .outputs = &output, .output_count = 1, .train = run->train,
                                     .precision = run->precision};
    TRY(executor_new(x, g, parameters, &options, e));
    fill_inputs(*x, graph_shape(g, head).c);
    return 0;
}
