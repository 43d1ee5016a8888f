/* Depth to space: (H, W, f²C) → (fH, fW, C), channels in the order (p1 p2 c), p1 along the height: the
 * rearrangement of PatchExpand and FinalPatchExpand_X4 (Cao et al. 2021, Swin-Unet). */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"
#include "network/ops/pixel_blocks.h"

static PixelBlocks blocks_of(const Node *node)
{
    return (PixelBlocks){.coarse = node->in[0], .fine = node->out[0], .factor = *(const int64_t *)node->attr};
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const PixelBlocks b = blocks_of(node);
    SIMD_NAME(pixel_blocks_to_fine)(&b);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    PixelBlocks b = blocks_of(node);
    b.grad = true;
    b.accumulate = node->accumulate[0];
    SIMD_NAME(pixel_blocks_to_coarse)(&b);
}

OP_IMPL(depth_to_space) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(depth_to_space);

static int shape(Node *node, Err *e)
{
    const int64_t f = *(const int64_t *)node->attr;
    const Shape s = node->in[0]->shape;
    if (f < 1 || s.c % (f * f))
        return err_set(e, ERR_SHAPE, "%" PRId64 " channels: expected a multiple of %" PRId64 "²", s.c, f);
    node->out[0]->shape = (Shape){s.n, s.h * f, s.w * f, s.c / (f * f)};
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static const OpClass depth_to_space_class = {.name = "depth_to_space", .shape = shape, .on = OP_ON(depth_to_space)};

Ref op_depth_to_space(Graph *g, Ref x, int64_t factor)
{
    return graph_node(g, &depth_to_space_class, "depth_to_space", &factor, sizeof factor, &x, 1, NULL, 0);
}
#endif
