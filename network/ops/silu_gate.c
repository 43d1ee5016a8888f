/* Gate: out = y · silu(z), silu(z) = z σ(z) (SS2D's last step; Gu & Dao 2023, Mamba).
 * Backward: dy = g silu(z), dz = g y σ(z) (1 + z (1 - σ(z))). */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

/* Addresses for one run; gradients that are not requested are NULL. */
typedef struct GateRun {
    const Elem *y, *z, *g;
    Elem *out, *dy, *dz;
    bool add_dy, add_dz;
} GateRun;

SIMD_INLINE void forward_lanes(const GateRun *r, int64_t i, int count)
{
    const vf z = v_get(r->z + i, count);
    v_put(r->out + i, v_get(r->y + i, count) * z * v_sigmoid(z), count);
}

/* Reads everything before it writes: dy or dz may share memory with g. */
SIMD_INLINE void backward_lanes(const GateRun *r, int64_t i, int count)
{
    const vf y = v_get(r->y + i, count), z = v_get(r->z + i, count);
    const vf g = v_get(r->g + i, count), s = v_sigmoid(z);
    if (r->dy) v_put(r->dy + i, g * z * s + (r->add_dy ? v_get(r->dy + i, count) : v_set1(0)), count);
    if (r->dz) {
        const vf d = g * y * s * (1.0f + z * (1.0f - s));
        v_put(r->dz + i, d + (r->add_dz ? v_get(r->dz + i, count) : v_set1(0)), count);
    }
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *y = node->in[0], *z = node->in[1], *out = node->out[0];
    const ElementRuns runs = runs_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const int64_t n = run_length(&runs, r);
        const GateRun run = {.y = (const Elem *)y->data + run_start(&runs, y, r),
                             .z = (const Elem *)z->data + run_start(&runs, z, r),
                             .out = (Elem *)out->data + run_start(&runs, out, r)};
        int64_t i = 0;
        for (; i + SIMD_LANES <= n; i += SIMD_LANES) forward_lanes(&run, i, SIMD_LANES);
        if (i < n) forward_lanes(&run, i, (int)(n - i));
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *y = node->in[0], *z = node->in[1], *out = node->out[0];
    const ElementRuns runs = runs_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < runs.count; r++) {
        const int64_t n = run_length(&runs, r), at_y = run_start(&runs, y, r), at_z = run_start(&runs, z, r);
        const GateRun run = {.y = (const Elem *)y->data + at_y,
                             .z = (const Elem *)z->data + at_z,
                             .g = (const Elem *)out->grad + run_start(&runs, out, r),
                             .dy = node->wants_grad[0] ? (Elem *)y->grad + at_y : NULL,
                             .dz = node->wants_grad[1] ? (Elem *)z->grad + at_z : NULL,
                             .add_dy = node->accumulate[0],
                             .add_dz = node->accumulate[1]};
        int64_t i = 0;
        for (; i + SIMD_LANES <= n; i += SIMD_LANES) backward_lanes(&run, i, SIMD_LANES);
        if (i < n) backward_lanes(&run, i, (int)(n - i));
    }
}

OP_IMPL(silu_gate) = {SIMD_HEAD, .strided_in = 3, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(silu_gate);

static const OpClass silu_gate_class = {
    .name = "silu_gate",
    .shape = shape_of_inputs,
    .keeps_inputs = 3,
    .may_overwrite = 3,
    .may_overwrite_grad = 3,
    .on = OP_ON(silu_gate),
};

Ref op_silu_gate(Graph *g, Ref y, Ref z)
{
    const Ref inputs[] = {y, z};
    return graph_node(g, &silu_gate_class, "silu_gate", NULL, 0, inputs, 2, NULL, 0);
}
#endif
