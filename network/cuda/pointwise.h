/* Kernels that compute each element on its own, from tensors of one shape with any pitch.
 *
 *   GpuShape s = gpu_rows(pixels, channels);
 *   gpu_narrow(&s, t->data, t->pitch);  …    for each tensor that is accessed; parameters are aligned anyway, their gradients are not
 *   gpu_each(s, functor);
 * A functor has a function `template <int N> void at(int64_t row, int64_t column) const`: it does N neighbouring columns of
 * a row (channels of a pixel), from `column` on. N is 8 where all of it allows vectors of 16 bytes, else 1. If a functor
 * needs no pixels, gpu_merge makes one long row of dense tensors, which saves divisions. */
#ifndef NETWORK_CUDA_POINTWISE_H
#define NETWORK_CUDA_POINTWISE_H

#include "network/cuda/gpu.h"

enum { GPU_POINTWISE_THREADS = 256 };

template <int N, class F>
__global__ void __launch_bounds__(GPU_POINTWISE_THREADS) gpu_pointwise(F f, int64_t groups, int64_t groups_of_row)
{
    const int64_t i = (int64_t)blockIdx.x * GPU_POINTWISE_THREADS + threadIdx.x;
    if (i >= groups) return;
    if (groups == groups_of_row) f.template at<N>(0, i * N);
    else f.template at<N>((uint32_t)i / (uint32_t)groups_of_row, (uint32_t)i % (uint32_t)groups_of_row * N);
}

struct GpuShape {
    int64_t rows, columns;
    bool dense, aligned;
};

static inline GpuShape gpu_rows(int64_t rows, int64_t columns)
{
    return {rows, columns, true, columns % GPU_LANES == 0};
}

static inline void gpu_narrow(GpuShape *s, const void *start, int64_t pitch)
{
    s->dense = s->dense && pitch == s->columns;
    s->aligned = s->aligned && pitch % GPU_LANES == 0 && (uintptr_t)start % 16 == 0;
}

/* Makes `rows` long rows of dense tensors (a divisor of the number of rows). */
static inline GpuShape gpu_merge(GpuShape s, int64_t rows)
{
    if (s.dense) s = {rows, s.rows / rows * s.columns, true, s.aligned};
    return s;
}

/* Several rows must have less than 2^32 groups of N columns: in vectors that is 64 GB of bfloat16. */
template <int N, class F> static inline void gpu_each_of(const GpuShape &s, const F &f)
{
    const int64_t groups = s.rows * (s.columns / N);
    const int64_t blocks = gpu_parts(groups, GPU_POINTWISE_THREADS);
    LAUNCH((gpu_pointwise<N, F>), (unsigned)blocks, GPU_POINTWISE_THREADS, 0, f, groups, s.columns / N);
}

template <class F> static inline void gpu_each(const GpuShape &s, const F &f)
{
    if (s.aligned) gpu_each_of<GPU_LANES>(s, f);
    else gpu_each_of<1>(s, f);
}

/* A tensor's data or gradient, as a functor accesses it. */
template <class T> struct Plane {
    T *data;
    int64_t pitch;
    __device__ __forceinline__ T *at(int64_t row, int64_t column) const { return data + row * pitch + column; }
};

/* … in rows of the shape: where they are merged, they are the pitch, too. */
template <class T> static inline Plane<T> gpu_plane(void *data, const Tensor *t, const GpuShape &s)
{
    return {(T *)data, s.dense ? s.columns : t->pitch};
}
template <class T> static inline Plane<T> gpu_data(const Tensor *t, const GpuShape &s)
{
    return gpu_plane<T>(t->data, t, s);
}
template <class T> static inline Plane<T> gpu_grad(const Tensor *t, const GpuShape &s)
{
    return gpu_plane<T>(t->grad, t, s);
}

/* The pixels of a tensor; inputs and first output of the node are accessed. */
static inline GpuShape gpu_pixels_of(const Node *node, const Tensor *of)
{
    GpuShape s = gpu_rows(shape_pixels(of->shape), of->shape.c);
    for (int i = -1; i < node->input_count; i++) {
        const Tensor *t = i < 0 ? node->out[0] : node->in[i];
        gpu_narrow(&s, t->data, t->pitch);
        gpu_narrow(&s, t->grad, t->pitch);
    }
    return s;
}

/* Inputs and first output have one shape. */
static inline GpuShape gpu_pixels_of_node(const Node *node) { return gpu_pixels_of(node, node->out[0]); }
static inline GpuShape gpu_shape_of_node(const Node *node) { return gpu_merge(gpu_pixels_of_node(node), 1); }

/* The pixels of a tensor, for functors that need each pixel's place. Inputs and outputs of the node may have other shapes. */
static inline GpuShape gpu_separate_pixels(const Node *node, const Tensor *of)
{
    GpuShape s = gpu_pixels_of(node, of);
    s.dense = false;
    return s;
}

/* ---- copies ---- */

template <class To, class From> struct GpuMove {
    Plane<To> to;
    Plane<const From> from;
    bool add;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        gpu_give(to.at(row, column), gpu_load<N>(from.at(row, column)), add);
    }
};

/* Copies (add: adds) rows of `columns` elements, also from one type to the other. Does nothing if to == from. */
template <class To, class From>
static inline void gpu_move(To *to, int64_t to_pitch, const From *from, int64_t from_pitch, int64_t rows,
                            int64_t columns, bool add)
{
    if ((const void *)to == (const void *)from) return;
    GpuShape s = gpu_rows(rows, columns);
    gpu_narrow(&s, to, to_pitch);
    gpu_narrow(&s, from, from_pitch);
    s = gpu_merge(s, 1);
    gpu_each(s, GpuMove<To, From>{{to, s.dense ? s.columns : to_pitch}, {from, s.dense ? s.columns : from_pitch}, add});
}

template <class T> struct GpuClear {
    Plane<T> to;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        gpu_store(to.at(row, column), Lanes<N>{});
    }
};

template <class T> static inline void gpu_clear(T *to, int64_t pitch, int64_t rows, int64_t columns)
{
    GpuShape s = gpu_rows(rows, columns);
    gpu_narrow(&s, to, pitch);
    s = gpu_merge(s, 1);
    gpu_each(s, GpuClear<T>{{to, s.dense ? s.columns : pitch}});
}

/* ---- activations: y = rule.value(x); the derivative is rule.slope of x, or of y if the class keeps outputs ---- */

template <class T, class Rule> struct GpuActivation {
    Plane<T> y;
    Plane<const T> x;
    Rule rule;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        Lanes<N> v = gpu_load<N>(x.at(row, column));
        for (int i = 0; i < N; i++) v.of[i] = rule.value(v.of[i]);
        gpu_store(y.at(row, column), v);
    }
};

template <class T, class Rule> struct GpuActivationGradient {
    Plane<T> dx;
    Plane<const T> g, kept;
    Rule rule;
    bool add;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        Lanes<N> d = gpu_load<N>(g.at(row, column));
        const Lanes<N> k = gpu_load<N>(kept.at(row, column));
        for (int i = 0; i < N; i++) d.of[i] *= rule.slope(k.of[i]);
        gpu_give(dx.at(row, column), d, add);
    }
};

template <class T, class Rule> static inline void gpu_activate(Node *node, const Rule &rule)
{
    const GpuShape s = gpu_shape_of_node(node);
    gpu_each(s, GpuActivation<T, Rule>{gpu_data<T>(node->out[0], s), gpu_data<const T>(node->in[0], s), rule});
}

template <class T, class Rule> static inline void gpu_activate_backward(Node *node, const Rule &rule)
{
    const GpuShape s = gpu_shape_of_node(node);
    const Tensor *kept = node->op->keeps_outputs ? node->out[0] : node->in[0];
    const GpuActivationGradient<T, Rule> f = {gpu_grad<T>(node->in[0], s), gpu_grad<const T>(node->out[0], s),
                                              gpu_data<const T>(kept, s), rule, node->accumulate[0]};
    gpu_each(s, f);
}

#endif
