/* Leaky ReLU: y = x for x > 0, else factor · x (PyTorch's LeakyReLU; factor 0 is ReLU). y > 0 if and only if x > 0, so
 * backward reads only the output. */
#include "network/ops/fusions.h"
#include "network/ops/ops.h"
#include "network/ops/pointwise.h"

SIMD_INLINE vf value(vf x, float factor) { return v_select(x > 0.0f, x, factor * x); }
SIMD_INLINE vf slope(vf y, float factor) { return v_select(y > 0.0f, v_set1(1), v_set1(factor)); }

POINTWISE(leaky_relu);

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
    .on = OP_ON(leaky_relu),
};

Ref op_leaky_relu(Graph *g, Ref x, double slope)
{
    return graph_node(g, &leaky_relu_class, "leaky_relu", &slope, sizeof slope, &x, 1, NULL, 0);
}
#endif
