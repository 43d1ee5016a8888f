/* Moving numbers between a coarse image, whose pixels hold factor × factor blocks in their channels, and
 * the fine image that the blocks tile: the common part of space_to_depth and depth_to_space, once for each
 * SIMD level. */
#ifndef NETWORK_OPS_PIXEL_BLOCKS_H
#define NETWORK_OPS_PIXEL_BLOCKS_H

#include "network/graph/op.h"

typedef struct PixelBlocks {
    const Tensor *coarse, *fine; /* coarse.c = factor² fine.c; fine may be up to factor - 1 pixels larger */
    int64_t factor;
    bool column_first; /* order of the blocks in the channels: down a column, else along a row */
    bool grad;         /* moves the gradients, else the data */
    bool accumulate;   /* adds to what is there */
} PixelBlocks;

void SIMD_NAME(pixel_blocks_to_coarse)(const PixelBlocks *b);

/* Pixels of the fine image beyond the last whole block get 0 (accumulating: nothing). */
void SIMD_NAME(pixel_blocks_to_fine)(const PixelBlocks *b);

#endif
