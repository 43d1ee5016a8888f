/* Op fusion: which chains are fused and which are not; values change only by rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "network/executor/executor.h"
#include "network/ops/ops.h"

/* A residual block as in the models; `inside`: the output of norm. */
typedef struct Block {
    Graph *graph;
    Ref inside, end;
} Block;

static Block block_new(double drop_path)
{
    Err e = {0};
    Block b = {.graph = graph_new(&e)};
    Graph *g = b.graph;
    const Ref x = graph_input(g, "image", (Shape){2, 6, 7, 20}, DTYPE_F32);
    const Ref first =
        op_leaky_relu(g, op_instance_norm(g, "n1", op_conv2d(g, "c1", x, 20, conv_square(3, 1, 1, false)), true), 0.01);
    b.inside = op_instance_norm(g, "n2", op_conv2d(g, "c2", first, 20, conv_square(3, 1, 1, false)), true);
    b.end = op_leaky_relu(g, op_add_drop_path(g, "drop", x, b.inside, drop_path), 0.01);
    assert_int_equal(graph_check(g, &e), 0);
    return b;
}

static int count_of(const Executor *x, const char *op)
{
    int count = 0;
    for (int i = 0; i < executor_node_count(x); i++) count += !strcmp(executor_node(x, i)->op->name, op);
    return count;
}

static int merged_nodes(const Block *b, const Ref *outputs, int output_count, bool train)
{
    Err e = {0};
    Executor *x;
    const ExecutorOptions o = {.outputs = outputs, .output_count = output_count, .train = train};
    assert_int_equal(executor_new(&x, b->graph, NULL, &o, &e), 0);
    const int count = count_of(x, "instance_norm_act");
    assert_int_equal(executor_node_count(x), count == 2 ? 4 : count == 1 ? 6 : 7);
    executor_free(x);
    return count;
}

static void chains_are_merged(void **state)
{
    (void)state;
    Block b = block_new(0);
    assert_int_equal(merged_nodes(&b, &b.end, 1, true), 2);
    assert_int_equal(merged_nodes(&b, &b.end, 1, false), 2);
    graph_free(b.graph);
}

static void asked_values_stay(void **state)
{
    (void)state;
    Block b = block_new(0);
    assert_int_equal(merged_nodes(&b, (Ref[]){b.end, b.inside}, 2, true), 1);
    graph_free(b.graph);
}

static void values_read_twice_stay(void **state)
{
    (void)state;
    Block b = block_new(0);
    const Ref more = op_add(b.graph, b.inside, b.end);
    Err e = {0};
    Executor *x;
    const ExecutorOptions o = {.outputs = &more, .output_count = 1};
    assert_int_equal(executor_new(&x, b.graph, NULL, &o, &e), 0);
    assert_int_equal(count_of(x, "instance_norm_act"), 1);
    executor_free(x);
    graph_free(b.graph);
}

static void drop_path_is_merged_outside_training_only(void **state)
{
    (void)state;
    Block b = block_new(0.5);
    assert_int_equal(merged_nodes(&b, &b.end, 1, true), 1);
    assert_int_equal(merged_nodes(&b, &b.end, 1, false), 2);
    graph_free(b.graph);
}

static void run(Executor *x)
{
    const Step step = {.seed = 3};
    Rng rng = rng_make(5, 0, 0, 0, RNG_TEST);
    Tensor *image = executor_input(x, 0), *end = executor_output(x, 0);
    for (int64_t i = 0; i < shape_count(image->shape); i++) ((float *)image->data)[i] = (float)rng_normal(&rng);
    assert_int_equal(executor_forward(x, &step, NULL), 0);
    for (int64_t i = 0; i < shape_count(end->shape); i++) ((float *)end->grad)[i] = (float)rng_normal(&rng);
    assert_int_equal(executor_backward(x, &step, NULL), 0);
}

static void assert_close(const float *a, const float *b, int64_t count)
{
    double most = 0, error = 0;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)a[i]));
        error = fmax(error, fabs((double)a[i] - (double)b[i]));
    }
    assert_true(most > 0 && error <= 1e-5 * most);
}

static void numbers_stay(void **state)
{
    (void)state;
    Block b = block_new(0);
    Err e = {0};
    Parameters *p;
    Executor *x[2];
    assert_int_equal(parameters_new(&p, b.graph, &e), 0);
    parameters_initialize(p, 1);
    for (int unfused = 0; unfused < 2; unfused++) {
        const ExecutorOptions o = {
            .outputs = &b.end, .output_count = 1, .train = true, .input_gradients = 1, .unfused = unfused};
        assert_int_equal(executor_new(&x[unfused], b.graph, p, &o, &e), 0);
        run(x[unfused]);
    }
    assert_int_equal(executor_node_count(x[0]), 4);
    assert_int_equal(executor_node_count(x[1]), 7);
    const Tensor *image[] = {executor_input(x[0], 0), executor_input(x[1], 0)};
    const Tensor *end[] = {executor_output(x[0], 0), executor_output(x[1], 0)};
    const Gradients *gradients[] = {executor_gradients(x[0]), executor_gradients(x[1])};
    assert_close(end[0]->data, end[1]->data, shape_count(end[0]->shape));
    assert_close(image[0]->grad, image[1]->grad, shape_count(image[0]->shape));
    assert_close(gradients[0]->values, gradients[1]->values, gradients[0]->count);
    executor_free(x[0]);
    executor_free(x[1]);
    parameters_free(p);
    graph_free(b.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_merged),      cmocka_unit_test(asked_values_stay),
        cmocka_unit_test(values_read_twice_stay), cmocka_unit_test(drop_path_is_merged_outside_training_only),
        cmocka_unit_test(numbers_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
