/* Leaky ReLU: y = x for x > 0, else slope · x (PyTorch's LeakyReLU; slope 0 is ReLU). The sign of y tells
 * that of x, so backward needs the output alone: dx = g for y > 0, else slope · g. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const float slope = (float)*(const double *)node->attr;
    const Runs runs = runs_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const float *x = (const float *)in->data + run_start(&runs, in, r);
        float *y = (float *)out->data + run_start(&runs, out, r);
        const int64_t n = run_length(&runs, r);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : slope * x[i];
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const float slope = (float)*(const double *)node->attr;
    const Runs runs = runs_of_node(node);
    const bool accumulate = node->accumulate[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const float *y = (const float *)out->data + run_start(&runs, out, r);
        const float *g = (const float *)out->grad + run_start(&runs, out, r);
        float *dx = (float *)in->grad + run_start(&runs, in, r);
        const int64_t n = run_length(&runs, r);
        if (accumulate) {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) dx[i] += y[i] > 0 ? g[i] : slope * g[i];
        } else {
#pragma omp simd
            for (int64_t i = 0; i < n; i++) dx[i] = y[i] > 0 ? g[i] : slope * g[i];
        }
    }
}

OP_IMPL(leaky_relu) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward,
                       .backward = backward};

#ifdef SIMD_BASE
OP_LIST(leaky_relu);

static int shape(Node *node, Err *e)
{
    const double slope = *(const double *)node->attr;
    if (!(slope >= 0))
        return err_set(e, ERR_VALUE, "slope %g: expected 0 or more (the output's sign is used)", slope);
    return shape_of_inputs(node, e);
}

static const OpClass leaky_relu_class = {
    .name = "leaky_relu",
    .shape = shape,
    .keeps_outputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = {leaky_relu_list},
};

Ref leaky_relu(Graph *g, Ref x, double slope)
{
    return graph_node(g, &leaky_relu_class, "leaky_relu", &slope, sizeof slope, &x, 1, NULL, 0);
}
#endif
