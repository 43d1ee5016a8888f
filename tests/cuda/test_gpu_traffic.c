/* Bytes of device memory that the kernels move, for each element of their input: as the emulator counts them, in each launch
 * an address once. The table is part of docs/cuda.md. The roofline's counts (model/roofline.h) must be near to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "model/roofline.h"
#include "network/ops/ops.h"
#include "tests/support/emulator.h"

enum { SIDE_MOST = 48, CHANNELS = 64, HEADS = 2, STATES = 16 };

typedef Ref Layer(Graph *g, Ref x);

/* A value of the run's precision; graph inputs are float32. */
static Ref value(Graph *g, const char *name, int64_t side, int64_t channels)
{
    return op_linear(g, name, graph_input(g, name, (Shape){1, side, side, 1}, DTYPE_F32), channels, false);
}

/* A second input of the same size. */
static Ref other(Graph *g, Ref x, int64_t channels) { return value(g, "z", graph_shape(g, x).h, channels); }

static Ref silu(Graph *g, Ref x) { return op_silu(g, x); }
static Ref gate(Graph *g, Ref x) { return op_silu_gate(g, x, other(g, x, CHANNELS)); }
static Ref sum(Graph *g, Ref x) { return op_add(g, x, other(g, x, CHANNELS)); }
static Ref layer_norm(Graph *g, Ref x) { return op_layer_norm(g, "n", x); }
static Ref instance_norm(Graph *g, Ref x) { return op_instance_norm(g, "n", x, true); }
static Ref depthwise(Graph *g, Ref x) { return op_depthwise_conv2d(g, "c", x); }
static Ref linear(Graph *g, Ref x) { return op_linear(g, "l", x, CHANNELS, true); }
static Ref conv(Graph *g, Ref x) { return op_conv2d(g, "c", x, CHANNELS, conv_square(3, 1, 1, false)); }
static Ref scan(Graph *g, Ref x)
{
    static const ScanDirections all = {
        4, {SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED, SCAN_COLUMN_MAJOR_REVERSED}};
    return op_selective_scan(g, x, 4, STATES, all);
}
static Ref attention(Graph *g, Ref x) { return op_attention(g, x, other(g, x, 2 * CHANNELS), HEADS); }

static const struct {
    const char *name;
    Layer *layer;
    int side; /* of the image */
    bool two_inputs;
    double bytes[2][2]; /* forward, backward; in float32, in bfloat16 */
} rows[] = {
    {"silu", silu, 48, false, {{8, 12}, {4, 6}}},
    {"silu_gate", gate, 48, true, {{12, 20}, {6, 10}}},
    {"add", sum, 48, true, {{12, 8}, {6, 4}}},
    {"layer_norm", layer_norm, 48, false, {{8.13, 15.33}, {4.13, 9.33}}},
    {"instance_norm", instance_norm, 48, false, {{12.14, 20.16}, {6.14, 10.16}}},
    {"depthwise_conv2d", depthwise, 48, false, {{8.02, 16.35}, {4.02, 8.35}}},
    {"linear", linear, 48, false, {{8.12, 20.25}, {4.06, 10.2}}},
    {"conv2d", conv, 48, false, {{9.01, 20.01}, {4.51, 10.53}}},
    {"selective_scan", scan, 48, false, {{82.96, 136.87}, {74.83, 134.87}}},
    {"attention", attention, 16, true, {{16.12, 48.5}, {8.12, 24.5}}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static void check(int failed, const Err *e)
{
    if (failed) fail_msg("%s", e->text);
}

static void feed(Executor *x, int index)
{
    static float values[SIDE_MOST * SIDE_MOST];
    Err e = {ERR_NONE, ""};
    for (int i = 0; i < SIDE_MOST * SIDE_MOST; i++) values[i] = (float)(i % 17) * 0.1f - 0.8f;
    check(executor_feed(x, index, values, &e), &e);
}

/* Runs a pass of a node. Returns the bytes that it moved, for each element of the input. */
static double moved(Executor *x, int node, bool backward)
{
    const Step step = {0};
    Err e = {ERR_NONE, ""};
    check(executor_wait(x, &e), &e);
    const uint64_t before = emu_counts().moved;
    check((backward ? executor_backward_node : executor_forward_node)(x, node, &step, &e), &e);
    check(executor_wait(x, &e), &e);
    return (double)(emu_counts().moved - before) / (double)shape_count(executor_node(x, node)->in[0]->shape);
}

/* bytes: of the last node but one, forward and backward. */
static void run(Executor *x, int inputs, double bytes[2])
{
    static const float seed[SIDE_MOST * SIDE_MOST * CHANNELS];
    const int nodes = executor_node_count(x), layer = nodes - 2;
    const Step step = {0};
    Err e = {ERR_NONE, ""};
    for (int i = 0; i < inputs; i++) feed(x, i);
    check(executor_forward(x, &step, &e), &e); /* packs the parameters */
    for (int i = 0; i < inputs; i++) feed(x, i);
    for (int i = 0; i < nodes; i++) {
        const double found = moved(x, i, false);
        if (i == layer) bytes[0] = found;
    }
    check(executor_seed(x, 0, seed, &e), &e);
    for (int i = nodes - 1; i >= layer; i--) bytes[1] = moved(x, i, true);
}

/* The table tells what is moved; the roofline counts no more than a half more (a gradient that is written in place), and
 * not less than about half of it (norms, whose kernels read twice; the scan of one image, whose pieces are). */
static void expect(const Executor *x, int row, bool backward, double found, double expected)
{
    const Node *layer = executor_node(x, executor_node_count(x) - 2);
    const double ratio = found * (double)shape_count(layer->in[0]->shape) / roofline_bytes(layer, backward);
    if (fabs(found - expected) > 0.02 || ratio < 0.66 || ratio > 2.15)
        fail_msg("%s, %s, %s: %.2f bytes for each element, expected %.2f; %.2f times the roofline's", rows[row].name,
                 dtype_name(layer->impl->dtype), backward ? "backward" : "forward", found, expected, ratio);
}

static void measure(int row, DType precision)
{
    Err e = {ERR_NONE, ""};
    Graph *g = graph_new(&e);
    Parameters *parameters;
    Executor *x;
    double found[2];
    const Ref y = op_silu(g, rows[row].layer(g, value(g, "x", rows[row].side, CHANNELS)));
    graph_output(g, "y", y);
    check(graph_check(g, &e), &e);
    check(parameters_new(&parameters, g, &e), &e);
    parameters_initialize(parameters, 1);
    const ExecutorOptions o = {.outputs = &y,
                               .output_count = 1,
                               .train = true,
                               .unfused = true,
                               .precision = precision,
                               .device = device_named("cuda", &e)};
    check(executor_new(&x, g, parameters, &o, &e), &e);
    run(x, rows[row].two_inputs ? 2 : 1, found);
    for (int backward = 0; backward < 2; backward++)
        expect(x, row, backward, found[backward], rows[row].bytes[precision == DTYPE_BF16][backward]);
    executor_free(x);
    parameters_free(parameters);
    graph_free(g);
}

static void kernels_move_what_the_table_says(void **state)
{
    (void)state;
    if (!emu_counts) skip();
    for (int i = 0; i < ROWS; i++) {
        measure(i, DTYPE_F32);
        measure(i, DTYPE_BF16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_move_what_the_table_says)};
    return cmocka_run_group_tests_name("gpu_traffic", tests, NULL, NULL);
}
