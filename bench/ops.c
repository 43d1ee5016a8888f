/* Measures every op with the shapes that it has in the networks: a training step runs node by node, and each is timed.
 * Nodes with the same op and shapes are one row, with the shortest of their times. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "bench/measure.h"
#include "network/executor/precision.h"

typedef struct Timing {
    double forward, backward; /* shortest time in seconds; 0: not run yet */
} Timing;

static void keep_least(double *least, double seconds)
{
    if (!*least || seconds < *least) *least = seconds;
}

static int run_once(const Subject *s, Timing *timings, const Step *step, Err *e)
{
    Executor *x = s->executor;
    TRY(measure_feed(s, e));
    const int count = executor_node_count(x);
    for (int i = 0; i < count; i++) {
        const double start = clock_seconds();
        TRY(executor_forward_node(x, i, step, e));
        TRY(executor_wait(x, e));
        keep_least(&timings[i].forward, clock_seconds() - start);
    }
    TRY(measure_seed(s, e));
    for (int i = count - 1; i >= 0; i--) {
        if (!executor_node(x, i)->has_backward) continue;
        const double start = clock_seconds();
        TRY(executor_backward_node(x, i, step, e));
        TRY(executor_wait(x, e));
        keep_least(&timings[i].backward, clock_seconds() - start);
    }
    return 0;
}

static void describe(char *text, size_t bytes, int rank, const int64_t *extents)
{
    size_t used = 0;
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, i ? "x%lld" : "%lld", (long long)extents[i]);
}

static void describe_shape(char *text, size_t bytes, Shape s)
{
    describe(text, bytes, 4, (int64_t[]){s.n, s.h, s.w, s.c});
}

/* Whether two nodes are in the same row: the same op and shapes, and gradients of the same inputs and parameters. */
static bool is_alike(const Node *a, const Node *b)
{
    if (a->op != b->op || a->impl != b->impl || a->has_backward != b->has_backward ||
        a->wants_grad[0] != b->wants_grad[0] || !shape_equal(a->in[0]->shape, b->in[0]->shape) ||
        !shape_equal(a->out[0]->shape, b->out[0]->shape))
        return false;
    if (a->param_count != b->param_count) return false;
    return !a->param_count || a->param_info[0]->count == b->param_info[0]->count;
}

static double rate(double amount, double seconds) { return seconds ? amount / seconds * 1e-9 : 0; }

/* The network and its options. */
typedef struct Setting {
    const char *network;
    MeasureRun run;
} Setting;

static void report(BenchReport *r, const Setting *setting, const Node *node, int uses, const Timing *t)
{
    char text[REPORT_TEXT] = "";
    const double flops = 2 * (double)measure_products(node);
    report_row(r, "ops");
    report_text(r, "network", setting->network);
    report_text(r, "precision", precision_name(setting->run.precision));
    report_text(r, "op", node->op->name);
    report_text(r, "implementation", node->impl->name);
    describe_shape(text, sizeof text, node->in[0]->shape);
    report_text(r, "input", text);
    describe_shape(text, sizeof text, node->out[0]->shape);
    report_text(r, "output", text);
    *text = '\0';
    if (node->param_count) describe(text, sizeof text, node->param_info[0]->rank, node->param_info[0]->shape);
    report_text(r, "weight", text);
    report_number(r, "uses", uses);
    report_measure(r, "forward_ms", t->forward * 1e3);
    report_measure(r, "forward_gflops", rate(flops, t->forward));
    report_measure(r, "backward_ms", t->backward * 1e3);
    const int gradients = node->wants_grad[0] + node->trains_params;
    report_measure(r, "backward_gflops", rate(flops * gradients, t->backward));
    report_end(r);
}

static void report_kinds(BenchReport *r, const Setting *setting, const Executor *x, Timing *timings)
{
    const int count = executor_node_count(x);
    for (int i = 0; i < count; i++) {
        int uses = 1;
        if (timings[i].forward == 0) continue;
        for (int k = i + 1; k < count; k++) {
            if (timings[k].forward == 0 || !is_alike(executor_node(x, i), executor_node(x, k))) continue;
            keep_least(&timings[i].forward, timings[k].forward);
            keep_least(&timings[i].backward, timings[k].backward);
            timings[k].forward = 0; /* reported in this row */
            uses++;
        }
        report(r, setting, executor_node(x, i), uses, &timings[i]);
    }
}

static int measure_nodes(const Setting *setting, const Subject *s, const MeasureOptions *o, BenchReport *r, Err *e)
{
    const Step step = {.seed = 1};
    Executor *x = s->executor;
    Timing *timings = mem_zalloc((size_t)executor_node_count(x), sizeof *timings, e);
    if (!timings) return ERR_NOMEM;
    int failed = measure_feed(s, e);
    if (!failed) failed = executor_forward(x, &step, e); /* packs the weights */
    const double start = clock_seconds();
    while (!failed && clock_seconds() - start < 3 * o->seconds) failed = run_once(s, timings, &step, e);
    if (!failed) report_kinds(r, setting, x, timings);
    mem_free(timings);
    return failed;
}

static int measure_network(const char *network, const MeasureOptions *o, BenchReport *r, Err *e)
{
    Graph *g;
    Parameters *parameters = NULL;
    TRY(measure_build(&g, network, o->sizes[0], e));
    int failed = parameters_new(&parameters, g, e);
    if (!failed) parameters_initialize(parameters, 1);
    for (int bf16 = !o->fp32; !failed && bf16 <= o->bf16; bf16++) {
        const Setting setting = {network,
                                 {o->sizes[0], o->batches[0], true, bf16 ? DTYPE_BF16 : DTYPE_F32, o->device, false}};
        Subject s;
        failed = measure_subject(&s, g, parameters, &setting.run, e);
        if (!failed) failed = measure_nodes(&setting, &s, o, r, e);
        measure_drop(&s);
    }
    parameters_free(parameters);
    graph_free(g);
    return failed;
}

int measure_ops(const MeasureOptions *o, BenchReport *r, Err *e)
{
    omp_set_num_threads(o->threads);
    for (int i = 0; i < o->network_count; i++) TRY(measure_network(o->networks[i], o, r, e));
    return report_check(r, e);
}
