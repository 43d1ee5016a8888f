/* Copies between a coarse image and a fine image: space_to_depth.cu and depth_to_space.cu (network/ops/pixel_blocks.h is
 * the CPU's). The channels of a coarse pixel hold a block of factor × factor pixels of the fine image. */
#ifndef NETWORK_CUDA_PIXEL_BLOCKS_H
#define NETWORK_CUDA_PIXEL_BLOCKS_H

#include "network/cuda/pointwise.h"

struct GpuBlocks {
    int64_t factor, coarse_h, coarse_w, fine_h, fine_w, channels; /* channels: of a fine pixel */
    bool column_first;                                            /* order of a block's pixels in the channels */
    /* Whether a fine pixel is in a whole block; then the coarse pixel, and the first of its channels. */
    __device__ bool find(int64_t fine, int64_t *pixel, int64_t *first) const
    {
        const int64_t x = fine % fine_w, row = fine / fine_w, y = row % fine_h, n = row / fine_h;
        const int64_t down = y % factor, along = x % factor;
        *pixel = (n * coarse_h + y / factor) * coarse_w + x / factor;
        *first = (column_first ? along * factor + down : down * factor + along) * channels;
        return y < coarse_h * factor && x < coarse_w * factor;
    }
};

template <class T> struct GpuToCoarse {
    Plane<T> coarse;
    Plane<const T> fine;
    GpuBlocks b;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        int64_t to, first;
        if (b.find(pixel, &to, &first)) gpu_give(coarse.at(to, first + c), gpu_load<N>(fine.at(pixel, c)), add);
    }
};

/* Fine pixels after the last whole block become 0, or stay. */
template <class T> struct GpuToFine {
    Plane<T> fine;
    Plane<const T> coarse;
    GpuBlocks b;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        int64_t from, first;
        Lanes<N> v = {};
        if (b.find(pixel, &from, &first)) v = gpu_load<N>(coarse.at(from, first + c));
        gpu_give(fine.at(pixel, c), v, add);
    }
};

static inline GpuBlocks gpu_blocks_of(const Node *node, const Tensor *coarse, const Tensor *fine, bool column_first)
{
    return {*(const int64_t *)node->attr,
            coarse->shape.h,
            coarse->shape.w,
            fine->shape.h,
            fine->shape.w,
            fine->shape.c,
            column_first};
}

#endif
