/* The roofline's counts, each by peaks that leave only one limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "model/roofline.h"
#include "network/ops/ops.h"

enum { N = 2, SIDE = 8, CHANNELS = 16, OUT = 24 };
static const double pixels = N * SIDE * SIDE;
static const double endless = 1e30; /* so fast that it takes no time */

static GpuPeaks only(RooflineLimit limit)
{
    GpuPeaks p = {"test", endless, endless, endless, endless};
    if (limit == LIMIT_MEMORY) p.bandwidth = 1;
    if (limit == LIMIT_PRODUCTS || limit == LIMIT_ARITHMETIC) p.fp32 = 1;
    if (limit == LIMIT_EXPONENTIALS) p.exponentials = 1;
    return p;
}

typedef Ref Layer(Graph *g, Ref x);

static Ref silu(Graph *g, Ref x) { return op_silu(g, x); }
static Ref linear(Graph *g, Ref x) { return op_linear(g, "linear", x, OUT, true); }
static Ref scan(Graph *g, Ref x)
{
    return op_selective_scan(g, x, 1, 4, (ScanDirections){2, {SCAN_ROW_MAJOR, SCAN_ROW_MAJOR_REVERSED}});
}
static Ref two(Graph *g, Ref x) { return op_concat(g, op_silu(g, x), op_gelu(g, x)); }

/* "Seconds" of one layer: of forward alone, or of forward, backward (also for its input) and the optimizer. */
static double seconds(Layer *layer, bool train, RooflineLimit limit)
{
    Err e = {ERR_NONE, ""};
    Graph *g = graph_new(&e);
    Executor *x;
    const GpuPeaks peaks = only(limit);
    const Ref y = layer(g, graph_input(g, "x", (Shape){N, SIDE, SIDE, CHANNELS}, DTYPE_F32));
    graph_output(g, "y", y);
    if (graph_check(g, &e)) fail_msg("%s", e.text);
    const ExecutorOptions o = {.outputs = &y, .output_count = 1, .train = train, .input_gradients = 1};
    if (executor_new(&x, g, NULL, &o, &e)) fail_msg("%s", e.text);
    const Roofline r = roofline_of(x, &peaks, train);
    executor_free(x);
    graph_free(g);
    double sum = 0;
    for (int i = 0; i < ROOFLINE_LIMITS; i++) sum += r.by[i];
    assert_true(fabs(sum - r.seconds) <= 1e-9 * sum && r.with_launches >= r.seconds);
    return r.seconds;
}

static void expect(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-9 * expected)) fail_msg("%.9g, expected %.9g", found, expected);
}

static void every_tensor_is_moved_once(void **state)
{
    (void)state;
    const double x = 4 * pixels * CHANNELS;
    expect(seconds(silu, false, LIMIT_MEMORY), 2 * x);
    expect(seconds(silu, true, LIMIT_MEMORY), 2 * x + 3 * x); /* backward: x, dy, dx */
    const double y = 4 * pixels * OUT, weights = 4 * (CHANNELS * OUT + OUT);
    expect(seconds(linear, false, LIMIT_MEMORY), x + y + weights);
    expect(seconds(linear, true, LIMIT_MEMORY),
           x + y + weights + (x + y + x) + 2 * weights + 10 * weights); /* x, dy, dx; w, dw; the optimizer */
}

static void slices_are_not_moved(void **state)
{
    (void)state;
    const double x = 4 * pixels * CHANNELS;
    expect(seconds(two, false, LIMIT_MEMORY), 4 * x);
}

static void products_are_counted_in_each_pass(void **state)
{
    (void)state;
    const double flops = 2 * pixels * CHANNELS * OUT;
    expect(seconds(linear, false, LIMIT_PRODUCTS), flops);
    expect(seconds(linear, true, LIMIT_PRODUCTS), 3 * flops);
    assert_true(seconds(silu, true, LIMIT_PRODUCTS) < 1e-9);
}

static void a_scan_takes_an_exponential_for_each_state(void **state)
{
    (void)state;
    const double updates = pixels * CHANNELS * 2 * 4;
    expect(seconds(scan, false, LIMIT_EXPONENTIALS), updates);
    expect(seconds(scan, true, LIMIT_EXPONENTIALS), 3 * updates);
    assert_true(seconds(scan, false, LIMIT_MEMORY) >= 4 * pixels * CHANNELS * (2 + 1 + 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_moved_once),
        cmocka_unit_test(slices_are_not_moved),
        cmocka_unit_test(products_are_counted_in_each_pass),
        cmocka_unit_test(a_scan_takes_an_exponential_for_each_state),
    };
    return cmocka_run_group_tests_name("roofline", tests, NULL, NULL);
}
