/* The emulated GPU holds the nodes of an executor to what their classes say, and to the lifetimes of the memory plan: wrong
 * nodes are reported, their sound twin is not. The op is made up: SiLU by the library's kernels, with wrong addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "network/executor/executor.h"
#include "network/ops/ops.h"
#include "tests/support/emulator.h"

extern const OpImpl silu_cuda __attribute__((weak));

enum { SIDE = 5, CHANNELS = 8, COUNT = SIDE * SIDE * CHANNELS };

/* READS_ON: beyond the end of the input, in the arena. */
typedef enum Fault { SOUND, READS_ON, WRITES_INPUT } Fault;

static void forward(Node *node, const Step *step)
{
    const Fault fault = *(const Fault *)node->attr;
    Node wrong = *node;
    Tensor in = *node->in[0], out = *node->out[0];
    if (fault == READS_ON) in.data = (float *)in.data + CHANNELS;
    if (fault == WRITES_INPUT) out.data = in.data;
    wrong.in[0] = &in;
    wrong.out[0] = &out;
    silu_cuda.forward(&wrong, step);
}

/* Reads the input. */
static void backward(Node *node, const Step *step) { silu_cuda.backward(node, step); }

static int shape(Node *node, Err *e)
{
    (void)e;
    node->out[0]->shape = node->in[0]->shape;
    return 0;
}

static const OpImpl made_up = {.name = "made up", .forward = forward, .backward = backward};
static const OpImpl *const list[] = {&made_up, NULL};
static const OpClass keeps = {.name = "keeps", .shape = shape, .keeps_inputs = 1, .on = {[DEVICE_CUDA] = list}};
static const OpClass keeps_not = {.name = "keeps_not", .shape = shape, .on = {[DEVICE_CUDA] = list}};

typedef struct Run {
    Graph *graph;
    Parameters *parameters;
    Executor *executor;
    int failed;
} Run;

/* Both passes of SiLU, the op, SiLU. */
static Run run(const OpClass *class, Fault fault)
{
    static const float values[COUNT];
    const Step step = {0};
    Run r = {.graph = graph_new(NULL)};
    const Ref image = graph_input(r.graph, "image", (Shape){1, SIDE, SIDE, CHANNELS}, DTYPE_F32);
    Ref x = op_silu(r.graph, image);
    x = op_silu(r.graph, graph_node(r.graph, class, "made_up", &fault, sizeof fault, &x, 1, NULL, 0));
    const ExecutorOptions o = {
        .outputs = &x, .output_count = 1, .train = true, .input_gradients = 1, .device = device_named("cuda", NULL)};
    assert_int_equal(parameters_new(&r.parameters, r.graph, NULL), 0);
    assert_int_equal(executor_new(&r.executor, r.graph, r.parameters, &o, NULL), 0);
    assert_int_equal(executor_feed(r.executor, 0, values, NULL), 0);
    r.failed = executor_forward(r.executor, &step, NULL);
    if (!r.failed) r.failed = executor_seed(r.executor, 0, values, NULL);
    if (!r.failed) r.failed = executor_backward(r.executor, &step, NULL);
    if (!r.failed) r.failed = executor_wait(r.executor, NULL);
    return r;
}

static void end(Run *r)
{
    executor_free(r->executor);
    parameters_free(r->parameters);
    graph_free(r->graph);
}

static void expect(const OpClass *class, Fault fault, const char *report)
{
    Run r = run(class, fault);
    assert_true(r.failed);
    if (!emu_errors() || !strstr(emu_first_error(), report)) fail_msg("%s", emu_first_error());
    end(&r);
}

static void a_node_accesses_what_its_class_says(void **state)
{
    static const char outside[] = "outside of what the node may access";
    (void)state;
    if (!emu_errors) skip();
    Run r = run(&keeps, SOUND);
    assert_int_equal(r.failed, 0);
    assert_int_equal(emu_errors(), 0);
    end(&r);
    expect(&keeps, READS_ON, outside);
    expect(&keeps, WRITES_INPUT, outside);
    expect(&keeps_not, SOUND, outside);
}

/* After both passes the output is there, and the first node's is not any more. */
static void dead_memory_is_undefined(void **state)
{
    (void)state;
    if (!emu_errors) skip();
    float found[COUNT];
    Run r = run(&keeps, SOUND);
    const Device *d = device_named("cuda", NULL);
    assert_int_equal(executor_fetch(r.executor, 0, found, NULL), 0);
    assert_int_equal(executor_wait(r.executor, NULL), 0);
    assert_int_equal(emu_errors(), 0);
    d->copy(d, found, executor_node(r.executor, 0)->out[0]->data, sizeof found, COPY_TO_HOST, NULL);
    d->wait(d, NULL);
    assert_true(emu_errors() > 0);
    assert_non_null(strstr(emu_first_error(), "memory is read that was never written"));
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_accesses_what_its_class_says),
        cmocka_unit_test(dead_memory_is_undefined),
    };
    return cmocka_run_group_tests_name("gpu_limits", tests, NULL, NULL);
}
