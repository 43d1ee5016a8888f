/* SiLU on a GPU; silu.c has the equations. */
#include "network/cuda/pointwise.h"

namespace
{
struct Silu {
    __device__ float value(float x) const { return x * gpu_sigmoid(x); }
    __device__ float slope(float x) const
    {
        const float s = gpu_sigmoid(x);
        return s * (1 + x * (1 - s));
    }
};

template <class T> void forward(Node *node, const Step *) { gpu_activate<T>(node, Silu{}); }
template <class T> void backward(Node *node, const Step *) { gpu_activate_backward<T>(node, Silu{}); }
} // namespace

GPU_IMPL(silu, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
