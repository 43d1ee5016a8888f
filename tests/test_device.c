/* Training on a device with its own memory gives the same bits as on the CPU, and only the device accesses that memory
 * (apart_device.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "network/device/mirror.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/apart_device.h"
#include "tests/support/small_net.h"
#include "tests/support/stepped.h"

enum { BATCH = 3 };
static const DiceCE loss_rule = {.batch_dice = true, .smooth = 1e-5, .ignore_label = 9};
static const AdamW adamw = {0.9, 0.999, 1e-5, 0.05, 1};
static const SGD sgd = {0.99, 3e-5, 1};

typedef struct Trained {
    SmallNet net;
    Executor *executor;
    Optimizer *optimizer;
    double loss, norm; /* of the last step */
} Trained;

static void begin(Trained *t, const Device *device, bool is_adamw, DType precision)
{
    *t = (Trained){.loss = 0};
    small_net_open(&t->net, loss_rule);
    t->executor = small_net_executor(&t->net, (ExecutorOptions){.device = device, .precision = precision}, BATCH);
    assert_int_equal(is_adamw ? optimizer_new_adamw(&t->optimizer, t->net.parameters, &adamw, NULL)
                              : optimizer_new_sgd(&t->optimizer, t->net.parameters, &sgd, NULL),
                     0);
    assert_int_equal(optimizer_adopt(t->optimizer, executor_gradients(t->executor), NULL), 0);
}

static void end(Trained *t)
{
    optimizer_free(t->optimizer);
    executor_free(t->executor);
    small_net_close(&t->net);
}

static void train(Trained *t, uint32_t iteration)
{
    static const float one = 1;
    const Step step = {.seed = 2, .iteration = iteration};
    float loss;
    small_net_feed(t->executor, iteration, 0, BATCH);
    assert_int_equal(executor_forward(t->executor, &step, NULL), 0);
    assert_int_equal(executor_fetch(t->executor, 0, &loss, NULL), 0);
    assert_int_equal(executor_wait(t->executor, NULL), 0);
    assert_int_equal(executor_seed(t->executor, 0, &one, NULL), 0);
    assert_int_equal(executor_backward(t->executor, &step, NULL), 0);
    t->loss = (double)loss;
    t->norm = stepped(t->optimizer, 1e-2);
}

static void assert_alike(Trained *a, Trained *b)
{
    const Graph *g = a->net.graph;
    Trained *both[] = {a, b};
    assert_true(a->loss == b->loss && a->norm == b->norm && isfinite(a->norm));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(parameters_to_host(both[i]->net.parameters, NULL), 0);
        assert_int_equal(optimizer_to_host(both[i]->optimizer, NULL), 0);
    }
    assert_memory_equal(a->net.parameters->values, b->net.parameters->values,
                        (size_t)graph_parameter_span(g) * sizeof(float));
    for (int p = 0; p < graph_param_count(g); p++) {
        assert_int_equal(optimizer_steps(a->optimizer)[p], optimizer_steps(b->optimizer)[p]);
        for (int k = 0; k < OPTIMIZER_MOMENTS && optimizer_moment_name(a->optimizer, k); k++)
            assert_memory_equal(optimizer_moment(a->optimizer, p, k), optimizer_moment(b->optimizer, p, k),
                                (size_t)graph_params(g)[p].count * sizeof(float));
    }
}

/* Values are written on the host during a training, as a checkpoint does when it is read. */
static void restore(Trained *t)
{
    float *values = parameters_of(t->net.parameters, 1), *moment = optimizer_moment(t->optimizer, 2, 0);
    values[0] += 0.5f;
    moment[0] -= 0.25f;
    optimizer_steps(t->optimizer)[2] = 1;
    parameters_changed(t->net.parameters);
    optimizer_changed(t->optimizer);
}

static void compare_devices(bool is_adamw, DType precision)
{
    Trained cpu, apart;
    begin(&cpu, NULL, is_adamw, precision);
    begin(&apart, apart_device(), is_adamw, precision);
    for (uint32_t i = 0; i < 3; i++) {
        train(&cpu, i);
        train(&apart, i);
    }
    assert_alike(&cpu, &apart);
    restore(&cpu);
    restore(&apart);
    train(&cpu, 3);
    train(&apart, 3);
    assert_alike(&cpu, &apart);
    end(&cpu);
    end(&apart);
    assert_int_equal(apart_device_blocks(), 0);
}

static void a_device_with_its_own_memory_trains_alike(void **state)
{
    (void)state;
    for (int is_adamw = 0; is_adamw < 2; is_adamw++) compare_devices(is_adamw, DTYPE_F32);
    if (executor_supports(DTYPE_BF16, apart_device())) compare_devices(true, DTYPE_BF16);
}

/* On the CPU the memory that a caller may write and read is that of the executor's values. */
static void memory_for_inputs_and_outputs(void **state)
{
    (void)state;
    const Device *const devices[] = {device_cpu(), apart_device()};
    float logits[2][BATCH * SMALL_PIXELS * SMALL_CLASSES];
    for (int i = 0; i < 2; i++) {
        SmallNet n;
        small_net_open(&n, loss_rule);
        Executor *x = small_net_executor(&n, (ExecutorOptions){.device = devices[i]}, BATCH);
        float *images = executor_input_memory(x, 0, NULL);
        int16_t *labels = executor_input_memory(x, 1, NULL);
        float *found = executor_output_memory(x, 1, NULL);
        for (int k = 0; k < BATCH; k++)
            small_net_item(images + k * SMALL_PIXELS * SMALL_CHANNELS, labels + k * SMALL_PIXELS, 0, (uint32_t)k);
        assert_ptr_equal(images, executor_input_memory(x, 0, NULL));
        assert_int_equal(executor_input(x, 0)->data == images, devices[i]->shares_memory);
        assert_int_equal(executor_output(x, 1)->data == found, devices[i]->shares_memory);
        assert_int_equal(executor_feed(x, 0, images, NULL) || executor_feed(x, 1, labels, NULL), 0);
        assert_int_equal(executor_forward(x, &(Step){0}, NULL), 0);
        assert_int_equal(executor_fetch(x, 1, found, NULL) || executor_wait(x, NULL), 0);
        memcpy(logits[i], found, sizeof logits[i]);
        executor_free(x);
        small_net_close(&n);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_int_equal(apart_device_blocks(), 0);
}

static void a_number_that_is_not_finite_is_found(void **state)
{
    (void)state;
    static const float one = 1;
    const Device *const devices[] = {device_cpu(), apart_device()};
    for (int i = 0; i < 2; i++) {
        SmallNet n;
        const Node *node;
        bool in_backward;
        small_net_open(&n, loss_rule);
        Executor *x = small_net_executor(&n, (ExecutorOptions){.device = devices[i], .unfused = true}, BATCH);
        small_net_feed(x, 0, 0, BATCH);
        assert_int_equal(executor_seed(x, 0, &one, NULL), 0);
        assert_int_equal(executor_first_nonfinite(x, &(Step){0}, &node, &in_backward, NULL), 0);
        assert_null(node);
        parameters_of(n.parameters, graph_find_param(n.graph, "b.bias"))[1] = NAN;
        parameters_changed(n.parameters);
        small_net_feed(x, 0, 0, BATCH);
        assert_int_equal(executor_seed(x, 0, &one, NULL), 0);
        assert_int_equal(executor_first_nonfinite(x, &(Step){0}, &node, &in_backward, NULL), 0);
        assert_non_null(node);
        assert_string_equal(node->name, "b");
        assert_false(in_backward);
        executor_free(x);
        small_net_close(&n);
    }
}

static void places_are_aligned_as_the_device_asks(void **state)
{
    (void)state;
    SmallNet n;
    small_net_open(&n, loss_rule);
    Executor *x = small_net_executor(&n, (ExecutorOptions){.device = apart_device()}, BATCH);
    for (int i = 0; i < executor_node_count(x); i++) {
        const Node *node = executor_node(x, i);
        for (int s = 0; s < NODE_SAVED; s++) assert_int_equal((uintptr_t)node->saved[s] % 256, 0);
        for (int k = 0; k < node->output_count; k++) assert_int_equal((uintptr_t)node->out[k]->data % 256, 0);
    }
    executor_free(x);
    small_net_close(&n);
}

static void parameters_are_on_one_device(void **state)
{
    (void)state;
    SmallNet n;
    Err e = {ERR_NONE, ""};
    Executor *other;
    Ref head;
    small_net_open(&n, loss_rule);
    Executor *x = small_net_executor(&n, (ExecutorOptions){.device = apart_device()}, 1);
    assert_true(graph_find(n.graph, "head0", &head));
    const ExecutorOptions o = {.outputs = &head, .output_count = 1};
    assert_int_equal(executor_new(&other, n.graph, n.parameters, &o, &e), ERR_UNSUPPORTED);
    executor_free(x);
    small_net_close(&n);
    assert_int_equal(apart_device_blocks(), 0);
}

static void devices_have_names(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    assert_ptr_equal(device_named("cpu", &e), device_cpu());
    assert_null(device_named("tpu", &e));
    assert_int_equal(e.code, ERR_VALUE);
    err_clear(&e);
    if (device_cuda) return; /* the machine may have a GPU, or not */
    assert_null(device_named("cuda:1", &e));
    assert_string_equal(e.text, "device cuda:1: this build has no CUDA (make CUDA=1 makes one that has); use cpu");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_with_its_own_memory_trains_alike),
        cmocka_unit_test(memory_for_inputs_and_outputs),
        cmocka_unit_test(a_number_that_is_not_finite_is_found),
        cmocka_unit_test(places_are_aligned_as_the_device_asks),
        cmocka_unit_test(parameters_are_on_one_device),
        cmocka_unit_test(devices_have_names),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
