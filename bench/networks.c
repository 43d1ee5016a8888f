/* Whole networks: forward, and the full training step (forward, backward, clipping, AdamW). */
#include <omp.h>

#include "base/memory.h"
#include "bench/measure.h"
#include "network/executor/precision.h"
#include "network/optimizer/optimizer.h"

typedef struct Work {
    Subject subject;
    Optimizer *optimizer; /* NULL: forward only */
    Step step;
    bool by_nodes; /* forward is issued node by node */
    Err failure;   /* of any run */
} Work;

static int forward(Work *w, Err *e)
{
    Executor *x = w->subject.executor;
    if (!w->by_nodes) return executor_forward(x, &w->step, e);
    for (int i = 0; i < executor_node_count(x); i++) TRY(executor_forward_node(x, i, &w->step, e));
    return 0;
}

static int train_step(Work *w, Err *e)
{
    TRY(measure_seed(&w->subject, e));
    TRY(executor_backward(w->subject.executor, &w->step, e));
    w->step.iteration++;
    return optimizer_step(w->optimizer, 1e-4, NULL, e);
}

static void run_step(void *context)
{
    Work *w = context;
    int failed = measure_feed(&w->subject, &w->failure);
    if (!failed) failed = forward(w, &w->failure);
    if (!failed && w->optimizer) failed = train_step(w, &w->failure);
    if (!failed) executor_wait(w->subject.executor, &w->failure);
}

typedef struct Network {
    const char *name;
    Graph *graph;
    Parameters *parameters; /* in memory, to train; NULL: only forward */
    Parameters *drawn;      /* for forward: drawn when an executor reads them, as predict reads them from a file */
} Network;

/* A ParameterSource. */
static int draw(void *graph, int index, float *values, Err *e)
{
    (void)e;
    parameters_draw(graph, index, 1, values);
    return 0;
}

/* The result of a measurement. */
typedef struct Found {
    double seconds, products; /* of one run; products: multiply-adds, including backward */
    size_t bytes;             /* including AdamW's moments in training */
} Found;

static double products_of(const Executor *x, bool train)
{
    double macs = 0;
    for (int i = 0; i < executor_node_count(x); i++) macs += (double)measure_products(executor_node(x, i));
    return macs * (train ? 3 : 1);
}

static bool is_gpu(const MeasureRun *run) { return run->device->kind != DEVICE_CPU; }

static int measure(Found *found, const Network *n, const MeasureRun *run, int threads, double seconds, Err *e)
{
    static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 12};
    Work work = {.step = {.seed = 1}};
    omp_set_num_threads(threads);
    int failed = measure_subject(&work.subject, n->graph, run->train ? n->parameters : n->drawn, run, e);
    Executor *x = work.subject.executor;
    if (!failed && run->train) failed = optimizer_new_adamw(&work.optimizer, n->parameters, &adamw, e);
    if (!failed && run->train) failed = optimizer_adopt(work.optimizer, executor_gradients(x), e);
    if (!failed) {
        const MemoryReport m = executor_memory(x);
        if (is_gpu(run)) run_step(&work); /* the next run is recorded, the others are measured */
        work.by_nodes = run->by_nodes;
        found->seconds = measure_best(run_step, &work, seconds);
        found->products = products_of(x, run->train);
        found->bytes = run->train ? memory_of_training(m, 2) : memory_of_inference(m);
        failed = work.failure.code;
        if (failed) *e = work.failure;
    }
    optimizer_free(work.optimizer);
    measure_drop(&work.subject);
    return failed;
}

static void report_run(BenchReport *r, const char *section, const char *network, const MeasureRun *run)
{
    report_row(r, section);
    report_text(r, "network", network);
    report_number(r, "height", run->size[0]);
    report_number(r, "width", run->size[1]);
    report_number(r, "batch", run->batch);
    report_text(r, "precision", precision_name(run->precision));
    report_text(r, "what", run->train ? "train" : run->by_nodes ? "forward by nodes" : "forward");
}

static double fraction_of_peak(const Found *f, const MeasureRun *run, const Limits *limits)
{
    return 2 * f->products / f->seconds / (run->precision == DTYPE_BF16 ? limits->bf16_flops : limits->flops)[1];
}

static void report_found(BenchReport *r, const char *network, const MeasureRun *run, const Found *f,
                         const Limits *limits)
{
    report_run(r, "networks", network, run);
    report_measure(r, "seconds", f->seconds);
    report_measure(r, "fraction_of_peak", fraction_of_peak(f, run, limits));
    report_measure(r, "peak_bytes", (double)f->bytes);
    report_end(r);
}

static void report_scaling(BenchReport *r, const char *network, const MeasureRun *run, double one, double all)
{
    report_run(r, "scaling", network, run);
    report_measure(r, "seconds_1", one);
    report_measure(r, "seconds_all", all);
    report_measure(r, "speedup", one / all);
    report_end(r);
}

static int measure_and_report(const Network *n, const MeasureRun *run, const Limits *limits, const MeasureOptions *o,
                              BenchReport *r, Err *e)
{
    Found found;
    TRY(measure(&found, n, run, o->threads, o->seconds, e));
    report_found(r, n->name, run, &found, limits);
    return 0;
}

static MeasureRun node_by_node(MeasureRun run)
{
    run.train = false;
    run.by_nodes = true;
    return run;
}

/* Measures forward and training with each batch size; on a GPU also forward node by node. */
static int measure_size(const Network *n, MeasureRun run, const Limits *limits, const MeasureOptions *o, BenchReport *r,
                        Err *e)
{
    for (int b = 0; b < o->batch_count; b++) {
        run.batch = o->batches[b];
        for (int train = !o->forward; train <= o->train; train++) {
            run.train = train;
            TRY(measure_and_report(n, &run, limits, o, r, e));
        }
        const MeasureRun by_nodes = node_by_node(run);
        if (o->forward && is_gpu(&run)) TRY(measure_and_report(n, &by_nodes, limits, o, r, e));
    }
    return 0;
}

/* Measures forward with different numbers of threads. */
static int measure_scaling(const Network *n, MeasureRun run, const Limits *limits, const MeasureOptions *o,
                           BenchReport *r, Err *e)
{
    (void)limits;
    Found one, all;
    TRY(measure(&one, n, &run, 1, o->seconds, e));
    TRY(measure(&all, n, &run, o->threads, o->seconds, e));
    report_scaling(r, n->name, &run, one.seconds, all.seconds);
    return 0;
}

/* Measures forward with the first batch size, on a GPU also node by node, and a training step with the last. */
static int measure_row(const Network *n, MeasureRun run, const Limits *limits, const MeasureOptions *o, BenchReport *r,
                       Err *e)
{
    const MeasureRun nodes = node_by_node(run);
    Found forward, by_nodes, train;
    TRY(measure(&forward, n, &run, o->threads, o->seconds, e));
    if (is_gpu(&run)) TRY(measure(&by_nodes, n, &nodes, o->threads, o->seconds, e));
    run.train = true;
    run.batch = o->batches[o->batch_count - 1];
    TRY(measure(&train, n, &run, o->threads, o->seconds, e));
    report_row(r, "table");
    report_text(r, "network", n->name);
    report_text(r, "precision", precision_name(run.precision));
    report_measure(r, "forward_seconds", forward.seconds);
    if (is_gpu(&run)) report_measure(r, "by_nodes_seconds", by_nodes.seconds);
    report_measure(r, "forward_fraction", fraction_of_peak(&forward, &run, limits));
    report_measure(r, "train_seconds", train.seconds);
    report_measure(r, "train_fraction", fraction_of_peak(&train, &run, limits));
    report_measure(r, "train_bytes", (double)train.bytes);
    report_end(r);
    return 0;
}

/* What is measured of a network, for some sizes and each precision. */
typedef struct Part {
    int (*measure)(const Network *, MeasureRun, const Limits *, const MeasureOptions *, BenchReport *, Err *);
    int size_count;
    bool trains;
} Part;

static int measure_network(const char *name, Part part, const Limits *limits, const MeasureOptions *o, BenchReport *r,
                           Err *e)
{
    Network n = {.name = name};
    TRY(measure_build(&n.graph, name, o->sizes[0], e));
    int failed = parameters_new_from(&n.drawn, n.graph, (ParameterSource){draw, n.graph}, e);
    if (!failed && part.trains) failed = parameters_new(&n.parameters, n.graph, e);
    if (!failed && n.parameters) parameters_initialize(n.parameters, 1);
    for (int s = 0; !failed && s < part.size_count; s++)
        for (int bf16 = !o->fp32; !failed && bf16 <= o->bf16; bf16++) {
            const MeasureRun run = {.size = o->sizes[s],
                                    .batch = o->batches[0],
                                    .precision = bf16 ? DTYPE_BF16 : DTYPE_F32,
                                    .device = o->device};
            failed = part.measure(&n, run, limits, o, r, e);
        }
    parameters_free(n.parameters);
    parameters_free(n.drawn);
    graph_free(n.graph);
    return failed;
}

static int measure_part(Part part, const Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e)
{
    for (int i = 0; i < o->network_count; i++) TRY(measure_network(o->networks[i], part, limits, o, r, e));
    return report_check(r, e);
}

int measure_networks(const Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e)
{
    TRY(measure_part((Part){measure_size, o->size_count, o->train}, limits, o, r, e));
    if (!o->forward || o->threads == 1 || o->device->kind != DEVICE_CPU) return 0;
    return measure_part((Part){measure_scaling, 1, false}, limits, o, r, e);
}

int measure_table(const Limits *limits, const MeasureOptions *o, BenchReport *r, Err *e)
{
    return measure_part((Part){measure_row, 1, true}, limits, o, r, e);
}
