/* Depth to space on a GPU; depth_to_space.c has the order of the channels. */
#include "network/cuda/pixel_blocks.h"

namespace
{
template <class T> void forward(Node *node, const Step *)
{
    const Tensor *coarse = node->in[0], *fine = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, fine);
    gpu_each(s, GpuToFine<T>{gpu_data<T>(fine, s), gpu_data<const T>(coarse, s),
                             gpu_blocks_of(node, coarse, fine, false), false});
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *coarse = node->in[0], *fine = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, fine);
    gpu_each(s, GpuToCoarse<T>{gpu_grad<T>(coarse, s), gpu_grad<const T>(fine, s),
                               gpu_blocks_of(node, coarse, fine, false), node->accumulate[0]});
}
} // namespace

GPU_IMPL(depth_to_space, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
