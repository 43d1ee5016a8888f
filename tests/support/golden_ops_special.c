/* Cases of part ops that are no plain graph from inputs to outputs: the loss, drop path (whose mask is drawn),
 * the bare selective scan, softplus (inside the scan) and the optimiser's step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "network/executor/executor.h"
#include "network/ops/ops.h"
#include "network/ops/scan.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/golden_ops.h"
#include "tests/support/stepped.h"

static const Array *need(const Gold *gold, const char *record, Err *e)
{
    const Array *a = gold_find(gold, record);
    if (!a && !e->code) err_set(e, ERR_FORMAT, "the bundle has no %s", record);
    return a;
}

/* ---- Dice + cross-entropy ---- */

static void put_labels(int16_t *to, const Array *from)
{
    for (int64_t i = 0; i < array_count(from); i++) to[i] = ((const uint8_t *)from->data)[i];
}

static int compare_loss(Golden *g, Executor *x, const DocNode *c, const Gold *gold, const Array *logits, Err *e)
{
    const int64_t *s = logits->shape;
    const double loss = golden_number(c, "loss", NAN), found = *(const float *)executor_output(x, 0)->data;
    Tensor *in = executor_input(x, 0);
    golden_expect(g, "loss", fabs(found - loss), fmax(8 * golden_number(c, "loss_noise", 0), 4e-6 * fabs(loss)));
    *(float *)executor_output(x, 0)->grad = 1;
    TRY(executor_backward(x, &(Step){0}, e));
    float *nchw = mem_alloc(array_bytes(logits), e);
    if (!nchw) return ERR_NOMEM;
    golden_to_nchw(nchw, in->grad, s[0], s[1], s[2], s[3]);
    golden_ops_compare_gradient(g, "gin.logits", nchw, gold, c, 1e-4);
    mem_free(nchw);
    return 0;
}

static void run_loss(Golden *g, const DocNode *c, const Gold *gold, Err *e)
{
    const DocNode *meta = doc_find(c, "meta"), *ignore = doc_find(meta, "ignore_label");
    const Array *logits = need(gold, "in.logits", e), *target = need(gold, "in.target", e);
    if (e->code) return;
    const int64_t *s = logits->shape, *t = target->shape;
    DiceCE loss = {.smooth = golden_number(meta, "smooth", 1e-5), .ignore_label = -1};
    doc_get_bool(doc_find(meta, "batch_dice"), &loss.batch_dice, NULL);
    if (!doc_is_null(ignore)) loss.ignore_label = (int)golden_number(meta, "ignore_label", -1);
    Graph *graph = graph_new(e);
    if (!graph) return;
    Parameters *parameters = NULL;
    Executor *x = NULL;
    const Ref in = graph_input(graph, "logits", (Shape){s[0], s[2], s[3], s[1]}, DTYPE_F32);
    const Ref labels = graph_input(graph, "labels", (Shape){t[0], t[2], t[3], 1}, DTYPE_I16);
    const Ref result = op_dice_ce_loss(graph, "loss", in, labels, loss);
    const ExecutorOptions o = {.outputs = &result, .output_count = 1, .train = true, .input_gradients = 1};
    if (!parameters_new(&parameters, graph, e) && !executor_new(&x, graph, parameters, &o, e)) {
        golden_to_nhwc(executor_input(x, 0)->data, logits->data, s[0], s[1], s[2], s[3]);
        put_labels(executor_input(x, 1)->data, target);
        if (!executor_forward(x, &(Step){0}, e)) compare_loss(g, x, c, gold, logits, e);
    }
    executor_free(x);
    parameters_free(parameters);
    graph_free(graph);
}

/* ---- drop path: searches for a seed that drops the samples of the golden's mask ---- */

static bool draw_matches(const Tensor *y, const Tensor *x, const float *mask)
{
    const int64_t item = shape_count(y->shape) / y->shape.n;
    for (int64_t b = 0; b < y->shape.n; b++) {
        const bool dropped =
            !memcmp((const float *)y->data + b * item, (const float *)x->data + b * item, (size_t)item * sizeof(float));
        if (dropped != (mask[b] == 0)) return false;
    }
    return true;
}

static void compare_drop_path(Golden *g, Executor *x, const Array *a, const Array *f, const Array *mask,
                              const Array *expected, Err *e)
{
    const int64_t *s = a->shape;
    uint32_t i = 0;
    for (; i < 100000; i++) {
        golden_to_nhwc(executor_input(x, 0)->data, a->data, s[0], s[1], s[2], s[3]);
        golden_to_nhwc(executor_input(x, 1)->data, f->data, s[0], s[1], s[2], s[3]);
        if (executor_forward(x, &(Step){.iteration = i}, e)) return;
        if (draw_matches(executor_output(x, 0), executor_input(x, 0), mask->data)) break;
    }
    float *found = mem_alloc(array_bytes(expected), e);
    double worst = 0, largest = 0;
    if (found) golden_to_nchw(found, executor_output(x, 0)->data, s[0], s[1], s[2], s[3]);
    for (int64_t k = 0; found && k < array_count(expected); k++) {
        const double value = ((const float *)expected->data)[k];
        worst = fmax(worst, fabs(found[k] - value));
        largest = fmax(largest, fabs(value));
    }
    if (i == 100000) golden_fail(g, "no seed drops the samples of the mask");
    else golden_expect(g, "out.0", worst, 4e-6 * largest);
    mem_free(found);
}

static void run_drop_path(Golden *g, const DocNode *c, const Gold *gold, Err *e)
{
    const Array *a = need(gold, "in.x", e), *f = need(gold, "in.f", e), *mask = need(gold, "in.mask", e);
    const Array *expected = need(gold, "out.0", e);
    Graph *graph = e->code ? NULL : graph_new(e);
    if (!graph) return;
    Parameters *parameters = NULL;
    Executor *x = NULL;
    const Shape s = {a->shape[0], a->shape[2], a->shape[3], a->shape[1]};
    const Ref in0 = graph_input(graph, "x", s, DTYPE_F32), in1 = graph_input(graph, "f", s, DTYPE_F32);
    const Ref y = op_add_drop_path(graph, "drop_path", in0, in1, golden_number(doc_find(c, "meta"), "drop_prob", NAN));
    const ExecutorOptions o = {.outputs = &y, .output_count = 1, .train = true};
    if (!parameters_new(&parameters, graph, e) && !executor_new(&x, graph, parameters, &o, e))
        compare_drop_path(g, x, a, f, mask, expected, e);
    executor_free(x);
    parameters_free(parameters);
    graph_free(graph);
}

/* ---- the bare scan: each group is a direction, over a row of L pixels ---- */

/* One group's slice of an array (batch, channels or groups × inner, L) as rows of L pixels. */
static void take_rows(float *to, int64_t row, int64_t column, const Array *from, int64_t batch, int64_t first,
                      int64_t count, int64_t length)
{
    const int64_t all = array_count(from) / (batch * length);
    for (int64_t b = 0; b < batch; b++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t l = 0; l < length; l++)
                to[(b * length + l) * row + column + k] =
                    ((const float *)from->data)[(b * all + first + k) * length + l];
}

static void give_rows(float *to, int64_t row, int64_t column, const float *from, int64_t batch, int64_t all,
                      int64_t first, int64_t count, int64_t length)
{
    for (int64_t b = 0; b < batch; b++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t l = 0; l < length; l++)
                to[(b * all + first + k) * length + l] = from[(b * length + l) * row + column + k];
}

/* All memory of a scan of one direction with the identity as its dt projection (rank = channels). */
typedef struct ScanRun {
    ScanShape shape;
    ScanValues values;
    ScanGradients gradients;
    struct {
        float *dt_weight, *dt_bias, *A_logs, *Ds;
    } params; /* a writable ScanParams */
    float *packed, *block;
    void *scratch;
} ScanRun;

static float *carve(float **at, int64_t floats)
{
    float *here = *at;
    *at += (floats + 15) / 16 * 16;
    return here;
}

static int open_scan(ScanRun *r, int64_t batch, int64_t length, int64_t channels, int states, Err *e)
{
    *r = (ScanRun){.shape = {.batch = batch,
                             .height = 1,
                             .width = length,
                             .channels = channels,
                             .states = states,
                             .rank = (int)channels,
                             .directions = {1, {SCAN_ROW_MAJOR}},
                             .threads = 2}};
    const ScanSizes sizes = scan_sizes(&r->shape);
    const int64_t pixels = batch * length, row = scan_row(&r->shape), d = channels, s = states;
    const size_t floats = (size_t)(4 * (pixels * d + 16) + 2 * (pixels * row + 16) + 2 * (d * d + d * s + 2 * d + 64));
    r->block = mem_zalloc(floats, sizeof(float), e);
    r->packed = mem_zalloc(1, sizes.packed, e);
    r->scratch = mem_zalloc(
        1, sizes.forward_scratch > sizes.backward_scratch ? sizes.forward_scratch : sizes.backward_scratch, e);
    r->values.states = mem_zalloc(1, sizes.states, e);
    if (!r->block || !r->packed || !r->scratch || !r->values.states) return ERR_NOMEM;
    float *at = r->block;
    r->values.x = (ScanImage){carve(&at, pixels * d), d};
    r->values.y = r->values.sums = (ScanImage){carve(&at, pixels * d), d};
    r->gradients.x = (ScanImage){carve(&at, pixels * d), d};
    r->gradients.y = (ScanImage){carve(&at, pixels * d), d};
    r->values.projections = carve(&at, pixels * row);
    r->gradients.projections = carve(&at, pixels * row);
    r->params.dt_weight = carve(&at, d * d);
    r->params.dt_bias = carve(&at, d);
    r->params.A_logs = carve(&at, d * s);
    r->params.Ds = carve(&at, d);
    r->gradients.params = (ScanParamGradients){carve(&at, d * d), carve(&at, d), carve(&at, d * s), carve(&at, d)};
    for (int64_t k = 0; k < d; k++) r->params.dt_weight[k * d + k] = 1;
    return 0;
}

static void close_scan(ScanRun *r)
{
    mem_free(r->block);
    mem_free(r->packed);
    mem_free(r->scratch);
    mem_free(r->values.states);
}

static void run_scan_kernel(ScanRun *r)
{
    const ScanKernel *kernel = *scan_kernels();
    const ScanParams params = {r->params.dt_weight, r->params.dt_bias, r->params.A_logs, r->params.Ds};
    kernel->pack(&r->shape, &params, r->packed);
    kernel->forward(&r->shape, r->packed, &r->values, r->scratch);
    kernel->backward(&r->shape, r->packed, &r->values, &r->gradients, r->scratch);
}

enum { SCAN_U, SCAN_DELTA, SCAN_A, SCAN_B, SCAN_C, SCAN_D, SCAN_BIAS, SCAN_INPUTS };
static const char *const scan_inputs[SCAN_INPUTS] = {"u", "delta", "A_log", "B", "C", "D", "dbias"};

/* Runs group k of a case and stores outputs and gradients in found[]. */
static int run_scan_group(const Array *const in[SCAN_INPUTS], const Array *cotangent, int64_t k, int64_t groups,
                          float *out, float *const found[SCAN_INPUTS], Err *e)
{
    ScanRun r;
    const int64_t batch = in[SCAN_U]->shape[0], length = in[SCAN_U]->shape[2], all = in[SCAN_U]->shape[1],
                  d = all / groups;
    const int64_t states = in[SCAN_A]->shape[1], first = k * d;
    const int failed = open_scan(&r, batch, length, d, (int)states, e);
    if (!failed) {
        const int64_t row = scan_row(&r.shape);
        float *projections = (float *)r.values.projections;
        take_rows(r.values.x.data, d, 0, in[SCAN_U], batch, first, d, length);
        take_rows(projections, row, 0, in[SCAN_DELTA], batch, first, d, length);
        take_rows(projections, row, d, in[SCAN_B], batch, k * states, states, length);
        take_rows(projections, row, d + states, in[SCAN_C], batch, k * states, states, length);
        take_rows(r.gradients.y.data, d, 0, cotangent, batch, first, d, length);
        memcpy(r.params.A_logs, (const float *)in[SCAN_A]->data + first * states, (size_t)(d * states) * sizeof(float));
        memcpy(r.params.Ds, (const float *)in[SCAN_D]->data + first, (size_t)d * sizeof(float));
        memcpy(r.params.dt_bias, (const float *)in[SCAN_BIAS]->data + first, (size_t)d * sizeof(float));
        run_scan_kernel(&r);
        const float *dp = r.gradients.projections;
        give_rows(out, d, 0, r.values.y.data, batch, all, first, d, length);
        give_rows(found[SCAN_U], d, 0, r.gradients.x.data, batch, all, first, d, length);
        give_rows(found[SCAN_DELTA], row, 0, dp, batch, all, first, d, length);
        give_rows(found[SCAN_B], row, d, dp, batch, groups * states, k * states, states, length);
        give_rows(found[SCAN_C], row, d + states, dp, batch, groups * states, k * states, states, length);
        memcpy(found[SCAN_A] + first * states, r.gradients.params.A_logs, (size_t)(d * states) * sizeof(float));
        memcpy(found[SCAN_D] + first, r.gradients.params.Ds, (size_t)d * sizeof(float));
        memcpy(found[SCAN_BIAS] + first, r.gradients.params.dt_bias, (size_t)d * sizeof(float));
    }
    close_scan(&r);
    return failed;
}

static void run_scan(Golden *g, const DocNode *c, const Gold *gold, Err *e)
{
    const Array *in[SCAN_INPUTS], *expected = need(gold, "out.0", e), *cotangent = need(gold, "cot.0", e);
    float *found[SCAN_INPUTS] = {NULL}, *out = NULL;
    char record[32];
    for (int i = 0; i < SCAN_INPUTS; i++) {
        snprintf(record, sizeof record, "in.%s", scan_inputs[i]);
        in[i] = need(gold, record, e);
        if (!e->code) found[i] = mem_zalloc(1, array_bytes(in[i]), e);
    }
    const int64_t groups = (int64_t)golden_number(doc_find(c, "meta"), "groups", 1);
    if (!e->code) out = mem_zalloc(1, array_bytes(expected), e);
    for (int64_t k = 0; !e->code && k < groups; k++) run_scan_group(in, cotangent, k, groups, out, found, e);
    if (!e->code)
        golden_expect_values(g, "out.0", out, expected->data, array_count(expected),
                             doc_find(doc_find(c, "records"), "out.0"));
    for (int i = 0; i < SCAN_INPUTS; i++) {
        snprintf(record, sizeof record, "gin.%s", scan_inputs[i]);
        if (!e->code) golden_ops_compare_gradient(g, record, found[i], gold, c, 1e-4);
        mem_free(found[i]);
    }
    mem_free(out);
}

/* ---- softplus: with one pixel, one state and B = C = u = 1, D = 0, the scan's output is delta itself ---- */

static void run_softplus(Golden *g, const DocNode *c, const Gold *gold, Err *e)
{
    const Array *x = need(gold, "in.x", e), *cotangent = need(gold, "cot.0", e), *expected = need(gold, "out.0", e);
    ScanRun r;
    if (e->code) return;
    const int64_t count = array_count(x);
    float *values = mem_zalloc((size_t)count, 2 * sizeof(float), e);
    if (!values) return;
    if (!open_scan(&r, count, 1, 1, 1, e)) {
        float *projections = (float *)r.values.projections, *u = r.values.x.data, *dy = r.gradients.y.data;
        for (int64_t i = 0; i < count; i++) {
            u[i] = projections[3 * i + 1] = projections[3 * i + 2] = 1;
            projections[3 * i] = ((const float *)x->data)[i];
            dy[i] = ((const float *)cotangent->data)[i];
        }
        run_scan_kernel(&r);
        for (int64_t i = 0; i < count; i++) values[i] = r.gradients.projections[3 * i];
        golden_expect_values(g, "out.0", r.values.y.data, expected->data, count,
                             doc_find(doc_find(c, "records"), "out.0"));
        golden_ops_compare_gradient(g, "gin.x", values, gold, c, 1e-4);
    }
    close_scan(&r);
    mem_free(values);
}

/* ---- clipping and AdamW: the parameters p0, p1 … of a graph that only holds them ---- */

/* A graph whose parameters are the bundle's par.* records, each as a bias-free linear layer's weight. */
static Ref define_parameters(Graph *graph, const Gold *gold)
{
    char record[32];
    Ref last = graph_input(graph, "x", (Shape){1, 1, 1, 1}, DTYPE_F32);
    const Array *a;
    for (int i = 0; snprintf(record, sizeof record, "par.p%d", i), (a = gold_find(gold, record)); i++)
        last = op_linear(graph, record + 4, last, array_count(a), true);
    return last;
}

/* Parameter 2i+1 of the graph is the i-th layer's bias: it has the record's size. */
static int bias_of(int record) { return 2 * record + 1; }

static void compare_step(Golden *g, int step, Parameters *parameters, const Gold *gold, int count, Err *e)
{
    char record[64];
    for (int i = 0; i < count && !e->code; i++) {
        snprintf(record, sizeof record, "out.%d.p%d", step, i);
        const Array *expected = need(gold, record, e);
        snprintf(record, sizeof record, "par.p%d", i);
        const Array *start = need(gold, record, e);
        double difference = 0, change = 0;
        for (int64_t k = 0; !e->code && k < array_count(expected); k++) {
            const double target = ((const double *)expected->data)[k], from = ((const float *)start->data)[k];
            difference += pow(parameters_of(parameters, bias_of(i))[k] - target, 2);
            change += pow(target - from, 2);
        }
        snprintf(record, sizeof record, "step %d, p%d", step, i);
        golden_expect(g, record, change > 0 ? sqrt(difference / change) : difference, 2e-3);
    }
}

/* One step with the gradients that the bundle has for it: a parameter without one is not trained in it. */
static void run_step(Golden *g, int step, double expected_norm, Optimizer *optimizer, Parameters *parameters, Ref last,
                     const Gold *gold, int count, Err *e)
{
    char record[64];
    bool trained[2 * NODE_INPUTS * 8] = {false};
    Executor *x = NULL;
    for (int i = 0; i < count; i++) {
        snprintf(record, sizeof record, "grad.%d.p%d", step, i);
        trained[bias_of(i)] = gold_find(gold, record) != NULL;
    }
    const ExecutorOptions o = {.outputs = &last, .output_count = 1, .train = true, .trained = trained};
    if (executor_new(&x, parameters->graph, parameters, &o, e) ||
        optimizer_adopt(optimizer, executor_gradients(x), e)) {
        executor_free(x);
        return;
    }
    const Gradients *gradients = executor_gradients(x);
    for (int i = 0; i < count; i++) {
        snprintf(record, sizeof record, "grad.%d.p%d", step, i);
        const Array *gradient = gold_find(gold, record);
        if (gradient) memcpy(gradients->values + gradients->offset[bias_of(i)], gradient->data, array_bytes(gradient));
    }
    golden_expect(g, "gradient norm", fabs(stepped(optimizer, 1e-4) - expected_norm), 1e-6 * expected_norm + 1e-12);
    compare_step(g, step, parameters, gold, count, e);
    executor_free(x);
}

static void run_adamw(Golden *g, const DocNode *c, const Gold *gold, Err *e)
{
    const AdamW adamw = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-5, .weight_decay = 0.05, .clip_norm = 12};
    const DocNode *norms = doc_find(doc_find(c, "meta"), "grad_norm_before_clip");
    Graph *graph = graph_new(e);
    Parameters *parameters = NULL;
    Optimizer *optimizer = NULL;
    if (!graph) return;
    const Ref last = define_parameters(graph, gold);
    const int count = graph_param_count(graph) / 2;
    if (!graph_check(graph, e) && !parameters_new(&parameters, graph, e) &&
        !optimizer_new_adamw(&optimizer, parameters, &adamw, e)) {
        char record[32];
        for (int i = 0; i < count; i++) {
            snprintf(record, sizeof record, "par.p%d", i);
            const Array *start = gold_find(gold, record);
            memcpy(parameters_of(parameters, bias_of(i)), start->data, array_bytes(start));
        }
        int step = 0;
        for (const DocNode *n = norms ? norms->first : NULL; n && !e->code; n = n->next, step++) {
            double norm = NAN;
            doc_get_double(n, &norm, NULL);
            run_step(g, step, norm, optimizer, parameters, last, gold, count, e);
        }
    }
    optimizer_free(optimizer);
    parameters_free(parameters);
    graph_free(graph);
}

bool golden_ops_special(Golden *g, const char *op, const DocNode *c, const Gold *gold, Err *e)
{
    static const struct {
        const char *op;
        void (*run)(Golden *g, const DocNode *c, const Gold *gold, Err *e);
    } special[] = {{"DC_and_CE_loss", run_loss},
                   {"x + f*mask", run_drop_path},
                   {"selective_scan", run_scan},
                   {"softplus", run_softplus},
                   {"clip_grad_norm_", run_adamw}};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (strncmp(op, special[i].op, strlen(special[i].op))) continue;
        special[i].run(g, c, gold, e);
        return true;
    }
    return false;
}
