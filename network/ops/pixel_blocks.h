/* Copies between a coarse image and a fine image, the common part of space_to_depth and depth_to_space. The channels of
 * a coarse pixel hold a block of factor × factor pixels of the fine image. Compiled once for each SIMD level. */
#ifndef NETWORK_OPS_PIXEL_BLOCKS_H
#define NETWORK_OPS_PIXEL_BLOCKS_H

#include "network/graph/op.h"

typedef struct PixelBlocks {
    const Tensor *coarse, *fine; /* coarse.c = factor² fine.c; fine may be up to factor - 1 pixels larger */
    int64_t factor;
    bool column_first; /* order of a block's pixels in the channels: column by column, else row by row */
    bool grad;         /* copies the gradients, else the data */
    bool accumulate;   /* adds to the destination */
} PixelBlocks;

void SIMD_NAME(pixel_blocks_to_coarse)(const PixelBlocks *b);

/* Pixels of the fine image after the last whole block become 0 (with accumulate: unchanged). */
void SIMD_NAME(pixel_blocks_to_fine)(const PixelBlocks *b);

#endif
