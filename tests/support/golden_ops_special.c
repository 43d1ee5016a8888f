/* Cases of part ops that are no plain graph from inputs to outputs: the loss, drop path (whose mask is drawn),
 * the bare selective scan, softplus (inside the scan) and the optimiser's step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "network/executor.h"
#include "network/ops/ops.h"
#include "network/ops/scan.h"
#include "network/optimizer.h"
#include "tests/support/golden_ops.h"

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

static void compare_loss(Golden *g, Executor *x, const DocNode *c, const Gold *gold, const Array *logits)
{
    const int64_t *s = logits->shape;
    const double loss = golden_number(c, "loss", NAN), found = *(const float *)executor_output(x, 0)->data;
    Tensor *in = executor_input(x, 0);
    float *nchw = mem_alloc(array_bytes(logits), NULL);
    golden_expect(g, "loss", fabs(found - loss), fmax(8 * golden_number(c, "loss_noise", 0), 4e-6 * fabs(loss)));
    *(float *)executor_output(x, 0)->grad = 1;
    executor_backward(x, &(Step){0});
    if (nchw) golden_to_nchw(nchw, in->grad, s[0], s[1], s[2], s[3]);
    if (nchw) golden_ops_compare_gradient(g, "gin.logits", nchw, gold, c, 1e-4);
    mem_free(nchw);
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
    const Ref result = dice_ce_loss(graph, "loss", in, labels, loss);
    const ExecutorOptions o = {.outputs = &result, .output_count = 1, .train = true, .input_gradients = 1};
    if (!parameters_new(&parameters, graph, e) && !executor_new(&x, graph, parameters, &o, e)) {
        golden_to_nhwc(executor_input(x, 0)->data, logits->data, s[0], s[1], s[2], s[3]);
        put_labels(executor_input(x, 1)->data, target);
        executor_forward(x, &(Step){0});
        compare_loss(g, x, c, gold, logits);
    }
    executor_free(x);
    parameters_free(parameters);
    graph_free(graph);
}

/* ---- drop path: the draw that drops what the golden's mask drops is looked for ---- */

static bool draw_matches(const Tensor *y, const Tensor *x, const float *mask)
{
    const int64_t item = shape_count(y->shape) / y->shape.n;
    for (int64_t b = 0; b < y->shape.n; b++) {
        const bool dropped = !memcmp((const float *)y->data + b * item, (const float *)x->data + b * item, (size_t)item * sizeof(float));
        if (dropped != (mask[b] == 0)) return false;
    }
    return true;
}

static void compare_drop_path(Golden *g, Executor *x, const Array *a, const Array *f, const Array *mask, const Array *expected,
                              Err *e)
{
    const int64_t *s = a->shape;
    uint32_t i = 0;
    for (; i < 100000; i++) {
        golden_to_nhwc(executor_input(x, 0)->data, a->data, s[0], s[1], s[2], s[3]);
        golden_to_nhwc(executor_input(x, 1)->data, f->data, s[0], s[1], s[2], s[3]);
        executor_forward(x, &(Step){.iteration = i});
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
    if (i == 100000) golden_fail(g, "no draw drops what the mask drops");
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
    const Ref y = add_drop_path(graph, "drop_path", in0, in1, golden_number(doc_find(c, "meta"), "drop_prob", NAN));
    const ExecutorOptions o = {.outputs = &y, .output_count = 1, .train = true};
    if (!parameters_new(&parameters, graph, e) && !executor_new(&x, graph, parameters, &o, e))
        compare_drop_path(g, x, a, f, mask, expected, e);
    executor_free(x);
    parameters_free(parameters);
    graph_free(graph);
}

