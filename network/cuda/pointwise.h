/* Kernels that compute each element on its own, from tensors of one shape with any pitch.
 *
 * A functor has a function `template <int N> void at(int64_t pixel, int c) const`: it does N neighbouring channels of a
 * pixel, from c on. gpu_each launches it for all. N is 8 where all channels, pitches and addresses allow vectors of 16
 * bytes, else 1. Dense tensors are seen as one pixel with all elements. */
#ifndef NETWORK_CUDA_POINTWISE_H
#define NETWORK_CUDA_POINTWISE_H

#include "network/cuda/gpu.h"

/* A tensor's data or gradient, as a functor accesses it. */
template <class T> struct Plane {
    T *data;
    int64_t pitch;
    __device__ __forceinline__ T *at(int64_t pixel, int64_t c) const { return data + pixel * pitch + c; }
};

template <class T> static inline Plane<T> gpu_data(const Tensor *t) { return {(T *)t->data, t->pitch}; }
template <class T> static inline Plane<T> gpu_grad(const Tensor *t) { return {(T *)t->grad, t->pitch}; }

enum { GPU_POINTWISE_THREADS = 256 };

template <int N, class F>
__global__ void __launch_bounds__(GPU_POINTWISE_THREADS) gpu_pointwise(F f, int64_t groups, int64_t groups_of_pixel)
{
    const int64_t i = (int64_t)blockIdx.x * GPU_POINTWISE_THREADS + threadIdx.x;
    if (i >= groups) return;
    if (groups == groups_of_pixel) f.template at<N>(0, i * N);
    else f.template at<N>((uint32_t)i / (uint32_t)groups_of_pixel, (uint32_t)i % (uint32_t)groups_of_pixel * N);
}

/* The tensors of a launch, as far as the choice of N depends on them. */
struct GpuShape {
    int64_t pixels, channels;
    bool dense, aligned;
};

static inline GpuShape gpu_shape_of(Tensor *const *tensors, int count)
{
    const Shape s = tensors[0]->shape;
    GpuShape g = {shape_pixels(s), s.c, true, true};
    for (int i = 0; i < count; i++) {
        const Tensor *t = tensors[i];
        g.dense = g.dense && t->pitch == s.c;
        g.aligned = g.aligned && t->pitch % GPU_LANES == 0 && ((uintptr_t)t->data | (uintptr_t)t->grad) % 16 == 0;
    }
    g.aligned = g.aligned && s.c % GPU_LANES == 0;
    return g;
}

/* groups of N channels; those of tensors with gaps must be less than 2^32, which memory of 64 GB in bfloat16 allows. */
template <int N, class F> static inline void gpu_each_of(const GpuShape &g, const F &f)
{
    const int64_t groups = g.pixels * g.channels / N;
    const int64_t blocks = (groups + GPU_POINTWISE_THREADS - 1) / GPU_POINTWISE_THREADS;
    LAUNCH((gpu_pointwise<N, F>), (unsigned)blocks, GPU_POINTWISE_THREADS, 0, f, groups,
           g.dense ? groups : g.channels / N);
}

template <class F> static inline void gpu_each(const GpuShape &g, const F &f)
{
    if (g.aligned) gpu_each_of<GPU_LANES>(g, f);
    else gpu_each_of<1>(g, f);
}

/* The inputs and the first output of a node. */
static inline GpuShape gpu_shape_of_node(const Node *node)
{
    Tensor *tensors[NODE_INPUTS + 1] = {node->out[0]};
    for (int i = 0; i < node->input_count; i++) tensors[i + 1] = node->in[i];
    return gpu_shape_of(tensors, node->input_count + 1);
}

/* An activation y = Rule::value(x), whose derivative is Rule::slope of x, or of y (of_output). Rule: a struct of the
 * activation's arguments. */
template <class T, class Rule> struct GpuActivation {
    Plane<T> y;
    Plane<const T> x;
    Rule rule;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        Lanes<N> v = gpu_load<N>(x.at(pixel, c));
        for (int i = 0; i < N; i++) v.of[i] = rule.value(v.of[i]);
        gpu_store(y.at(pixel, c), v);
    }
};

template <class T, class Rule> struct GpuActivationGradient {
    Plane<T> dx;
    Plane<const T> g, kept; /* kept: x, or y */
    Rule rule;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        Lanes<N> d = gpu_load<N>(g.at(pixel, c));
        const Lanes<N> k = gpu_load<N>(kept.at(pixel, c));
        for (int i = 0; i < N; i++) d.of[i] *= rule.slope(k.of[i]);
        gpu_give(dx.at(pixel, c), d, add);
    }
};

template <class T, class Rule> static inline void gpu_activate(Node *node, const Rule &rule)
{
    gpu_each(gpu_shape_of_node(node),
             GpuActivation<T, Rule>{gpu_data<T>(node->out[0]), gpu_data<const T>(node->in[0]), rule});
}

template <class T, class Rule>
static inline void gpu_activate_backward(Node *node, const Rule &rule, const Tensor *kept)
{
    const GpuActivationGradient<T, Rule> f = {gpu_grad<T>(node->in[0]), gpu_grad<const T>(node->out[0]),
                                              gpu_data<const T>(kept), rule, node->accumulate[0]};
    gpu_each(gpu_shape_of_node(node), f);
}

#endif
