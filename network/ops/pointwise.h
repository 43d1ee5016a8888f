/* Activations: ops y = f(x) of each element alone. The loops over the elements are here; the op's file has its two
 * formulas and its class:
 *
 *   SIMD_INLINE vf value(vf x, float parameter) { … }    f
 *   SIMD_INLINE vf slope(vf kept, float parameter) { … } its derivative, from what backward keeps: x, or y if the class
 *                                                        has keeps_outputs
 *   POINTWISE(silu);
 * parameter: the op's attribute, a double; 0 if it has none. Only for files that are compiled for each SIMD level. */
#ifndef NETWORK_OPS_POINTWISE_H
#define NETWORK_OPS_POINTWISE_H

#include "network/ops/kernel.h"

typedef vf PointwiseFormula(vf a, float parameter);

/* A dense run of elements: forward writes y from x; backward writes, or adds to, dx from g and `kept`. */
typedef struct PointwiseRun {
    const Elem *x, *kept, *g;
    Elem *y, *dx;
    int64_t count;
    float parameter;
    bool accumulate;
} PointwiseRun;

SIMD_INLINE void pointwise_value(const PointwiseRun *r, int64_t i, int lanes, PointwiseFormula *value)
{
    v_put(r->y + i, value(v_get(r->x + i, lanes), r->parameter), lanes);
}

SIMD_INLINE void pointwise_slope(const PointwiseRun *r, int64_t i, int lanes, PointwiseFormula *slope)
{
    vf d = v_get(r->g + i, lanes) * slope(v_get(r->kept + i, lanes), r->parameter);
    if (r->accumulate) d += v_get(r->dx + i, lanes);
    v_put(r->dx + i, d, lanes);
}

SIMD_INLINE void pointwise_run(const PointwiseRun *r, PointwiseFormula *formula,
                               void (*lanes)(const PointwiseRun *, int64_t, int, PointwiseFormula *))
{
    int64_t i = 0;
    for (; i + SIMD_LANES <= r->count; i += SIMD_LANES) lanes(r, i, SIMD_LANES, formula);
    if (i < r->count) lanes(r, i, (int)(r->count - i), formula);
}

/* All runs of a node. `run` is called once for each, so that the compiler inlines the formula in its loop. */
static inline void pointwise_runs(const Node *node, void (*run)(const PointwiseRun *))
{
    const Tensor *in = node->in[0], *out = node->out[0], *kept = node->op->keeps_outputs ? out : in;
    const float parameter = node->attr ? (float)*(const double *)node->attr : 0;
    const ElementRuns runs = runs_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < runs.count; k++) {
        const int64_t at_in = run_start(&runs, in, k), at_out = run_start(&runs, out, k);
        const PointwiseRun r = {.x = (const Elem *)in->data + at_in,
                                .kept = (const Elem *)kept->data + run_start(&runs, kept, k),
                                .g = out->grad ? (const Elem *)out->grad + at_out : NULL,
                                .y = (Elem *)out->data + at_out,
                                .dx = in->grad ? (Elem *)in->grad + at_in : NULL,
                                .count = run_length(&runs, k),
                                .parameter = parameter,
                                .accumulate = node->accumulate[0]};
        run(&r);
    }
}

/* Defines the op's implementation from `value` and `slope`. */
#define POINTWISE(OP)                                                                                      \
    static void run_forward(const PointwiseRun *r) { pointwise_run(r, value, pointwise_value); }           \
    static void run_backward(const PointwiseRun *r) { pointwise_run(r, slope, pointwise_slope); }          \
    static void forward(Node *node, const Step *step) { (void)step, pointwise_runs(node, run_forward); }   \
    static void backward(Node *node, const Step *step) { (void)step, pointwise_runs(node, run_backward); } \
    OP_IMPL(OP) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward}

#endif
