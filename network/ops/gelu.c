/* GELU: y = x Φ(x), Φ the distribution function of the normal distribution (Hendrycks & Gimpel 2016; PyTorch's GELU).
 * Its derivative is Φ(x) + x Φ'(x). */
#include "network/ops/ops.h"
#include "network/ops/pointwise.h"

SIMD_INLINE vf value(vf x, float unused)
{
    (void)unused;
    return x * v_normal(x, NULL);
}

SIMD_INLINE vf slope(vf x, float unused)
{
    (void)unused;
    vf density;
    const vf normal = v_normal(x, &density);
    return normal + x * density;
}

POINTWISE(gelu);

#ifdef SIMD_BASE
OP_LIST(gelu);

static const OpClass gelu_class = {
    .name = "gelu",
    .shape = shape_of_inputs,
    .keeps_inputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = OP_ON(gelu),
};

Ref op_gelu(Graph *g, Ref x) { return graph_node(g, &gelu_class, "gelu", NULL, 0, &x, 1, NULL, 0); }
#endif
