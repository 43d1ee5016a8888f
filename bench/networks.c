/* Whole networks: forward, and the full training step (forward, backward, clipping, AdamW). */
#include <omp.h>

#include "base/memory.h"
#include "bench/measure.h"
#include "network/optimizer.h"
#include "network/precision.h"

typedef struct Work {
    Executor *executor;
    Optimizer *optimizer;   /* NULL: forward only */
    Step step;
} Work;

static void run_step(void *context)
{
    Work *w = context;
    executor_forward(w->executor, &w->step);
    if (!w->optimizer) return;
    *(float *)executor_output(w->executor, 0)->grad = 1;
    executor_backward(w->executor, &w->step);
    optimizer_step(w->optimizer, 1e-4);
    w->step.iteration++;
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
    MeasureRun run;
    int threads;
} What;

static void report(Report *r, const What *what, const Executor *x, double seconds, double peak_flops)
{
    const MemoryReport m = executor_memory(x);
    report_row(r, "networks");
    report_text(r, "network", what->network);
    report_number(r, "height", (double)what->run.size[0]);
    report_number(r, "width", (double)what->run.size[1]);
    report_number(r, "batch", what->run.batch);
    report_text(r, "precision", precision_name(what->run.precision));
    report_text(r, "what", what->run.train ? "train" : "forward");
    report_number(r, "threads", what->threads);
    report_measure(r, "seconds", seconds);
    report_measure(r, "fraction_of_peak", 2 * products_of(x, what->run.train) / seconds / peak_flops);
    report_measure(r, "peak_bytes", (double)(m.arena + m.parameters + 3 * m.parameter_gradients));
    report_measure(r, "bytes_without_reuse", (double)m.without_reuse);
    report_end(r);
}

static int measure(const What *what, const Graph *g, Parameters *parameters, const Limits *limits,
                   const MeasureOptions *o, Report *r, Err *e)
{
    static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 12};
    const int all = what->threads == o->threads;
    const double flops = (what->run.precision == DTYPE_BF16 ? limits->bf16_flops : limits->flops)[all];
    Work work = {.step = {.seed = 1}};
    omp_set_num_threads(what->threads);
    int failed = measure_executor(&work.executor, g, parameters, &what->run, e);
    if (!failed && what->run.train) failed = optimizer_new(&work.optimizer, parameters, &adamw, e);
    if (!failed && what->run.train) failed = optimizer_adopt(work.optimizer, executor_gradients(work.executor), e);
    if (!failed) report(r, what, work.executor, measure_best(run_step, &work, o->seconds), flops);
    optimizer_free(work.optimizer);
    executor_free(work.executor);
    return failed;
}

/* Forward and training of one size; forward with one image on one thread besides. */
static int measure_size(const char *network, MeasureRun run, const Graph *g, Parameters *parameters,
                        const Limits *limits, const MeasureOptions *o, Report *r, Err *e)
{
    run.batch = 1;
    run.train = false;
    if (o->forward && o->threads > 1) TRY(measure(&(What){network, run, 1}, g, parameters, limits, o, r, e));
    for (int b = 0; b < o->batch_count; b++) {
        run.batch = o->batches[b];
        for (int train = !o->forward; train <= o->train; train++) {
            run.train = train;
            TRY(measure(&(What){network, run, o->threads}, g, parameters, limits, o, r, e));
        }
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
        for (int bf16 = !o->fp32; !failed && bf16 <= o->bf16; bf16++) {
            const MeasureRun run = {.size = o->sizes[s], .precision = bf16 ? DTYPE_BF16 : DTYPE_F32};
            failed = measure_size(network, run, g, parameters, limits, o, r, e);
        }
    parameters_free(parameters);
    graph_free(g);
    return failed;
}

int measure_networks(const Limits *limits, const MeasureOptions *o, Report *r, Err *e)
{
    for (int i = 0; i < o->network_count; i++) TRY(measure_network(o->networks[i], limits, o, r, e));
    return report_check(r, e);
}
