/* SiLU: y = x σ(x) (Elfwing et al. 2018; PyTorch's SiLU). Its derivative is σ(x) (1 + x (1 - σ(x))). */
#include "network/ops/ops.h"
#include "network/ops/pointwise.h"

SIMD_INLINE vf value(vf x, float unused)
{
    (void)unused;
    return x * v_sigmoid(x);
}

SIMD_INLINE vf slope(vf x, float unused)
{
    (void)unused;
    const vf s = v_sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

POINTWISE(silu);

#ifdef SIMD_BASE
OP_LIST(silu);

static const OpClass silu_class = {
    .name = "silu",
    .shape = shape_of_inputs,
    .keeps_inputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = OP_ON(silu),
};

Ref op_silu(Graph *g, Ref x) { return graph_node(g, &silu_class, "silu", NULL, 0, &x, 1, NULL, 0); }
#endif
