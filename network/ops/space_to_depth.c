/* Space to depth: (H, W, C) → (⌊H/f⌋, ⌊W/f⌋, f²C); rows and columns that do not fill a block are cropped. The pixels of
 * a block are in column order, as PatchMerging2D concatenates them: (0,0), (1,0), (0,1), (1,1) in (h,w) for f = 2 (Liu
 * et al. 2021, Swin Transformer; VMamba). */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"
#include "network/ops/pixel_blocks.h"

static PixelBlocks blocks_of(const Node *node)
{
    return (PixelBlocks){
        .coarse = node->out[0], .fine = node->in[0], .factor = *(const int64_t *)node->attr, .column_first = true};
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const PixelBlocks b = blocks_of(node);
    SIMD_NAME(pixel_blocks_to_coarse)(&b);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    PixelBlocks b = blocks_of(node);
    b.grad = true;
    b.accumulate = node->accumulate[0];
    SIMD_NAME(pixel_blocks_to_fine)(&b);
}

OP_IMPL(space_to_depth) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(space_to_depth);

static int shape(Node *node, Err *e)
{
    const int64_t f = *(const int64_t *)node->attr;
    const Shape s = node->in[0]->shape;
    if (f < 1 || s.h < f || s.w < f)
        return err_set(e, ERR_SHAPE,
                       "an image of %" PRId64 "x%" PRId64 " is smaller than a block of %" PRId64 "x%" PRId64, s.h, s.w,
                       f, f);
    node->out[0]->shape = (Shape){s.n, s.h / f, s.w / f, s.c * f * f};
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static const OpClass space_to_depth_class = {.name = "space_to_depth", .shape = shape, .on = OP_ON(space_to_depth)};

Ref op_space_to_depth(Graph *g, Ref x, int64_t factor)
{
    return graph_node(g, &space_to_depth_class, "space_to_depth", &factor, sizeof factor, &x, 1, NULL, 0);
}
#endif
