/* Every op of the table (tests/support/op_cases.h), in every implementation that this CPU can run, against its equation
 * in double precision: values, and gradients by central differences of the double-precision reference, element by
 * element. Each is run with dense tensors, with gaps between pixels, with accumulation, in place, and on 1 to 3
 * threads.
 * With SWIN_UMAMBA_TEST_DEVICE=cuda: the implementations on a GPU, or on the emulated one (tests/cuda). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/ops/product.h"
#include "tests/support/emulator.h"
#include "tests/support/op_cases.h"
#include "tests/support/op_run.h"

/* ---- a case with its values ---- */

static const Device *device; /* that the ops run on: of SWIN_UMAMBA_TEST_DEVICE, else the CPU */

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

/* Values away from 0, where an op may not be differentiable, and exact in bfloat16, so that all kernels get the same.
 * */
static void draw(double *x, int64_t count, uint32_t stream)
{
    Rng rng = rng_make(7, 0, 0, stream, RNG_TEST);
    for (int64_t i = 0; i < count; i++)
        x[i] = nearbyint(rng_range(&rng, 0.1, 1.49) * 128) / 128 * (rng_uniform(&rng) < 0.5 ? -1 : 1);
}

/* As exact as those that were drawn, but for VALUES_LONG. */
static void change_values(double *x, int64_t count, const OpCase *op)
{
    for (int64_t i = 0; i < count; i++) {
        if (op->values == VALUES_FAR) x[i] = 96 + nearbyint(x[i] * 8) / 2;
        if (op->values == VALUES_TIED || op->values == VALUES_EQUAL) x[i] = nearbyint(x[i] * 4) / 4;
        if (op->values == VALUES_LONG) x[i] *= 1.0011;
        if (op->scale > 0) x[i] *= op->scale;
    }
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
        for (int64_t i = 0; i < shape_count(p->node->out[k]->shape); i++) loss += p->cotangent[k][i] * p->out[k][i];
    return loss;
}

static double *differences(const Problem *p, double *x, int64_t count)
{
    double *grad = numbers(count);
    Rng rng = rng_make(8, 0, 0, (uint32_t)count, RNG_TEST);
    const double step = 1e-5;
    for (int64_t i = 0; p->op->values != VALUES_TIED && i < count; i++) {
        const bool chosen = count <= ALL_ELEMENTS || rng_below(&rng, (uint32_t)count) < SAMPLED_ELEMENTS;
        grad[i] = chosen ? (loss_at(p, &x[i], x[i] + step) - loss_at(p, &x[i], x[i] - step)) / (2 * step) : (double)NAN;
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
    const ExecutorOptions o = {.outputs = out, .output_count = outputs, .train = true, .input_gradients = wanted};
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
        if (n->in[i]->dtype == DTYPE_F32) change_values(p->in[i], count, p->op);
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
        if (!(p->op->unseeded >> i & 1)) draw(p->cotangent[i], shape_count(n->out[i]->shape), 20u + (uint32_t)i);
    }
    for (int i = 0; i < n->input_count; i++)
        if (n->in[i]->dtype == DTYPE_F32) p->in_grad[i] = differences(p, p->in[i], shape_count(n->in[i]->shape));
    for (int i = 0; i < n->param_count; i++) p->param_grad[i] = differences(p, p->param[i], n->param_info[i]->count);
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

enum { ALL_INPUTS = (1 << NODE_INPUTS) - 1, ALL_PARAMS = (1 << NODE_PARAMS) - 1 };
static const OpRunOptions forward = {.overwrite = -1, .overwrite_grad = -1};
static const OpRunOptions backward = {.backward = true, .overwrite = -1, .overwrite_grad = -1};

static void pass(const Problem *p, OpRun *r, OpPass which)
{
    Err e = {0};
    const Step step = {0};
    if (op_run_pass(r, which, &step, &e)) fail_msg("%s %s: %s", p->op->name, r->node.impl->name, e.text);
}

static void run(const Problem *p, OpRun *r, const OpImpl *impl, OpRunOptions o)
{
    Err e = {0};
    o.device = device;
    o.unseeded = p->op->unseeded;
    if (op_run_new(r, p->node, impl, o, &e)) fail_msg("%s %s: %s", p->op->name, impl->name, e.text);
    Node *n = &r->node;
    for (int i = 0; i < n->input_count; i++) {
        op_run_set(r->in[i].data, &r->in[i], p->in[i]);
        if (o.accumulate >> i & 1 && r->in[i].grad) op_run_set(r->in[i].grad, &r->in[i], p->in[i]);
    }
    for (int i = 0; i < n->param_count; i++)
        for (int64_t k = 0; k < n->param_info[i]->count; k++) r->param[i][k] = (float)p->param[i][k];
    if (impl->refresh) pass(p, r, OP_REFRESH);
    pass(p, r, OP_FORWARD);
    if (!o.backward) return;
    for (int i = 0; i < n->output_count; i++)
        if (r->out[i].grad) op_run_set(r->out[i].grad, &r->out[i], p->cotangent[i]);
    pass(p, r, OP_BACKWARD);
}

static void compare_values(const char *what, const double *found, const double *expected, int64_t count, double bound)
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
    snprintf(what, sizeof what,
             "%s %s gaps %d %d%s%s backward %d accumulate %x overwrite %d %d float %d %d unwanted %x untrained %x",
             p->op->name, impl->name, (int)o.gaps[0], (int)o.gaps[1], o.whole_vectors ? " whole" : "",
             o.shifted ? " shifted" : "", o.backward, o.accumulate, o.overwrite, o.overwrite_grad, o.float_in,
             o.float_out, o.unwanted, o.untrained);
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
        compare_gradient(what, found, p->in_grad[i], o.accumulate >> i & 1 ? p->in[i] : NULL,
                         shape_count(n->in[i]->shape), dtype);
        mem_free(found);
    }
    for (int i = 0; i < n->param_count; i++) {
        if (!n->trains_param[i]) continue;
        double *found = numbers(n->param_info[i]->count);
        for (int64_t k = 0; k < n->param_info[i]->count; k++) found[k] = (double)n->param_grad[i][k];
        compare_gradient(what, found, p->param_grad[i], NULL, n->param_info[i]->count, dtype);
        mem_free(found);
    }
    op_run_free(&r);
}

/* The order in which a device does its work: the number of threads of the CPU, the order of blocks and threads of the
 * emulated GPU. A GPU has only one, of which we know nothing; there the same run is made again. */
static void set_order(int order)
{
    if (device->kind == DEVICE_CPU) omp_set_num_threads(order + 1);
    else if (emu_set_order) emu_set_order((EmuOrder)order);
}

/* The bits of all outputs and gradients in three orders. */
static void check_orders(const Problem *p, const OpImpl *impl)
{
    const int before = omp_get_max_threads();
    OpRun one, other;
    set_order(0);
    run(p, &one, impl, backward);
    for (int order = 1; order < 3; order++) {
        set_order(order);
        run(p, &other, impl, backward);
        for (int i = 0; i < one.buffer_count - 1; i++) /* all but the scratch memory, which is last */
            if (memcmp(one.buffers[i].data, other.buffers[i].data, one.buffers[i].bytes))
                fail_msg("%s %s: order %d gives other bits than order 0", p->op->name, impl->name, order);
        op_run_free(&other);
    }
    set_order(0);
    omp_set_num_threads(before);
    op_run_free(&one);
}

/* oneDNN's products split their sums by the number of threads. The gradients of a convolution's weights are always
 * oneDNN's. A scan's long sums, of the gradient of its projection, are where float32 products are. */
static bool sums_by_threads(const Node *node, const OpImpl *impl)
{
    if (device->kind == DEVICE_CPU && !strcmp(node->op->name, "selective_scan") && !product_is_own(DTYPE_F32))
        return shape_pixels(node->in[0]->shape) > 2000;
    return !strcmp(impl->name, "onednn") || !strcmp(impl->name, "winograd") ||
           (!strcmp(impl->name, "product") && !product_is_own(impl->dtype));
}

/* A pass need not give every gradient, and adds only those of some inputs. A user may train one parameter of an op alone. */
static void check_parts(const Problem *p, const OpImpl *impl)
{
    for (uint32_t i = 0; p->node->input_count > 1 && i < (uint32_t)p->node->input_count; i++) {
        if (!p->in_grad[i]) continue;
        OpRunOptions o = backward;
        o.accumulate = 1u << i;
        check(p, impl, o);
        o.unwanted = ALL_INPUTS & ~(1u << i);
        check(p, impl, o);
    }
    if (!p->node->param_count) return;
    OpRunOptions o = backward;
    o.untrained = ALL_PARAMS;
    check(p, impl, o);
    for (int i = 0; p->node->param_count > 1 && i < p->node->param_count; i++) {
        o.untrained = ALL_PARAMS & ~(1u << i);
        check(p, impl, o);
    }
    o.untrained = 0;
    o.unwanted = ALL_INPUTS;
    check(p, impl, o);
}

static void check_in_place(const Problem *p, const OpImpl *impl)
{
    for (int i = 0; i < p->node->input_count; i++) {
        OpRunOptions o = forward;
        o.overwrite = i;
        if (p->node->op->may_overwrite >> i & 1) check(p, impl, o);
        o = backward;
        o.overwrite_grad = i;
        if (p->node->op->may_overwrite_grad >> i & 1) check(p, impl, o);
    }
}

/* Vectors of a GPU need a gap of 8 in all tensors; of 3 in one or several of them they are not possible. Nor are they where only
 * the number of channels is no multiple of 8, or only the addresses are not aligned: these are layouts 4 and 5. */
static const OpRunOptions layouts[] = {{.gaps = {0, 0, 0}},
                                       {.gaps = {3, 5, 8}},
                                       {.gaps = {8, 3, 16}},
                                       {.gaps = {8, 16, 3}},
                                       {.gaps = {8, 16, 24}, .whole_vectors = true, .shifted_params = true},
                                       {.gaps = {8, 16, 24}, .whole_vectors = true, .shifted = true},
                                       {.gaps = {3, 8, 16}}};
enum { LAYOUTS = 6, CPU_LAYOUTS = 2, SHIFTED = 5, FORWARD_ONLY = 6 };

static OpRunOptions with_layout(OpRunOptions o, int layout)
{
    memcpy(o.gaps, layouts[layout].gaps, sizeof o.gaps);
    o.whole_vectors = layouts[layout].whole_vectors;
    o.shifted = layouts[layout].shifted;
    o.shifted_params = layouts[layout].shifted_params;
    return o;
}

static void check_layouts(const Problem *p, const OpImpl *impl)
{
    const bool cpu = device->kind == DEVICE_CPU;
    if (!cpu) check(p, impl, with_layout(forward, FORWARD_ONLY));
    for (int i = 0; i < (cpu ? CPU_LAYOUTS : LAYOUTS); i++) {
        OpRunOptions b = with_layout(backward, i);
        if (i != SHIFTED) check(p, impl, with_layout(forward, i));
        if (i < 2) check(p, impl, b);
        b.accumulate = ALL_INPUTS;
        check(p, impl, b);
        b.accumulate = i ? ALL_INPUTS : 0;
        for (int types = 1; impl->mixes && types < 4; types++) {
            b.float_in = types & 1;
            b.float_out = types & 2;
            check(p, impl, b);
        }
    }
}

static void check_briefly(const Problem *p, const OpImpl *impl)
{
    OpRunOptions apart = with_layout(backward, 1);
    apart.accumulate = ALL_INPUTS;
    check(p, impl, forward);
    check(p, impl, backward);
    check(p, impl, apart);
}

static void check_implementation(const Problem *p, const OpImpl *impl)
{
    assert_false(impl->mixes && impl->dtype == DTYPE_F32);
    if (p->op->brief && device->kind != DEVICE_CPU) check_briefly(p, impl);
    else {
        check_layouts(p, impl);
        check_parts(p, impl);
        check_in_place(p, impl);
    }
    if (!sums_by_threads(p->node, impl)) check_orders(p, impl);
}

static void test_case(void **state)
{
    Problem p = {.op = *state};
    int checked = 0;
    if (emu_errors) emu_errors(); /* of the case before */
    problem_graph(&p);
    if (!p.node->op->on[device->kind] || !p.node->op->on[device->kind][0]) {
        problem_free(&p);
        skip();
    }
    assert_int_equal(p.node->op->macs ? p.node->op->macs(p.node) : 0, p.op->macs);
    problem_numbers(&p);
    for (const OpImpl *const *impl = p.node->op->on[device->kind]; *impl; impl++) {
        if ((*impl)->level > simd_level() || ((*impl)->supports && !(*impl)->supports(p.node))) continue;
        check_implementation(&p, *impl);
        checked++;
    }
    problem_free(&p);
    if (!checked) skip();
}

/* With an argument, only the cases whose names match it (*, ?). */
int main(int argc, char **argv)
{
    const char *name = getenv("SWIN_UMAMBA_TEST_DEVICE");
    Err e = {0};
    device = device_named(name ? name : "cpu", &e);
    if (!device) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    enum { MOST_CASES = 256 };
    struct CMUnitTest tests[MOST_CASES] = {{NULL, NULL, NULL, NULL, NULL}}; /* cmocka leaves out those without a name */
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    for (int i = 0; op_cases[i].name; i++) {
        if (i == MOST_CASES) return 1;
        tests[i] = (struct CMUnitTest){op_cases[i].name, test_case, NULL, NULL, (void *)&op_cases[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
