/* Leaky ReLU on a GPU; leaky_relu.c has the equations. */
#include "network/cuda/pointwise.h"

namespace
{
struct LeakyRelu {
    float below; /* the slope for x <= 0 */
    __device__ float value(float x) const { return x > 0 ? x : below * x; }
    __device__ float slope(float y) const { return y > 0 ? 1 : below; }
};

LeakyRelu rule_of(const Node *node) { return {(float)*(const double *)node->attr}; }
template <class T> void forward(Node *node, const Step *) { gpu_activate<T>(node, rule_of(node)); }
template <class T> void backward(Node *node, const Step *) { gpu_activate_backward<T>(node, rule_of(node)); }
} // namespace

GPU_IMPL(leaky_relu, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
