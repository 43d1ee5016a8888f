/* network/executor: the memory plan, and the plan of an executor (which nodes run, which write gradients and which add
 * to them, the cost of frozen parameters), on small graphs of linear layers and convolutions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/executor/memory_plan.h"
#include "network/ops/ops.h"

static bool live_together(const Block *a, const Block *b)
{
    bool together = false;
    for (int i = 0; i < 4; i++) {
        const Lifetime x = a->lifetime[i / 2], y = b->lifetime[i % 2];
        together |= x.first <= y.last && y.first <= x.last;
    }
    return together;
}

static void blocks_never_share_memory_while_they_live(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static Block blocks[COUNT];
    Rng r = rng_make(1, 0, 0, 0, RNG_TEST);
    for (int i = 0; i < COUNT; i++) {
        const int first = (int)rng_below(&r, 200), last = first + (int)rng_below(&r, 30);
        blocks[i] = (Block){.bytes = 1 + rng_below(&r, 5000), .lifetime = {{first, last}, no_lifetime}};
        if (i % 3 == 0) blocks[i].lifetime[1] = (Lifetime){last + 40, last + 40 + (int)rng_below(&r, 10)};
    }
    size_t total;
    assert_int_equal(memory_plan(blocks, COUNT, MEM_ALIGN, &total, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(blocks[i].offset % MEM_ALIGN, 0);
        assert_true(blocks[i].offset + blocks[i].bytes <= total);
        for (int k = 0; k < i; k++) {
            const bool overlap = blocks[i].offset < blocks[k].offset + blocks[k].bytes &&
                                 blocks[k].offset < blocks[i].offset + blocks[i].bytes;
            assert_false(overlap && live_together(&blocks[i], &blocks[k]));
        }
    }
    const size_t bound = memory_plan_bound(blocks, COUNT, MEM_ALIGN);
    assert_true(total >= bound && (double)total < 1.25 * (double)bound);
}

/* Between the two lifetimes of a block, others use its memory. */
static void a_place_is_lent_out_between_two_lives(void **state)
{
    (void)state;
    Block blocks[] = {{.bytes = 640, .lifetime = {{0, 2}, {8, 9}}}, {.bytes = 320, .lifetime = {{3, 7}, no_lifetime}}};
    size_t total;
    assert_int_equal(memory_plan(blocks, 2, MEM_ALIGN, &total, NULL), 0);
    assert_int_equal(total, 640);
    assert_int_equal(memory_plan_bound(blocks, 2, MEM_ALIGN), 640);
}

/* image → conv a → linear b ┬→ linear c → "first"
 *                           └→ linear d → "second" */
typedef struct Net {
    Graph *graph;
    Parameters *parameters;
    Ref first, second;
} Net;

static void open_net(Net *n)
{
    Err e = {ERR_NONE, ""};
    n->graph = graph_new(&e);
    Ref x = graph_input(n->graph, "image", (Shape){2, 5, 6, 3}, DTYPE_F32);
    scope_in(n->graph, "trunk");
    x = op_conv2d(n->graph, "a", x, 7, conv_square(3, 2, 1, true));
    x = scope_out(n->graph, op_linear(n->graph, "b", x, 20, true));
    n->first = op_linear(n->graph, "c", x, 4, false);
    n->second = op_linear(n->graph, "d", x, 5, true);
    graph_output(n->graph, "first", n->first);
    assert_int_equal(graph_check(n->graph, &e), 0);
    assert_int_equal(parameters_new(&n->parameters, n->graph, &e), 0);
    parameters_initialize(n->parameters, 3);
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

static Executor *prepare(const Net *n, ExecutorOptions o)
{
    Err e = {ERR_NONE, ""};
    Executor *x;
    if (executor_new(&x, n->graph, n->parameters, &o, &e)) fail_msg("%s", e.text);
    return x;
}

static void fill(float *values, int64_t count, uint32_t item)
{
    Rng r = rng_make(9, 0, 0, item, RNG_TEST);
    for (int64_t i = 0; i < count; i++) values[i] = (float)rng_range(&r, -1, 1);
}

/* Σ of all outputs, with fixed random weights; sets these weights as the gradient seeds. */
static double forward_loss(Executor *x, int outputs)
{
    double loss = 0;
    Tensor *image = executor_input(x, 0);
    fill(image->data, shape_count(image->shape), 100);
    assert_int_equal(executor_forward(x, &(Step){0}, NULL), 0);
    for (int i = 0; i < outputs; i++) {
        const Tensor *y = executor_output(x, i);
        float weights[400];
        fill(weights, shape_count(y->shape), (uint32_t)i);
        for (int64_t k = 0; k < shape_count(y->shape); k++) loss += (double)weights[k] * ((const float *)y->data)[k];
        if (y->grad) memcpy(y->grad, weights, (size_t)shape_count(y->shape) * sizeof(float));
    }
    return loss;
}

static void gradients_match_finite_differences(void **state)
{
    (void)state;
    Net n;
    open_net(&n);
    const Ref outputs[] = {n.first, n.second};
    Executor *x = prepare(&n, (ExecutorOptions){.outputs = outputs, .output_count = 2, .train = true});
    forward_loss(x, 2);
    assert_int_equal(executor_backward(x, &(Step){0}, NULL), 0);
    const Gradients *gradients = executor_gradients(x);
    assert_int_equal(gradients->count, graph_parameter_elements(n.graph));
    for (int p = 0; p < graph_param_count(n.graph); p++) {
        float *values = parameters_of(n.parameters, p);
        const int64_t count = graph_params(n.graph)[p].count, at = count / 2;
        const float kept = values[at], h = 1e-2f;
        double loss[2];
        for (int side = 0; side < 2; side++) {
            values[at] = side ? kept - h : kept + h;
            parameters_changed(n.parameters);
            loss[side] = forward_loss(x, 2);
        }
        values[at] = kept;
        const double expected = (loss[0] - loss[1]) / (2.0 * (double)h),
                     found = gradients->values[gradients->offset[p] + at];
        assert_true(fabs(found - expected) < 2e-3 * (1 + fabs(expected)));
    }
    executor_free(x);
    close_net(&n);
}

static void only_what_an_output_needs_runs(void **state)
{
    (void)state;
    Net n;
    open_net(&n);
    Executor *x = prepare(&n, (ExecutorOptions){.outputs = &n.first, .output_count = 1, .train = true});
    assert_int_equal(executor_node_count(x), 3);
    const int d = graph_find_param(n.graph, "d.weight");
    assert_true(d >= 0);
    assert_int_equal(executor_gradients(x)->offset[d], -1);
    executor_free(x);
    bool used[8];
    assert_int_equal(graph_used_params(n.graph, &n.first, 1, used, NULL), 0);
    assert_false(used[d]);
    assert_true(used[graph_find_param(n.graph, "trunk.a.bias")]);
    close_net(&n);
}

/* Frozen parameters have no gradient and need no memory for it; values before them still get their gradients. */
static void frozen_parameters_pass_gradients_on(void **state)
{
    (void)state;
    Net n;
    open_net(&n);
    bool trained[8] = {false};
    trained[graph_find_param(n.graph, "trunk.a.weight")] = true;
    const ExecutorOptions all = {.outputs = &n.first, .output_count = 1, .train = true};
    ExecutorOptions some = all;
    some.trained = trained;
    Executor *a = prepare(&n, all), *b = prepare(&n, some);
    assert_int_equal(executor_gradients(b)->count, 7 * 3 * 9);
    assert_int_equal(executor_memory(b).parameter_gradients, 7 * 3 * 9 * sizeof(float));
    const int w = graph_find_param(n.graph, "trunk.a.weight");
    Executor *both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        forward_loss(both[i], 1);
        assert_int_equal(executor_backward(both[i], &(Step){0}, NULL), 0);
    }
    assert_memory_equal(executor_gradients(a)->values + executor_gradients(a)->offset[w], executor_gradients(b)->values,
                        7 * 3 * 9 * sizeof(float));
    executor_free(a);
    executor_free(b);
    close_net(&n);
}

/* Two executors, for training and inference, run alternately in one arena, with the same results as alone. An arena
 * that is too small is not shared. */
static void an_arena_is_lent_to_who_takes_turns(void **state)
{
    (void)state;
    Net n;
    open_net(&n);
    const ExecutorOptions train = {.outputs = &n.first, .output_count = 1, .train = true};
    ExecutorOptions infer = {.outputs = &n.first, .output_count = 1};
    Executor *alone = prepare(&n, infer), *lender = prepare(&n, train);
    infer.lender = lender;
    Executor *guest = prepare(&n, infer);
    assert_int_equal(executor_memory(guest).arena, 0);
    const double expected = forward_loss(alone, 1);
    float gradients[2][1000];
    const size_t bytes = (size_t)executor_gradients(lender)->count * sizeof(float);
    assert_true(bytes <= sizeof gradients[0]);
    for (int turn = 0; turn < 2; turn++) {
        forward_loss(lender, 1);
        assert_int_equal(executor_backward(lender, &(Step){0}, NULL), 0);
        memcpy(gradients[turn], executor_gradients(lender)->values, bytes);
        assert_true(forward_loss(guest, 1) == expected);
    }
    assert_memory_equal(gradients[0], gradients[1], bytes);
    ExecutorOptions large = train;
    large.lender = alone;
    Executor *own = prepare(&n, large);
    assert_int_equal(executor_memory(own).arena, executor_memory(lender).arena);
    Executor *const all[] = {own, guest, lender, alone};
    for (int i = 0; i < 4; i++) executor_free(all[i]);
    close_net(&n);
}

static void definitions_report_their_first_failure(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    Graph *g = graph_new(&e);
    Ref x = graph_input(g, "image", (Shape){1, 2, 2, 3}, DTYPE_F32);
    scope_in(g, "stem");
    x = op_conv2d(g, "big", x, 4, conv_square(5, 1, 0, false));
    x = scope_out(g, op_linear(g, "after", x, 4, true));
    assert_int_equal(graph_check(g, &e), ERR_SHAPE);
    assert_non_null(strstr(e.text, "stem.big"));
    graph_free(g);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    Net n;
    open_net(&n);
    Err e = {ERR_NONE, ""};
    Executor *x;
    const Shape wrong = {1, 8, 8, 2};
    const ExecutorOptions o = {.inputs = &wrong, .outputs = &n.first, .output_count = 1};
    assert_int_equal(executor_new(&x, n.graph, n.parameters, &o, &e), ERR_SHAPE);
    assert_null(x);
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_never_share_memory_while_they_live),
        cmocka_unit_test(a_place_is_lent_out_between_two_lives),
        cmocka_unit_test(gradients_match_finite_differences),
        cmocka_unit_test(only_what_an_output_needs_runs),
        cmocka_unit_test(frozen_parameters_pass_gradients_on),
        cmocka_unit_test(an_arena_is_lent_to_who_takes_turns),
        cmocka_unit_test(definitions_report_their_first_failure),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("executor", tests, NULL, NULL);
}
