/* Every op, in every implementation that this CPU can run, against its equation in double precision:
 * values, and gradients by central differences of that double-precision peer, element by element. Each is
 * run dense, with gaps between pixels, accumulating, in place of an input, and on 1 to 3 threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "tests/support/op_reference.h"
#include "tests/support/op_run.h"

typedef struct OpCase OpCase;
struct OpCase {
    const char *name;
    void (*build)(Graph *g, const OpCase *c, const Ref *in, Ref *outputs);
    OpReferenceFunction *reference;
    Shape in[NODE_INPUTS];
    double number;
    const void *spec;
    int labels;    /* in[1] holds labels -1 … labels - 1; 0: it does not */
    int64_t macs;
};

/* ---- the table ---- */

#define BUILD(op, call)                                                                            \
    static void build_##op(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)                 \
    {                                                                                              \
        (void)c;                                                                                   \
        outputs[0] = call;                                                                         \
    }
BUILD(silu, op_silu(g, in[0]))
BUILD(silu_gate, op_silu_gate(g, in[0], in[1]))
BUILD(leaky_relu, op_leaky_relu(g, in[0], c->number))
BUILD(add, op_add(g, in[0], in[1]))
BUILD(concat, op_concat(g, in[0], in[1]))
BUILD(space_to_depth, op_space_to_depth(g, in[0], (int64_t)c->number))
BUILD(depth_to_space, op_depth_to_space(g, in[0], (int64_t)c->number))
BUILD(layer_norm, op_layer_norm(g, "norm", in[0]))
BUILD(instance_norm, op_instance_norm(g, "norm", in[0], false))
BUILD(instance_norm_affine, op_instance_norm(g, "norm", in[0], true))
BUILD(instance_norm_act, op_leaky_relu(g, op_instance_norm(g, "norm", in[0], true), c->number))
BUILD(depthwise_conv2d, op_depthwise_conv2d(g, "conv", in[0]))
BUILD(linear, op_linear(g, "linear", in[0], (int64_t)c->number, true))
BUILD(linear_plain, op_linear(g, "linear", in[0], (int64_t)c->number, false))
BUILD(conv2d, op_conv2d(g, "conv", in[0], (int64_t)c->number, *(const Conv *)c->spec))
BUILD(conv_transpose2d, op_conv_transpose2d(g, "conv", in[0], (int64_t)c->number, *(const Conv *)c->spec))
BUILD(dice_ce_loss, op_dice_ce_loss(g, "loss", in[0], in[1], *(const DiceCE *)c->spec))
BUILD(dice_bce_loss, op_dice_bce_loss(g, "loss", in[0], in[1], c->spec))
BUILD(weighted_sum, op_weighted_sum(g, "sum", in, c->spec, 3))

/* The order of the inputs is the chain's: the norm's first. */
static void build_instance_norm_add_act(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    outputs[0] = op_leaky_relu(g, op_add(g, in[1], op_instance_norm(g, "norm", in[0], false)), c->number);
}

static void build_selective_scan(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    const ScanSpec *spec = c->spec;
    outputs[0] = op_selective_scan(g, in[0], spec->rank, (int64_t)c->number, spec->directions);
}

static void build_split(Graph *g, const OpCase *c, const Ref *in, Ref *outputs)
{
    op_split(g, in[0], (int64_t)c->number, &outputs[0], &outputs[1]);
}

static const double weights[] = {0.5, -2, 0.25, 0};
#define SS2D {4, {SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED, SCAN_COLUMN_MAJOR_REVERSED}}
#define SQUARE(kernel, stride, padding) {kernel, kernel}, {stride, stride}, {padding, padding}
static const Conv stem = {SQUARE(7, 2, 3), true}, same = {SQUARE(3, 1, 1), false}, head = {SQUARE(1, 1, 0), true},
                  patch = {SQUARE(4, 4, 0), true}, flat = {{1, 3}, {1, 1}, {0, 1}, true},
                  tall = {{5, 2}, {1, 2}, {2, 0}, false}, uneven = {{3, 4}, {2, 3}, {1, 2}, true},
                  wide_padding = {{3, 2}, {1, 1}, {4, 3}, true};
static const Conv up = {SQUARE(2, 2, 0), false}, up_bias = {SQUARE(2, 2, 0), true}, up_overlap = {SQUARE(3, 2, 1), true},
                  up_gaps = {SQUARE(1, 2, 0), true}, up_flat = {{1, 2}, {1, 2}, {0, 0}, true},
                  up_uneven = {{4, 3}, {2, 1}, {1, 0}, true};
static const DiceCE batch = {.batch_dice = true, .smooth = 1e-5, .ignore_label = -1},
                    items = {.smooth = 1e-5, .ignore_label = -1},
                    ignoring = {.batch_dice = true, .smooth = 1e-5, .ignore_label = 2},
                    all_classes = {.batch_dice = true, .smooth = 1, .ignore_label = 1, .background = true},
                    dice_alone = {.smooth = 1e-5, .ignore_label = -1, .dice_only = true};
static const DiceBCE nested = {true, 1e-5, -1, {0, 1, 3, 7}}, overlapping = {false, 1, 2, {0, 5, 7, 2, 6}};

/* Sizes have tails for every vector width, borders, several pieces, and single rows and columns. */
#define OP(op) .build = build_##op, .reference = reference_##op
static const OpCase cases[] = {
    {"silu", OP(silu), .in = {{2, 3, 5, 7}}},
    {"silu wide", OP(silu), .in = {{1, 3, 3, 35}}},
    {"silu_gate", OP(silu_gate), .in = {{2, 3, 5, 7}, {2, 3, 5, 7}}},
    {"silu_gate wide", OP(silu_gate), .in = {{1, 3, 3, 35}, {1, 3, 3, 35}}},
    {"leaky_relu", OP(leaky_relu), .in = {{2, 3, 5, 19}}, .number = 0.01},
    {"relu", OP(leaky_relu), .in = {{1, 3, 5, 2}}},
    {"add", OP(add), .in = {{3, 3, 5, 18}, {3, 3, 5, 18}}},
    {"concat", OP(concat), .in = {{2, 3, 5, 7}, {2, 3, 5, 4}}},
    {"split", OP(split), .in = {{2, 3, 5, 9}}, .number = 7},
    {"space_to_depth", OP(space_to_depth), .in = {{2, 7, 5, 3}}, .number = 2},
    {"space_to_depth 3", OP(space_to_depth), .in = {{1, 6, 8, 5}}, .number = 3},
    {"depth_to_space", OP(depth_to_space), .in = {{2, 3, 5, 12}}, .number = 2},
    {"depth_to_space 4", OP(depth_to_space), .in = {{1, 2, 3, 48}}, .number = 4},
    {"layer_norm", OP(layer_norm), .in = {{2, 3, 5, 23}}, .macs = 5 * 690},
    {"layer_norm pieces", OP(layer_norm), .in = {{2, 9, 10, 48}}, .macs = 5 * 8640},
    {"layer_norm thin", OP(layer_norm), .in = {{1, 1, 3, 5}}, .macs = 5 * 15},
    {"instance_norm", OP(instance_norm), .in = {{2, 5, 7, 3}}, .macs = 4 * 210},
    {"instance_norm affine", .build = build_instance_norm_affine, .reference = reference_instance_norm,
     .in = {{2, 5, 7, 19}}, .macs = 5 * 1330},
    {"instance_norm pieces", .build = build_instance_norm_affine, .reference = reference_instance_norm,
     .in = {{1, 9, 5, 1030}}, .macs = 5 * 46350},
    {"instance_norm + leaky_relu", OP(instance_norm_act), .in = {{2, 5, 7, 19}}, .number = 0.01,
     .macs = 5 * 1330},
    {"instance_norm + add + leaky_relu", .build = build_instance_norm_add_act,
     .reference = reference_instance_norm_act, .in = {{2, 5, 7, 19}, {2, 5, 7, 19}}, .number = 0.25,
     .macs = 4 * 1330},
    {"depthwise_conv2d", OP(depthwise_conv2d), .in = {{2, 5, 6, 10}}, .macs = 9 * 600},
    {"depthwise_conv2d wide", OP(depthwise_conv2d), .in = {{1, 3, 9, 37}}, .macs = 9 * 999},
    {"depthwise_conv2d row", OP(depthwise_conv2d), .in = {{2, 1, 5, 16}}, .macs = 9 * 160},
    {"depthwise_conv2d column", OP(depthwise_conv2d), .in = {{1, 70, 1, 3}}, .macs = 9 * 210},
    {"linear", OP(linear), .in = {{2, 3, 5, 13}}, .number = 9, .macs = 30 * 13 * 9},
    {"linear without bias", .build = build_linear_plain, .reference = reference_linear, .in = {{1, 3, 5, 32}},
     .number = 17, .macs = 15 * 32 * 17},
    {"conv2d 7x7 stride 2", OP(conv2d), .in = {{2, 9, 8, 3}},
     .number = 4, .spec = &stem, .macs = 2 * 5 * 4 * 4 * 147},
    {"conv2d 3x3", OP(conv2d), .in = {{2, 5, 6, 5}}, .number = 6, .spec = &same, .macs = 60 * 6 * 45},
    {"conv2d 1x1", OP(conv2d), .in = {{1, 5, 3, 7}}, .number = 3, .spec = &head, .macs = 15 * 21},
    {"conv2d 4x4 stride 4", OP(conv2d), .in = {{1, 9, 14, 3}}, .number = 4,
     .spec = &patch, .macs = 6 * 4 * 48},
    {"conv2d 1x3", OP(conv2d), .in = {{2, 4, 6, 5}}, .number = 3, .spec = &flat, .macs = 48 * 3 * 15},
    {"conv2d 5x2 stride 1x2", OP(conv2d), .in = {{1, 6, 7, 4}}, .number = 5, .spec = &tall, .macs = 6 * 3 * 5 * 40},
    {"conv2d 3x4 stride 2x3", OP(conv2d), .in = {{2, 7, 8, 18}}, .number = 17, .spec = &uneven,
     .macs = 2 * 4 * 3 * 17 * 18 * 12},
    {"conv2d padded beyond the kernel", OP(conv2d), .in = {{1, 3, 4, 5}}, .number = 6, .spec = &wide_padding,
     .macs = 9 * 9 * 6 * 30},
    {"conv_transpose2d", OP(conv_transpose2d), .in = {{2, 3, 5, 6}}, .number = 5, .spec = &up, .macs = 30 * 6 * 5 * 4},
    {"conv_transpose2d bias", OP(conv_transpose2d), .in = {{2, 3, 5, 16}}, .number = 5, .spec = &up_bias,
     .macs = 30 * 16 * 5 * 4},
    {"conv_transpose2d 3x3 stride 2", OP(conv_transpose2d), .in = {{2, 4, 3, 6}}, .number = 7, .spec = &up_overlap,
     .macs = 24 * 42 * 9},
    {"conv_transpose2d 1x1 stride 2", OP(conv_transpose2d), .in = {{1, 3, 4, 5}}, .number = 3, .spec = &up_gaps,
     .macs = 12 * 15},
    {"conv_transpose2d 1x2", OP(conv_transpose2d), .in = {{2, 3, 5, 6}}, .number = 16, .spec = &up_flat,
     .macs = 30 * 96 * 2},
    {"conv_transpose2d 4x3 stride 2x1", OP(conv_transpose2d), .in = {{1, 5, 3, 18}}, .number = 17, .spec = &up_uneven,
     .macs = 15 * 18 * 17 * 12},
    {"dice_ce_loss", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &batch, .labels = 3},
    {"dice_ce_loss items", OP(dice_ce_loss), .in = {{3, 9, 9, 4}, {3, 9, 9, 1}}, .spec = &items, .labels = 4},
    {"dice_ce_loss ignoring", OP(dice_ce_loss), .in = {{2, 9, 7, 2}, {2, 9, 7, 1}},
     .spec = &ignoring, .labels = 3},
    {"dice_ce_loss coarse", OP(dice_ce_loss), .in = {{2, 4, 6, 3}, {2, 17, 22, 1}},
     .spec = &batch, .labels = 3},
    {"dice_ce_loss pieces", OP(dice_ce_loss), .in = {{2, 33, 40, 14}, {2, 33, 40, 1}},
     .spec = &batch, .labels = 13},
    {"dice_ce_loss with background", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}},
     .spec = &all_classes, .labels = 3},
    {"dice_ce_loss dice alone", OP(dice_ce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}},
     .spec = &dice_alone, .labels = 3},
    {"dice_bce_loss", OP(dice_bce_loss), .in = {{2, 5, 7, 3}, {2, 5, 7, 1}}, .spec = &nested, .labels = 4},
    {"dice_bce_loss ignoring", OP(dice_bce_loss), .in = {{3, 9, 11, 3}, {3, 9, 11, 1}},
     .spec = &overlapping, .labels = 5},
    {"dice_bce_loss coarse", OP(dice_bce_loss), .in = {{2, 4, 6, 1}, {2, 17, 22, 1}},
     .spec = &nested, .labels = 3},
    {"dice_bce_loss pieces", OP(dice_bce_loss), .in = {{2, 33, 40, 3}, {2, 33, 40, 1}},
     .spec = &nested, .labels = 4},
    {"selective_scan", OP(selective_scan), .in = {{2, 3, 5, 20}}, .number = 16,
     .spec = &(const ScanSpec){2, SS2D}, .macs = 4 * 600 * (2 * 2 + 32 + 57)},
    {"selective_scan row", OP(selective_scan), .in = {{1, 1, 70, 8}}, .number = 5,
     .spec = &(const ScanSpec){1, SS2D}, .macs = 2 * 560 * (2 * 12 + 37)},
    {"selective_scan column", OP(selective_scan), .in = {{2, 67, 1, 3}}, .number = 2,
     .spec = &(const ScanSpec){3, SS2D}, .macs = 4 * 402 * (2 * 3 + 4 + 8)},
    {"selective_scan blocks", OP(selective_scan), .in = {{1, 5, 14, 70}}, .number = 16,
     .spec = &(const ScanSpec){5, SS2D}, .macs = 4 * 4900 * (2 * 5 + 32 + 57)},
    {"selective_scan states", OP(selective_scan), .in = {{1, 4, 3, 5}}, .number = 43,
     .spec = &(const ScanSpec){13, SS2D}, .macs = 2 * 60 * (2 * 112 + 303)},
    {"selective_scan one direction", OP(selective_scan), .in = {{2, 5, 14, 20}}, .number = 16,
     .spec = &(const ScanSpec){2, {1, {SCAN_ROW_MAJOR}}}, .macs = 2800 * (2 * 2 + 32 + 57)},
    {"selective_scan one reversed direction", OP(selective_scan), .in = {{1, 14, 5, 7}}, .number = 6,
     .spec = &(const ScanSpec){3, {1, {SCAN_COLUMN_MAJOR_REVERSED}}}, .macs = 490 * (2 * 3 + 12 + 22)},
    {"selective_scan both ways", OP(selective_scan), .in = {{2, 3, 23, 18}}, .number = 16,
     .spec = &(const ScanSpec){2, {2, {SCAN_ROW_MAJOR, SCAN_ROW_MAJOR_REVERSED}}},
     .macs = 2 * 2484 * (2 * 2 + 32 + 57)},
    {"selective_scan two alike", OP(selective_scan), .in = {{1, 7, 10, 33}}, .number = 4,
     .spec = &(const ScanSpec){1, {2, {SCAN_COLUMN_MAJOR, SCAN_COLUMN_MAJOR}}}, .macs = 2 * 2310 * (2 * 1 + 8 + 15)},
    {"weighted_sum", OP(weighted_sum), .in = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}}, .spec = weights},
};

/* ---- a case with its numbers ---- */

enum { ALL_ELEMENTS = 800, SAMPLED_ELEMENTS = 60 };

typedef struct Problem {
    const OpCase *op;
    Graph *graph;
    Executor *executor; /* a plan only: gives the node */
    const Node *node;
    double *in[NODE_INPUTS], *param[NODE_PARAMS], *out[NODE_OUTPUTS], *cotangent[NODE_OUTPUTS];
    double *in_grad[NODE_INPUTS], *param_grad[NODE_PARAMS]; /* NaN where not sampled */
} Problem;

static double *numbers(int64_t count)
{
    double *x = mem_zalloc((size_t)count, sizeof *x, NULL);
    assert_non_null(x);
    return x;
}

/* Away from 0, where a kink may be; as bfloat16 can hold them, so that all kernels see the same. */
static void draw(double *x, int64_t count, uint32_t stream)
{
    Rng rng = rng_make(7, 0, 0, stream, RNG_TEST);
    for (int64_t i = 0; i < count; i++)
        x[i] = nearbyint(rng_range(&rng, 0.1, 1.49) * 128) / 128 * (rng_uniform(&rng) < 0.5 ? -1 : 1);
}

static void evaluate(const Problem *p)
{
    const Node *n = p->node;
    OpReference r = {.number = p->op->number, .spec = p->op->spec};
    for (int i = 0; i < n->input_count; i++) {
        r.in_shape[i] = n->in[i]->shape;
        r.in[i] = p->in[i];
    }
    for (int i = 0; i < n->output_count; i++) {
        r.out_shape[i] = n->out[i]->shape;
        r.out[i] = p->out[i];
    }
    for (int i = 0; i < n->param_count; i++) r.param[i] = p->param[i];
    p->op->reference(&r);
}

static double loss_at(const Problem *p, double *x, double value)
{
    const double kept = *x;
    double loss = 0;
    *x = value;
    evaluate(p);
    *x = kept;
    for (int k = 0; k < p->node->output_count; k++)
        for (int64_t i = 0; i < shape_count(p->node->out[k]->shape); i++)
            loss += p->cotangent[k][i] * p->out[k][i];
    return loss;
}

static double *differences(const Problem *p, double *x, int64_t count)
{
    double *grad = numbers(count);
    Rng rng = rng_make(8, 0, 0, (uint32_t)count, RNG_TEST);
    const double step = 1e-5;
    for (int64_t i = 0; i < count; i++) {
        const bool chosen = count <= ALL_ELEMENTS || rng_below(&rng, (uint32_t)count) < SAMPLED_ELEMENTS;
        grad[i] = chosen ? (loss_at(p, &x[i], x[i] + step) - loss_at(p, &x[i], x[i] - step)) / (2 * step)
                         : (double)NAN;
    }
    return grad;
}

static void problem_graph(Problem *p)
{
    Err e = {0};
    Ref in[NODE_INPUTS], out[NODE_OUTPUTS] = {{-1}, {-1}};
    int inputs = 0, outputs = 0;
    uint32_t wanted = 0;
    p->graph = graph_new(&e);
    for (; inputs < NODE_INPUTS && p->op->in[inputs].c; inputs++) {
        const bool labels = p->op->labels && inputs == 1;
        in[inputs] = graph_input(p->graph, "input", p->op->in[inputs], labels ? DTYPE_I16 : DTYPE_F32);
        if (!labels) wanted |= 1u << inputs;
    }
    p->op->build(p->graph, p->op, in, out);
    while (outputs < NODE_OUTPUTS && out[outputs].value >= 0) outputs++;
    const ExecutorOptions o = {
        .outputs = out, .output_count = outputs, .train = true, .input_gradients = wanted};
    if (executor_new(&p->executor, p->graph, NULL, &o, &e)) fail_msg("%s: %s", p->op->name, e.text);
    assert_int_equal(executor_node_count(p->executor), 1);
    p->node = executor_node(p->executor, 0);
}

static void problem_numbers(Problem *p)
{
    const Node *n = p->node;
    for (int i = 0; i < n->input_count; i++) {
        const int64_t count = shape_count(n->in[i]->shape);
        p->in[i] = numbers(count);
        draw(p->in[i], count, (uint32_t)i);
        for (int64_t k = 0; n->in[i]->dtype == DTYPE_I16 && k < count; k++)
            p->in[i][k] = floor((p->in[i][k] / 3 + 0.5) * (p->op->labels + 1)) - 1;
    }
    for (int i = 0; i < n->param_count; i++) {
        p->param[i] = numbers(n->param_info[i]->count);
        draw(p->param[i], n->param_info[i]->count, 10u + (uint32_t)i);
    }
    for (int i = 0; i < n->output_count; i++) {
        p->out[i] = numbers(shape_count(n->out[i]->shape));
        p->cotangent[i] = numbers(shape_count(n->out[i]->shape));
        draw(p->cotangent[i], shape_count(n->out[i]->shape), 20u + (uint32_t)i);
    }
    for (int i = 0; i < n->input_count; i++)
        if (n->in[i]->dtype == DTYPE_F32)
            p->in_grad[i] = differences(p, p->in[i], shape_count(n->in[i]->shape));
    for (int i = 0; i < n->param_count; i++)
        p->param_grad[i] = differences(p, p->param[i], n->param_info[i]->count);
    evaluate(p);
}

static void problem_free(Problem *p)
{
    for (int i = 0; i < NODE_INPUTS; i++) {
        mem_free(p->in[i]);
        mem_free(p->in_grad[i]);
    }
    for (int i = 0; i < NODE_PARAMS; i++) {
        mem_free(p->param[i]);
        mem_free(p->param_grad[i]);
    }
    for (int i = 0; i < NODE_OUTPUTS; i++) {
        mem_free(p->out[i]);
        mem_free(p->cotangent[i]);
    }
    executor_free(p->executor);
    graph_free(p->graph);
}

/* ---- running and comparing ---- */

static void run(const Problem *p, OpRun *r, const OpImpl *impl, OpRunOptions o)
{
    Err e = {0};
    const Step step = {0};
    if (op_run_new(r, p->node, impl, o, &e)) fail_msg("%s %s: %s", p->op->name, impl->name, e.text);
    Node *n = &r->node;
    for (int i = 0; i < n->input_count; i++) {
        op_run_set(r->in[i].data, &r->in[i], p->in[i]);
        if (o.accumulate && r->in[i].grad) op_run_set(r->in[i].grad, &r->in[i], p->in[i]);
    }
    for (int i = 0; i < n->param_count; i++)
        for (int64_t k = 0; k < n->param_info[i]->count; k++) r->param[i][k] = (float)p->param[i][k];
    if (impl->refresh) impl->refresh(n);
    impl->forward(n, &step);
    assert_string_equal(r->failure.text, "");
    if (!o.backward) return;
    for (int i = 0; i < n->output_count; i++) op_run_set(r->out[i].grad, &r->out[i], p->cotangent[i]);
    impl->backward(n, &step);
    assert_string_equal(r->failure.text, "");
}

static void compare_values(const char *what, const double *found, const double *expected, int64_t count,
                           double bound)
{
    double most = 0, worst = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(found[i])) fail_msg("%s: element %ld is %g", what, (long)i, found[i]);
        most = fmax(most, fabs(expected[i]));
        worst = fmax(worst, fabs(found[i] - expected[i]));
    }
    if (worst > bound * most) fail_msg("%s: error %.3g of values up to %.3g", what, worst, most);
}

/* Relative L2 over the sampled elements. added: what the gradient was added to (which rounds it), or NULL. */
static void compare_gradient(const char *what, double *found, const double *expected, const double *added,
                             int64_t count, DType dtype)
{
    const double bound = dtype == DTYPE_BF16 ? 1e-2 : 1e-5, unit = dtype == DTYPE_BF16 ? 1e-5 : 1e-14;
    double norm = 0, error = 0, rounding = 1e-16;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(found[i])) fail_msg("%s: element %ld is %g", what, (long)i, found[i]);
        if (isnan(expected[i])) continue;
        const double base = added ? added[i] : 0, d = found[i] - expected[i] - base;
        norm += expected[i] * expected[i];
        rounding += base * base * unit;
        error += d * d;
    }
    if (sqrt(error) > bound * sqrt(norm) + sqrt(rounding))
        fail_msg("%s: error %.3g of a gradient of norm %.3g", what, sqrt(error), sqrt(norm));
}

static void check(const Problem *p, const OpImpl *impl, OpRunOptions o)
{
    OpRun r;
    char what[256];
    run(p, &r, impl, o);
    const Node *n = &r.node;
    const DType dtype = impl->dtype;
    snprintf(what, sizeof what, "%s %s gap %d backward %d accumulate %d overwrite %d %d", p->op->name,
             impl->name, (int)o.gap, o.backward, o.accumulate, o.overwrite, o.overwrite_grad);
    if (!op_run_intact(&r)) fail_msg("%s: wrote where nothing of it is", what);
    for (int i = 0; i < n->output_count; i++) {
        double *found = numbers(shape_count(n->out[i]->shape));
        op_run_get(r.out[i].data, &r.out[i], found);
        compare_values(what, found, p->out[i], shape_count(n->out[i]->shape), dtype == DTYPE_BF16 ? 1e-2 : 4e-6);
        mem_free(found);
    }
    for (int i = 0; o.backward && i < n->input_count; i++) {
        if (!r.in[i].grad) continue;
        double *found = numbers(shape_count(n->in[i]->shape));
        op_run_get(r.in[i].grad, &r.in[i], found);
        compare_gradient(what, found, p->in_grad[i], o.accumulate ? p->in[i] : NULL,
                         shape_count(n->in[i]->shape), dtype);
        mem_free(found);
    }
    for (int i = 0; o.backward && i < n->param_count; i++) {
        double *found = numbers(n->param_info[i]->count);
        for (int64_t k = 0; k < n->param_info[i]->count; k++) found[k] = (double)n->param_grad[i][k];
        compare_gradient(what, found, p->param_grad[i], NULL, n->param_info[i]->count, dtype);
        mem_free(found);
    }
    op_run_free(&r);
}

/* The bits of all outputs and gradients, on one thread and on several. */
static void check_threads(const Problem *p, const OpImpl *impl)
{
    const OpRunOptions o = {.backward = true, .overwrite = -1, .overwrite_grad = -1};
    const int before = omp_get_max_threads();
    OpRun one, many;
    omp_set_num_threads(1);
    run(p, &one, impl, o);
    for (int threads = 2; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        run(p, &many, impl, o);
        for (int i = 0; i < one.buffer_count - 1; i++) /* all but the scratch memory, which is last */
            if (memcmp(one.buffers[i].start, many.buffers[i].start, one.buffers[i].bytes))
                fail_msg("%s %s: %d threads give other bits than one", p->op->name, impl->name, threads);
        op_run_free(&many);
    }
    omp_set_num_threads(before);
    op_run_free(&one);
}

/* oneDNN's products split their sums by the number of threads: always where the op is its own, and on a CPU without
 * AVX-512 where the scan projects with them. */
static bool sums_by_threads(const Problem *p, const OpImpl *impl)
{
    return !strcmp(impl->name, "onednn") || (!strcmp(p->node->op->name, "selective_scan") && simd_level() < SIMD_AVX512);
}

static void check_implementation(const Problem *p, const OpImpl *impl)
{
    const OpClass *op = p->node->op;
    for (int64_t gap = 0; gap <= 3; gap += 3) {
        check(p, impl, (OpRunOptions){gap, false, false, -1, -1});
        check(p, impl, (OpRunOptions){gap, true, false, -1, -1});
        check(p, impl, (OpRunOptions){gap, true, true, -1, -1});
    }
    for (int i = 0; i < p->node->input_count; i++) {
        if (op->may_overwrite >> i & 1) check(p, impl, (OpRunOptions){0, false, false, i, -1});
        if (op->may_overwrite_grad >> i & 1) check(p, impl, (OpRunOptions){0, true, false, -1, i});
    }
    if (!sums_by_threads(p, impl)) check_threads(p, impl);
}

static void test_case(void **state)
{
    Problem p = {.op = *state};
    problem_graph(&p);
    assert_int_equal(p.node->op->macs ? p.node->op->macs(p.node) : 0, p.op->macs);
    problem_numbers(&p);
    for (const OpImpl *const *impl = p.node->op->on[DEVICE_CPU]; *impl; impl++) {
        if ((*impl)->level > simd_level() || ((*impl)->supports && !(*impl)->supports(p.node))) continue;
        check_implementation(&p, *impl);
    }
    problem_free(&p);
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof *cases };
    struct CMUnitTest tests[COUNT];
    for (int i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){cases[i].name, test_case, NULL, NULL, (void *)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
