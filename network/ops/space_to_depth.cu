/* Space to depth on a GPU; space_to_depth.c has the order of the channels. */
#include "network/cuda/pixel_blocks.h"

namespace
{
template <class T> void forward(Node *node, const Step *)
{
    const Tensor *fine = node->in[0], *coarse = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, fine);
    gpu_each(s, GpuToCoarse<T>{gpu_data<T>(coarse, s), gpu_data<const T>(fine, s),
                               gpu_blocks_of(node, coarse, fine, true), false});
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *fine = node->in[0], *coarse = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, fine);
    gpu_each(s, GpuToFine<T>{gpu_grad<T>(fine, s), gpu_grad<const T>(coarse, s),
                             gpu_blocks_of(node, coarse, fine, true), node->accumulate[0]});
}
} // namespace

GPU_IMPL(space_to_depth, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
