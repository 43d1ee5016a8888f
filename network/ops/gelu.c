/* GELU: y = x Φ(x), Φ the distribution function of the normal distribution (Hendrycks & Gimpel 2016; PyTorch's GELU).
 * Backward: dx = g (Φ(x) + x Φ'(x)). */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

SIMD_INLINE void forward_lanes(Elem *y, const Elem *x, int count)
{
    const vf v = v_get(x, count);
    v_put(y, v * v_normal(v, NULL), count);
}

SIMD_INLINE void backward_lanes(Elem *dx, const Elem *g, const Elem *x, bool accumulate, int count)
{
    vf density;
    const vf v = v_get(x, count), normal = v_normal(v, &density);
    vf d = v_get(g, count) * (normal + v * density);
    if (accumulate) d += v_get(dx, count);
    v_put(dx, d, count);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const ElementRuns runs = runs_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const Elem *x = (const Elem *)in->data + run_start(&runs, in, r);
        Elem *y = (Elem *)out->data + run_start(&runs, out, r);
        const int64_t n = run_length(&runs, r);
        int64_t i = 0;
        for (; i + SIMD_LANES <= n; i += SIMD_LANES) forward_lanes(y + i, x + i, SIMD_LANES);
        if (i < n) forward_lanes(y + i, x + i, (int)(n - i));
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const ElementRuns runs = runs_of_node(node);
    const bool accumulate = node->accumulate[0];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const Elem *x = (const Elem *)in->data + run_start(&runs, in, r);
        const Elem *g = (const Elem *)out->grad + run_start(&runs, out, r);
        Elem *dx = (Elem *)in->grad + run_start(&runs, in, r);
        const int64_t n = run_length(&runs, r);
        int64_t i = 0;
        for (; i + SIMD_LANES <= n; i += SIMD_LANES) backward_lanes(dx + i, g + i, x + i, accumulate, SIMD_LANES);
        if (i < n) backward_lanes(dx + i, g + i, x + i, accumulate, (int)(n - i));
    }
}

OP_IMPL(gelu) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(gelu);

static const OpClass gelu_class = {
    .name = "gelu",
    .shape = shape_of_inputs,
    .keeps_inputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = {gelu_list},
};

Ref op_gelu(Graph *g, Ref x) { return graph_node(g, &gelu_class, "gelu", NULL, 0, &x, 1, NULL, 0); }
#endif
