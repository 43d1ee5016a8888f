/* Whole networks: forward, and the full training step (forward, backward, clipping, AdamW). */
#include <omp.h>

#include "base/memory.h"
#include "bench/measure.h"
#include "network/optimizer.h"

typedef struct Run {
    Executor *executor;
    Optimizer *optimizer;   /* NULL: forward only */
    Step step;
} Run;

static void run_step(void *context)
{
    Run *run = context;
    executor_forward(run->executor, &run->step);
    if (run->optimizer) {
        *(float *)executor_output(run->executor, 0)->grad = 1;
        executor_backward(run->executor, &run->step);
        optimizer_step(run->optimizer, 1e-4);
        run->step.iteration++;
    }
}

static double products_of(const Executor *x, bool train)
{
    double macs = 0;
    for (int i = 0; i < executor_node_count(x); i++) macs += (double)measure_products(executor_node(x, i));
    return macs * (train ? 3 : 1);
}

/* What one measurement is of. */
typedef struct What {
    const char *network;
    const int64_t *size;
    int batch, threads;
    bool train;
} What;

static void report(Report *r, const What *what, const Executor *x, double seconds, double peak_flops)
{
    const MemoryReport m = executor_memory(x);
    report_row(r, "networks");
    report_text(r, "network", what->network);
    report_number(r, "height", (double)what->size[0]);
    report_number(r, "width", (double)what->size[1]);
    report_number(r, "batch", what->batch);
    report_text(r, "precision", "fp32");
    report_text(r, "what", what->train ? "train" : "forward");
    report_number(r, "threads", what->threads);
    report_measure(r, "seconds", seconds);
    report_measure(r, "fraction_of_peak", 2 * products_of(x, what->train) / seconds / peak_flops);
    report_measure(r, "peak_bytes", (double)(m.arena + m.parameters + 3 * m.parameter_gradients));
    report_measure(r, "bytes_without_reuse", (double)m.without_reuse);
    report_end(r);
}

static int measure(const What *what, const Graph *g, Parameters *parameters, const Limits *limits,
                   const MeasureOptions *o, Report *r, Err *e)
{
    static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 12};
    Run run = {.step = {.seed = 1}};
    omp_set_num_threads(what->threads);
    int failed = measure_executor(&run.executor, g, parameters, what->size, what->batch, what->train, e);
    if (!failed && what->train) failed = optimizer_new(&run.optimizer, parameters, &adamw, e);
    if (!failed && what->train) failed = optimizer_adopt(run.optimizer, executor_gradients(run.executor), e);
    if (!failed)
        report(r, what, run.executor, measure_best(run_step, &run, o->seconds),
               limits->flops[what->threads == o->threads]);
    optimizer_free(run.optimizer);
    executor_free(run.executor);
    return failed;
}

/* Forward and training of one size; forward with one image on one thread besides. */
static int measure_size(const char *network, const int64_t size[2], const Graph *g, Parameters *parameters,
                        const Limits *limits, const MeasureOptions *o, Report *r, Err *e)
{
    What what = {network, size, 1, 1, false};
    if (o->forward && o->threads > 1) TRY(measure(&what, g, parameters, limits, o, r, e));
    what.threads = o->threads;
    for (int b = 0; b < o->batch_count; b++) {
        what.batch = o->batches[b];
        what.train = false;
        if (o->forward) TRY(measure(&what, g, parameters, limits, o, r, e));
        what.train = true;
        if (o->train) TRY(measure(&what, g, parameters, limits, o, r, e));
    }
    return 0;
}

static int measure_network(const char *network, const Limits *limits, const MeasureOptions *o, Report *r,
                           Err *e)
{
    Graph *g;
    Parameters *parameters = NULL;
    TRY(measure_build(&g, network, o->sizes[0], e));
    int failed = parameters_new(&parameters, g, e);
    if (!failed) parameters_initialize(parameters, 1);
    for (int s = 0; !failed && s < o->size_count; s++)
        failed = measure_size(network, o->sizes[s], g, parameters, limits, o, r, e);
    parameters_free(parameters);
    graph_free(g);
    return failed;
}

int measure_networks(const Limits *limits, const MeasureOptions *o, Report *r, Err *e)
{
    for (int i = 0; i < o->network_count; i++) TRY(measure_network(o->networks[i], limits, o, r, e));
    return report_check(r, e);
}
