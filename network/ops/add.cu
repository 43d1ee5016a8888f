/* Residual sum with stochastic depth on a GPU; add.c has the equations. The samples' factors are arguments of the kernels:
 * at most SAMPLES of them in a launch. */
#include "network/cuda/pointwise.h"

extern "C" {
#include "network/ops/drop_path.h"
}

namespace
{
const int64_t SAMPLES = 512;

struct NoScales {
    __device__ float of(int64_t) const { return 1; }
};

struct Scales {
    float value[SAMPLES];
    int64_t rows_of_sample;
    __device__ float of(int64_t row) const { return value[row / rows_of_sample]; }
};

/* A factor of 0 takes no part: 0 · b would be NaN for NaN or infinity in b. */
template <class T, class S> struct AddScaled {
    Plane<T> sum;
    Plane<const T> a, b;
    S scales;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        const float scale = scales.of(row);
        Lanes<N> v = gpu_load<N>(a.at(row, column));
        if (scale != 0) {
            const Lanes<N> w = gpu_load<N>(b.at(row, column));
            for (int i = 0; i < N; i++) v.of[i] += scale * w.of[i];
        }
        gpu_store(sum.at(row, column), v);
    }
};

/* da or db may share memory with g, which is read first. */
template <class T, class S> struct AddGradient {
    Plane<const T> g;
    Plane<T> da, db; /* data: NULL where nothing is to be written */
    bool add_da, add_db;
    S scales;
    template <int N> __device__ void at(int64_t row, int64_t column) const
    {
        Lanes<N> v = gpu_load<N>(g.at(row, column));
        if (da.data) gpu_give(da.at(row, column), v, add_da);
        const float scale = scales.of(row);
        for (int i = 0; i < N; i++) v.of[i] *= scale;
        if (db.data) gpu_give(db.at(row, column), v, add_db);
    }
};

/* Samples first … of a tensor. */
template <class T> Plane<T> from_sample(const Plane<T> &p, const GpuShape &s, int64_t samples, int64_t first)
{
    return {p.data ? p.data + s.rows / samples * first * p.pitch : NULL, p.pitch};
}

template <class T, class S> void forward_of(const Node *node, const GpuShape &s, const S &scales, int64_t first)
{
    const int64_t n = node->out[0]->shape.n, count = n - first < SAMPLES ? n - first : SAMPLES;
    const auto part = [&](const auto &p) { return from_sample(p, s, n, first); };
    const AddScaled<T, S> f = {part(gpu_data<T>(node->out[0], s)), part(gpu_data<const T>(node->in[0], s)),
                               part(gpu_data<const T>(node->in[1], s)), scales};
    gpu_each(GpuShape{s.rows / n * count, s.columns, s.dense, s.aligned}, f);
}

/* Of a gradient that is already in its place nothing needs to be written. */
template <class T> Plane<T> wanted(const Node *node, int i, const GpuShape &s, bool unchanged)
{
    const Tensor *t = node->in[i];
    const bool there = unchanged && t->grad == node->out[0]->grad;
    return gpu_plane<T>(node->wants_grad[i] && !there ? t->grad : NULL, t, s);
}

template <class T, class S> void backward_of(const Node *node, const GpuShape &s, const S &scales, int64_t first)
{
    const int64_t n = node->out[0]->shape.n, count = n - first < SAMPLES ? n - first : SAMPLES;
    const auto part = [&](const auto &p) { return from_sample(p, s, n, first); };
    const AddGradient<T, S> f = {.g = part(gpu_grad<const T>(node->out[0], s)),
                                 .da = part(wanted<T>(node, 0, s, true)),
                                 .db = part(wanted<T>(node, 1, s, drop_path_is_off(node))),
                                 .add_da = node->accumulate[0],
                                 .add_db = node->accumulate[1],
                                 .scales = scales};
    if (f.da.data || f.db.data) gpu_each(GpuShape{s.rows / n * count, s.columns, s.dense, s.aligned}, f);
}

Scales scales_of(const Node *node, const Step *step, const GpuShape &s, int64_t first)
{
    const int64_t n = node->out[0]->shape.n;
    Scales scales = {{0}, s.rows / n};
    for (int64_t i = 0; i < SAMPLES && first + i < n; i++) scales.value[i] = drop_path_scale(node, step, first + i);
    return scales;
}

template <class T> void forward(Node *node, const Step *step)
{
    const int64_t n = node->out[0]->shape.n;
    const GpuShape s = gpu_merge(gpu_pixels_of_node(node), n);
    for (int64_t i = 0; i < n; i += SAMPLES) {
        if (drop_path_is_off(node)) forward_of<T>(node, s, NoScales{}, i);
        else forward_of<T>(node, s, scales_of(node, step, s, i), i);
    }
}

template <class T> void backward(Node *node, const Step *step)
{
    const int64_t n = node->out[0]->shape.n;
    const GpuShape s = gpu_merge(gpu_pixels_of_node(node), n);
    for (int64_t i = 0; i < n; i += SAMPLES) {
        if (drop_path_is_off(node)) backward_of<T>(node, s, NoScales{}, i);
        else backward_of<T>(node, s, scales_of(node, step, s, i), i);
    }
}
} // namespace

GPU_IMPL(add, .strided_in = 3, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
