/* network/executor: training with recomputation gives the same bits with less memory, for small versions of whole
 * networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/simd_level.h"
#include "network/executor/executor.h"
#include "network/models/network.h"

enum { SIZE = 64, BATCH = 2, CHANNELS = 3, CLASSES = 4, STEPS = 2 };

typedef struct Net {
    Graph *graph;
    Parameters *parameters;
} Net;

static void open_net(Net *n, const char *name)
{
    Err e = {ERR_NONE, ""};
    NetworkSpec spec;
    assert_int_equal(network_defaults(&spec, name, &e), 0);
    assert_int_equal(network_configure(&spec, "{width: 0.125}", &e), 0);
    spec.height = spec.width = SIZE;
    spec.channels = CHANNELS;
    spec.classes = CLASSES;
    spec.deep_supervision = true;
    if (network_build(&n->graph, &spec, &e) || parameters_new(&n->parameters, n->graph, &e)) fail_msg("%s", e.text);
    parameters_initialize(n->parameters, 5);
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

/* Outputs: the loss, and head0 without a seed; also the gradient of the image. */
static Executor *prepare(const Net *n, DType precision, const bool *trained, bool recompute)
{
    Err e = {ERR_NONE, ""};
    Executor *x;
    const Shape sizes[] = {{BATCH, SIZE, SIZE, CHANNELS}, {BATCH, SIZE, SIZE, 1}};
    Ref outputs[2];
    assert_true(graph_find(n->graph, "loss", &outputs[0]) && graph_find(n->graph, "head0", &outputs[1]));
    const ExecutorOptions o = {.inputs = sizes,
                               .outputs = outputs,
                               .output_count = 2,
                               .train = true,
                               .unseeded = 2,
                               .input_gradients = 1,
                               .trained = trained,
                               .precision = precision,
                               .recompute = recompute};
    if (executor_new(&x, n->graph, n->parameters, &o, &e)) fail_msg("%s", e.text);
    return x;
}

static void feed(Executor *x, uint32_t step)
{
    Rng r = rng_make(7, 0, step, 0, RNG_TEST);
    float *image = executor_input(x, 0)->data;
    int16_t *labels = executor_input(x, 1)->data;
    for (int i = 0; i < BATCH * SIZE * SIZE * CHANNELS; i++) image[i] = (float)rng_normal(&r);
    for (int i = 0; i < BATCH * SIZE * SIZE; i++) labels[i] = (int16_t)rng_below(&r, CLASSES);
}

static void assert_same_tensor(const Tensor *a, const Tensor *b)
{
    assert_memory_equal(a->data, b->data, (size_t)shape_count(a->shape) * dtype_size(a->dtype));
}

static void assert_same_steps(Executor *kept, Executor *again)
{
    const Gradients *a = executor_gradients(kept), *b = executor_gradients(again);
    Executor *both[] = {kept, again};
    assert_int_equal(a->count, b->count);
    for (uint32_t s = 0; s < STEPS; s++) {
        const Step step = {.seed = 3, .epoch = 1, .iteration = s}; /* drop path draws from it */
        for (int i = 0; i < 2; i++) {
            feed(both[i], s);
            assert_int_equal(executor_forward(both[i], &step, NULL), 0);
            *(float *)executor_output(both[i], 0)->grad = 1;
        }
        for (int k = 0; k < 2; k++) assert_same_tensor(executor_output(kept, k), executor_output(again, k));
        for (int i = 0; i < 2; i++) assert_int_equal(executor_backward(both[i], &step, NULL), 0);
        for (int k = 0; k < 2; k++) assert_same_tensor(executor_output(kept, k), executor_output(again, k));
        assert_memory_equal(a->values, b->values, (size_t)a->count * sizeof(float));
        const Tensor *image = executor_input(kept, 0), *other = executor_input(again, 0);
        assert_memory_equal(image->grad, other->grad, (size_t)shape_count(image->shape) * dtype_size(image->dtype));
        double square = 0;
        for (int64_t i = 0; i < a->count; i++) square += (double)a->values[i] * (double)a->values[i];
        assert_true(isfinite(square) && square > 0);
    }
}

static void check_network(const char *name, DType precision, bool freeze_encoder)
{
    Net n;
    bool trained[1024];
    open_net(&n, name);
    assert_true(graph_param_count(n.graph) < 1024);
    for (int p = 0; p < graph_param_count(n.graph); p++)
        trained[p] = !strstr(graph_params(n.graph)[p].name, "vssm_encoder");
    const bool *some = freeze_encoder ? trained : NULL;
    Executor *kept = prepare(&n, precision, some, false), *again = prepare(&n, precision, some, true);
    const MemoryReport a = executor_memory(kept), b = executor_memory(again);
    /* At the portable level most of the memory is the scratch memory of one convolution, which both need. */
    const bool has_large_scratch = simd_level() == SIMD_PORTABLE;
    assert_true((double)b.arena < (freeze_encoder || has_large_scratch ? 0.7 : 0.5) * (double)a.arena);
    assert_int_equal(b.without_reuse, a.without_reuse);
    assert_same_steps(kept, again);
    executor_free(kept);
    executor_free(again);
    close_net(&n);
}

static void gradients_are_the_same_to_the_bit(void **state)
{
    (void)state;
    check_network("swin_umamba", DTYPE_F32, false);
    check_network("swin_umamba_d", DTYPE_F32, false);
    check_network("swin_umamba_paper", DTYPE_F32, false);
}

static void gradients_are_the_same_in_bfloat16(void **state)
{
    (void)state;
    if (!executor_supports(DTYPE_BF16, NULL)) {
        print_message("bfloat16: not on this CPU, SKIPPED\n");
        skip();
    }
    check_network("swin_umamba", DTYPE_BF16, false);
    check_network("swin_umamba_d", DTYPE_BF16, false);
}

static void gradients_are_the_same_above_a_frozen_encoder(void **state)
{
    (void)state;
    check_network("swin_umamba", DTYPE_F32, true);
    check_network("swin_umamba_d", DTYPE_F32, true);
}

/* executor_first_nonfinite runs the same actions. */
static void broken_numbers_are_found(void **state)
{
    (void)state;
    Net n;
    bool in_backward;
    const Node *node;
    open_net(&n, "swin_umamba_d");
    Executor *x = prepare(&n, DTYPE_F32, NULL, true);
    feed(x, 0);
    *(float *)executor_output(x, 0)->grad = 1; /* forward leaves it alone */
    assert_int_equal(executor_first_nonfinite(x, &(Step){0}, &node, &in_backward, NULL), 0);
    assert_null(node);
    feed(x, 0);
    *(float *)executor_output(x, 0)->grad = INFINITY;
    assert_int_equal(executor_first_nonfinite(x, &(Step){0}, &node, &in_backward, NULL), 0);
    assert_non_null(node);
    assert_true(in_backward);
    executor_free(x);
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_same_to_the_bit),
        cmocka_unit_test(gradients_are_the_same_in_bfloat16),
        cmocka_unit_test(gradients_are_the_same_above_a_frozen_encoder),
        cmocka_unit_test(broken_numbers_are_found),
    };
    return cmocka_run_group_tests_name("recompute", tests, NULL, NULL);
}
