/* GELU on a GPU; gelu.c has the equations. */
#include "network/cuda/pointwise.h"

namespace
{
struct Gelu {
    /* Φ, the distribution function of the normal distribution. */
    __device__ float normal(float x) const { return 0.5f * erfcf(-0.70710678f * x); }
    __device__ float value(float x) const { return x * normal(x); }
    __device__ float slope(float x) const { return normal(x) + x * 0.39894228f * gpu_exp(-0.5f * x * x); }
};

template <class T> void forward(Node *node, const Step *) { gpu_activate<T>(node, Gelu{}); }
template <class T> void backward(Node *node, const Step *) { gpu_activate_backward<T>(node, Gelu{}); }
} // namespace

GPU_IMPL(gelu, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
