/* Ops inside graphs: slices that the planner makes of concat and split, values used several times, drop
 * path, invalid definitions, and PyTorch's results for extreme values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/ops/ops.h"
#include "tests/support/gold.h"

/* ---- a graph with its parameters, ready to run ---- */

typedef struct Machine {
    Graph *graph;
    Parameters *parameters;
    Executor *executor;
} Machine;

static void start(Machine *m, const ExecutorOptions *o)
{
    Err e = {0};
    if (graph_check(m->graph, &e)) fail_msg("%s", e.text);
    assert_int_equal(parameters_new(&m->parameters, m->graph, &e), 0);
    if (executor_new(&m->executor, m->graph, m->parameters, o, &e)) fail_msg("%s", e.text);
}

static void stop(Machine *m)
{
    executor_free(m->executor);
    parameters_free(m->parameters);
    graph_free(m->graph);
}

static void draw(float *x, int64_t count, uint32_t stream)
{
    Rng rng = rng_make(3, 0, 0, stream, RNG_TEST);
    for (int64_t i = 0; i < count; i++) x[i] = (float)rng_range(&rng, -1, 1);
}

/* ---- slices and shared values: gradients along a random direction ---- */

/* x is read by the split, the gate and the sum; both halves go through ops that take slices. */
static Ref build_branches(Graph *g, Ref x)
{
    Ref a, b;
    op_split(g, op_layer_norm(g, "norm", x), 11, &a, &b);
    a = op_silu(g, op_depthwise_conv2d(g, "conv", a));
    b = op_instance_norm(g, "plain", op_linear(g, "linear", b, 13, true), true);
    return op_add_drop_path(g, "sum", x, op_silu_gate(g, op_concat(g, b, a), x), 0);
}

enum { PIXELS = 2 * 5 * 7, CHANNELS = 24, COUNT = PIXELS * CHANNELS };

/* All values that are varied: the input, then the parameters, in the order of their gradients. */
static float *variable(Machine *m, int64_t i)
{
    int p = 0;
    if (i < COUNT) return (float *)executor_input(m->executor, 0)->data + i;
    for (i -= COUNT; i >= graph_params(m->graph)[p].count; p++) i -= graph_params(m->graph)[p].count;
    return parameters_of(m->parameters, p) + i;
}

static double loss_at(Machine *m, const float *point, const float *direction, double along, const float *cotangent)
{
    const int64_t count = COUNT + graph_parameter_elements(m->graph);
    for (int64_t i = 0; i < count; i++) *variable(m, i) = (float)(point[i] + along * direction[i]);
    parameters_changed(m->parameters);
    assert_int_equal(executor_forward(m->executor, &(Step){0}, NULL), 0);
    double loss = 0;
    const float *y = executor_output(m->executor, 0)->data;
    for (int64_t i = 0; i < COUNT; i++) loss += (double)(y[i] * cotangent[i]);
    return loss;
}

static bool has_slices(const Machine *m)
{
    bool found = false;
    for (int i = 0; i < executor_node_count(m->executor); i++) {
        const Node *n = executor_node(m->executor, i);
        for (int k = 0; k < n->input_count; k++) found |= n->in[k]->pitch > n->in[k]->shape.c;
    }
    return found;
}

static void slices_and_shared_values(void **state)
{
    Machine m = {.graph = graph_new(NULL)};
    const Ref x = graph_input(m.graph, "x", (Shape){2, 5, 7, CHANNELS}, DTYPE_F32), y = build_branches(m.graph, x);
    start(&m, &(ExecutorOptions){
                  .outputs = &y, .output_count = 1, .train = true, .input_gradients = 1, .implementation = *state});
    assert_true(has_slices(&m));
    const int64_t count = COUNT + graph_parameter_elements(m.graph);
    float *point = mem_alloc((size_t)(3 * count) * sizeof *point, NULL), *direction = point + count;
    float *cotangent = direction + count;
    draw(point, count, 0);
    draw(direction, count, 1);
    draw(cotangent, COUNT, 2);
    const double step = 1.0 / 128;
    const double above = loss_at(&m, point, direction, step, cotangent);
    const double slope = (above - loss_at(&m, point, direction, -step, cotangent)) / (2 * step);
    loss_at(&m, point, direction, 0, cotangent);
    memcpy(executor_output(m.executor, 0)->grad, cotangent, COUNT * sizeof *cotangent);
    assert_int_equal(executor_backward(m.executor, &(Step){0}, NULL), 0);
    const float *input_grad = executor_input(m.executor, 0)->grad;
    const Gradients *g = executor_gradients(m.executor);
    double found = 0;
    for (int64_t i = 0; i < COUNT; i++) found += (double)(input_grad[i] * direction[i]);
    for (int64_t i = COUNT; i < count; i++) found += (double)(g->values[i - COUNT] * direction[i]);
    if (fabs(found - slope) > 1e-3 * fabs(slope)) fail_msg("gradient %.6g, differences %.6g", found, slope);
    mem_free(point);
    stop(&m);
}

/* ---- drop path ---- */

enum { SAMPLES = 400, SAMPLE = 6 };

/* Finds the samples of b that are not dropped from out = a + b / 0.75 with a = 1, b = 3; other values fail. */
static void survivors(Executor *x, int output, bool *kept)
{
    const float *y = executor_output(x, output)->data;
    for (int i = 0; i < SAMPLES; i++) {
        kept[i] = y[i * SAMPLE] == 5;
        for (int k = 0; k < SAMPLE; k++) assert_true(y[i * SAMPLE + k] == (kept[i] ? 5.0f : 1.0f));
    }
}

static int differing(const bool *a, const bool *b)
{
    int count = 0;
    for (int i = 0; i < SAMPLES; i++) count += a[i] != b[i];
    return count;
}

static void drop_path_draws_by_node_sample_and_step(void **state)
{
    (void)state;
    Machine m = {.graph = graph_new(NULL)};
    const Shape s = {SAMPLES, 1, 2, 3};
    const Ref a = graph_input(m.graph, "a", s, DTYPE_F32), b = graph_input(m.graph, "b", s, DTYPE_F32);
    const Ref y[] = {op_add_drop_path(m.graph, "one", a, b, 0.25), op_add_drop_path(m.graph, "two", a, b, 0.25)};
    start(&m, &(ExecutorOptions){.outputs = y, .output_count = 2, .train = true, .input_gradients = 3});
    for (int i = 0; i < SAMPLES * SAMPLE; i++) {
        ((float *)executor_input(m.executor, 0)->data)[i] = 1;
        ((float *)executor_input(m.executor, 1)->data)[i] = 3;
    }
    bool first[SAMPLES], other_node[SAMPLES], later[SAMPLES], shifted[SAMPLES], again[SAMPLES];
    assert_int_equal(executor_forward(m.executor, &(Step){1, 2, 3, 0}, NULL), 0);
    survivors(m.executor, 0, first);
    survivors(m.executor, 1, other_node);
    assert_int_equal(executor_forward(m.executor, &(Step){1, 2, 4, 0}, NULL), 0);
    survivors(m.executor, 0, later);
    assert_int_equal(executor_forward(m.executor, &(Step){1, 2, 3, 100}, NULL), 0);
    survivors(m.executor, 0, shifted);
    assert_int_equal(executor_forward(m.executor, &(Step){1, 2, 3, 0}, NULL), 0);
    survivors(m.executor, 0, again);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_equal(shifted, first + 100, SAMPLES - 100); /* item 100 is item 100 on any rank */
    assert_in_range(differing(first, other_node), 100, 200);  /* 2 · 0.25 · 0.75 of 400 expected */
    assert_in_range(differing(first, later), 100, 200);
    int kept = 0;
    for (int i = 0; i < SAMPLES; i++) kept += first[i];
    assert_in_range(kept, 265, 335);

    for (int output = 0; output < 2; output++)
        for (int i = 0; i < SAMPLES * SAMPLE; i++) ((float *)executor_output(m.executor, output)->grad)[i] = 1;
    assert_int_equal(executor_backward(m.executor, &(Step){1, 2, 3, 0}, NULL), 0);
    const float *da = executor_input(m.executor, 0)->grad, *db = executor_input(m.executor, 1)->grad;
    for (int i = 0; i < SAMPLES * SAMPLE; i++) {
        const int survived = first[i / SAMPLE] + other_node[i / SAMPLE];
        assert_true(da[i] == 2 && fabsf(db[i] - (float)survived / 0.75f) < 1e-6f);
    }
    stop(&m);
}

static void drop_path_is_off_outside_training(void **state)
{
    (void)state;
    Machine m = {.graph = graph_new(NULL)};
    const Ref a = graph_input(m.graph, "a", (Shape){50, 1, 1, 1}, DTYPE_F32);
    const Ref y = op_add_drop_path(m.graph, "sum", a, a, 0.5);
    start(&m, &(ExecutorOptions){.outputs = &y, .output_count = 1});
    for (int i = 0; i < 50; i++) ((float *)executor_input(m.executor, 0)->data)[i] = (float)i;
    assert_int_equal(executor_forward(m.executor, &(Step){0}, NULL), 0);
    for (int i = 0; i < 50; i++) assert_true(((float *)executor_output(m.executor, 0)->data)[i] == 2 * (float)i);
    stop(&m);
}

/* ---- invalid definitions ---- */

static void bad_concat(Graph *g, Ref x, Ref half) { op_concat(g, x, half); }
static void bad_add(Graph *g, Ref x, Ref half) { op_add(g, x, half); }
static void bad_split(Graph *g, Ref x, Ref half) { op_split(g, x, 9, &x, &half); }
static void bad_blocks(Graph *g, Ref x, Ref half) { op_concat(g, x, op_space_to_depth(g, half, 4)); }
static void bad_depth(Graph *g, Ref x, Ref half) { op_concat(g, x, op_depth_to_space(g, half, 3)); }
static void bad_slope(Graph *g, Ref x, Ref half) { op_concat(g, x, op_leaky_relu(g, half, -0.5)); }
static void bad_rate(Graph *g, Ref x, Ref half) { op_concat(g, half, op_add_drop_path(g, "sum", x, x, 1)); }
static void bad_labels(Graph *g, Ref x, Ref half)
{
    op_dice_ce_loss(g, "loss", x, half, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
}
static void bad_logits(Graph *g, Ref x, Ref half)
{
    op_split(g, half, 1, &half, &x);
    op_dice_ce_loss(g, "loss", half, half, (DiceCE){.batch_dice = true, .smooth = 1e-5, .ignore_label = -1});
}
static void bad_term(Graph *g, Ref x, Ref half) { op_weighted_sum(g, "sum", (Ref[]){x, half}, (double[]){1, 1}, 2); }
static void bad_count(Graph *g, Ref x, Ref half)
{
    op_weighted_sum(g, "sum", (Ref[]){x, x, x, x, x, x, x, x, half}, (double[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 9);
}

static void definitions_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        void (*build)(Graph *g, Ref x, Ref half);
        const char *says;
    } bad[] = {
        {bad_concat, "inputs of the same size expected, found (1,6,4,8) and (1,3,2,8)"},
        {bad_add, "inputs of the same shape expected, found (1,6,4,8) and (1,3,2,8)"},
        {bad_split, "cannot split after channel 9 of 8"},
        {bad_blocks, "an image of 3x2 is smaller than a block of 4x4"},
        {bad_depth, "8 channels: expected a multiple of 3"},
        {bad_slope, "slope -0.5: expected 0 or more"},
        {bad_rate, "drop path rate 1: expected 0 <= rate < 1"},
        {bad_labels, "labels (1,3,2,8) of float32 for a value of (1,6,4,8): expected (1,H,W,1) of int16"},
        {bad_logits, "1 channels of logits: expected the background and at least 1 class"},
        {bad_term, "term 0 is (1,6,4,8): expected a scalar"},
        {bad_count, "9 terms: expected 1 to 8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        Graph *g = graph_new(&e);
        scope_in(g, "block");
        const Ref x = graph_input(g, "x", (Shape){1, 6, 4, 8}, DTYPE_F32);
        bad[i].build(g, x, graph_input(g, "half", (Shape){1, 3, 2, 8}, DTYPE_F32));
        assert_true(graph_check(g, &e) < 0);
        if (!strstr(e.text, bad[i].says)) fail_msg("\"%s\" does not say \"%s\"", e.text, bad[i].says);
        graph_free(g);
    }
}

/* ---- PyTorch's results ---- */

static void to_nhwc(float *to, const Array *a)
{
    const int64_t c = a->shape[1], pixels = a->shape[2] * a->shape[3];
    for (int64_t i = 0; i < array_count(a); i++)
        to[(i / (c * pixels) * pixels + i % pixels) * c + i / pixels % c] = ((const float *)a->data)[i];
}

static void check_loss(Machine *m, const Gold *gold, const char *name)
{
    const Array *logits = gold_find(gold, "in.logits"), *labels = gold_find(gold, "in.target");
    const double expected = *(const double *)gold_find(gold, "out.loss")->data;
    const int64_t count = array_count(logits);
    to_nhwc(executor_input(m->executor, 0)->data, logits);
    for (int64_t i = 0; i < array_count(labels); i++)
        ((int16_t *)executor_input(m->executor, 1)->data)[i] = ((const uint8_t *)labels->data)[i];
    assert_int_equal(executor_forward(m->executor, &(Step){0}, NULL), 0);
    const double found = (double)*(float *)executor_output(m->executor, 0)->data;
    if (fabs(found - expected) > 4e-7 * fabs(expected)) fail_msg("%s: %.9g, not %.9g", name, found, expected);
    *(float *)executor_output(m->executor, 0)->grad = 1;
    assert_int_equal(executor_backward(m->executor, &(Step){0}, NULL), 0);
    float *gradient = mem_alloc((size_t)count * sizeof *gradient, NULL);
    to_nhwc(gradient, gold_find(gold, "gin.logits"));
    double norm = 1e-30, error = 0;
    for (int64_t i = 0; i < count; i++) {
        norm += pow((double)gradient[i], 2);
        error += pow((double)(gradient[i] - ((float *)executor_input(m->executor, 0)->grad)[i]), 2);
    }
    if (sqrt(error / norm) > 2e-6) fail_msg("%s: gradient off by %.3g", name, sqrt(error / norm));
    mem_free(gradient);
}

static void losses_of_pytorch(void **state)
{
    static const struct {
        const char *name;
        bool batch_dice;
        int ignore_label;
    } cases[] = {
        {"loss_3c", true, -1},
        {"loss_3c_nobatchdice", false, -1},
        {"loss_absent", true, -1},
        {"loss_absent_nobatchdice", false, -1},
        {"loss_ignore", true, 3},
        {"loss_ignore_all", true, 3},
        {"loss_14c_big_logits", true, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        Gold gold;
        Err e = {0};
        snprintf(path, sizeof path, "tests/golden/ops/%s.gold", cases[i].name);
        if (gold_open(&gold, path, &e)) fail_msg("%s", e.text);
        const int64_t *s = gold_find(&gold, "in.logits")->shape;
        Machine m = {.graph = graph_new(NULL)};
        const Ref logits = graph_input(m.graph, "logits", (Shape){s[0], s[2], s[3], s[1]}, DTYPE_F32);
        const Ref labels = graph_input(m.graph, "labels", (Shape){s[0], s[2], s[3], 1}, DTYPE_I16);
        const DiceCE rule = {.batch_dice = cases[i].batch_dice, .smooth = 1e-5, .ignore_label = cases[i].ignore_label};
        const Ref loss = op_dice_ce_loss(m.graph, "loss", logits, labels, rule);
        start(&m,
              &(ExecutorOptions){
                  .outputs = &loss, .output_count = 1, .train = true, .input_gradients = 1, .implementation = *state});
        check_loss(&m, &gold, cases[i].name);
        stop(&m);
        gold_close(&gold);
    }
}

/* Mean 100, spread 1: a variance taken in one pass fails. */
static void layer_norm_of_numbers_far_from_zero(void **state)
{
    Err e = {0};
    Gold gold;
    if (gold_open(&gold, "tests/golden/ops/layernorm_offset.gold", &e)) fail_msg("%s", e.text);
    Machine m = {.graph = graph_new(NULL)};
    const Ref x = graph_input(m.graph, "x", (Shape){1, 1, 4, 16}, DTYPE_F32), y = op_layer_norm(m.graph, "norm", x);
    start(&m, &(ExecutorOptions){.outputs = &y, .output_count = 1, .implementation = *state});
    memcpy(executor_input(m.executor, 0)->data, gold_find(&gold, "in.x")->data, 64 * sizeof(float));
    memcpy(parameters_of(m.parameters, 0), gold_find(&gold, "par.weight")->data, 16 * sizeof(float));
    memcpy(parameters_of(m.parameters, 1), gold_find(&gold, "par.bias")->data, 16 * sizeof(float));
    parameters_changed(m.parameters);
    assert_int_equal(executor_forward(m.executor, &(Step){0}, NULL), 0);
    const float *found = executor_output(m.executor, 0)->data, *expected = gold_find(&gold, "out.0")->data;
    for (int i = 0; i < 64; i++) assert_true(fabsf(found[i] - expected[i]) < 1.6e-5f); /* the error of PyTorch */
    stop(&m);
    gold_close(&gold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(slices_and_shared_values, NULL),
        {"slices_and_shared_values avx2", slices_and_shared_values, NULL, NULL, "avx2"},
        {"slices_and_shared_values portable", slices_and_shared_values, NULL, NULL, "portable"},
        cmocka_unit_test(drop_path_draws_by_node_sample_and_step),
        cmocka_unit_test(drop_path_is_off_outside_training),
        cmocka_unit_test(definitions_that_do_not_fit),
        cmocka_unit_test(losses_of_pytorch),
        {"losses_of_pytorch avx2", losses_of_pytorch, NULL, NULL, "avx2"},
        {"losses_of_pytorch portable", losses_of_pytorch, NULL, NULL, "portable"},
        cmocka_unit_test(layer_norm_of_numbers_far_from_zero),
        {"layer_norm_of_numbers_far_from_zero portable", layer_norm_of_numbers_far_from_zero, NULL, NULL, "portable"},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
