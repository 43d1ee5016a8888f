/* The gate y · silu(z) on a GPU; silu_gate.c has the equations. */
#include "network/cuda/pointwise.h"

namespace
{
template <class T> struct Gate {
    Plane<T> out;
    Plane<const T> y, z;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        Lanes<N> v = gpu_load<N>(y.at(row, column));
        const Lanes<N> by = gpu_load<N>(z.at(row, column));
        for (int i = 0; i < N; i++) v.of[i] *= by.of[i] * gpu_sigmoid(by.of[i]);
        gpu_store(out.at(row, column), v);
    }
};

/* dy or dz may share memory with g: everything is read before anything is written. */
template <class T> struct GateGradient {
    Plane<const T> y, z, g;
    Plane<T> dy, dz; /* data: NULL where no gradient is wanted */
    bool add_dy, add_dz;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        const Lanes<N> a = gpu_load<N>(y.at(row, column)), b = gpu_load<N>(z.at(row, column));
        Lanes<N> da = gpu_load<N>(g.at(row, column)), db;
        for (int i = 0; i < N; i++) {
            const float s = gpu_sigmoid(b.of[i]);
            db.of[i] = da.of[i] * a.of[i] * s * (1 + b.of[i] * (1 - s));
            da.of[i] *= b.of[i] * s;
        }
        if (dy.data) gpu_give(dy.at(row, column), da, add_dy);
        if (dz.data) gpu_give(dz.at(row, column), db, add_dz);
    }
};

template <class T> void forward(Node *node, const Step *)
{
    const GpuShape s = gpu_shape_of_node(node);
    gpu_each(
        s, Gate<T>{gpu_data<T>(node->out[0], s), gpu_data<const T>(node->in[0], s), gpu_data<const T>(node->in[1], s)});
}

template <class T> void backward(Node *node, const Step *)
{
    const GpuShape s = gpu_shape_of_node(node);
    const Tensor *y = node->in[0], *z = node->in[1];
    const GateGradient<T> f = {.y = gpu_data<const T>(y, s),
                               .z = gpu_data<const T>(z, s),
                               .g = gpu_grad<const T>(node->out[0], s),
                               .dy = gpu_plane<T>(node->wants_grad[0] ? y->grad : NULL, y, s),
                               .dz = gpu_plane<T>(node->wants_grad[1] ? z->grad : NULL, z, s),
                               .add_dy = node->accumulate[0],
                               .add_dz = node->accumulate[1]};
    gpu_each(s, f);
}
} // namespace

GPU_IMPL(silu_gate, .strided_in = 3, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
