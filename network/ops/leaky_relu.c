/* Leaky ReLU: y = x for x > 0, else slope · x (PyTorch's LeakyReLU; slope 0 is ReLU). y > 0 if and only
 * if x > 0, so backward reads only the output: dx = g for y > 0, else slope · g. */
#include "network/ops/fusions.h"
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const float slope = (float)*(const double *)node->attr;
    const ElementRuns runs = runs_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const Elem *x = (const Elem *)in->data + run_start(&runs, in, r);
        Elem *y = (Elem *)out->data + run_start(&runs, out, r);
        const int64_t n = run_length(&runs, r);
        for (int64_t i = 0; i < n; i += SIMD_LANES) {
            const int lanes = lanes_left(n - i);
            const vf a = v_get(x + i, lanes);
            v_put(y + i, v_select(a > 0.0f, a, slope * a), lanes);
        }
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const float slope = (float)*(const double *)node->attr;
    const ElementRuns runs = runs_of_node(node);
    const bool accumulate = node->accumulate[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const Elem *y = (const Elem *)out->data + run_start(&runs, out, r);
        const Elem *g = (const Elem *)out->grad + run_start(&runs, out, r);
        Elem *dx = (Elem *)in->grad + run_start(&runs, in, r);
        const int64_t n = run_length(&runs, r);
        for (int64_t i = 0; i < n; i += SIMD_LANES) {
            const int lanes = lanes_left(n - i);
            const vf a = v_get(g + i, lanes);
            const vf d = v_select(v_get(y + i, lanes) > 0.0f, a, slope * a);
            v_put(dx + i, accumulate ? d + v_get(dx + i, lanes) : d, lanes);
        }
    }
}

OP_IMPL(leaky_relu) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(leaky_relu);

static int shape(Node *node, Err *e)
{
    const double slope = *(const double *)node->attr;
    if (!(slope >= 0)) return err_set(e, ERR_VALUE, "slope %g: expected 0 or more", slope);
    return shape_of_inputs(node, e);
}

const OpClass leaky_relu_class = {
    .name = "leaky_relu",
    .shape = shape,
    .keeps_outputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = {leaky_relu_list},
};

Ref op_leaky_relu(Graph *g, Ref x, double slope)
{
    return graph_node(g, &leaky_relu_class, "leaky_relu", &slope, sizeof slope, &x, 1, NULL, 0);
}
#endif
