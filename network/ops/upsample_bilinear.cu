/* Bilinear upsampling to twice the size on a GPU; upsample_bilinear.c has the equations. */
#include "network/cuda/pointwise.h"

namespace
{
/* The other row (column) that row r of the output reads, beside r / 2. */
__device__ int64_t other_source(int64_t r, int64_t length)
{
    const int64_t other = r / 2 + (r % 2 ? 1 : -1);
    return other < 0 ? 0 : other >= length ? length - 1 : other;
}

/* The weight of row `source` in row `at` of the output; 0 outside of it. */
__device__ float weight_of(int64_t at, int64_t source, int64_t length)
{
    if (at < 0 || at >= 2 * length) return 0;
    return (at / 2 == source ? 0.75f : 0.0f) + (other_source(at, length) == source ? 0.25f : 0.0f);
}

template <int N, class T> __device__ Lanes<N> mix(const T *near, const T *far)
{
    Lanes<N> a = gpu_load<N>(near);
    const Lanes<N> b = gpu_load<N>(far);
    for (int i = 0; i < N; i++) a.of[i] = a.of[i] * 0.75f + b.of[i] * 0.25f;
    return a;
}

template <class T> struct Upsample {
    Plane<T> y;
    Plane<const T> x;
    int64_t h, w; /* of x */
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t column = pixel % (2 * w), row = pixel / (2 * w), r = row % (2 * h), first = row / (2 * h) * h;
        const int64_t near = (first + r / 2) * w, far = (first + other_source(r, h)) * w;
        const int64_t left = column / 2, right = other_source(column, w);
        Lanes<N> a = mix<N>(x.at(near + left, c), x.at(near + right, c));
        const Lanes<N> b = mix<N>(x.at(far + left, c), x.at(far + right, c));
        for (int i = 0; i < N; i++) a.of[i] = a.of[i] * 0.75f + b.of[i] * 0.25f;
        gpu_store(y.at(pixel, c), a);
    }
};

/* A pixel of the input is read by up to 4 × 4 of the output. */
template <class T> struct UpsampleGradient {
    Plane<T> dx;
    Plane<const T> g;
    int64_t h, w;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t x = pixel % w, row = pixel / w, y = row % h, first = row / h * 2 * h;
        Lanes<N> sum = {};
        for (int64_t r = 2 * y - 1; r <= 2 * y + 2; r++)
            for (int64_t q = 2 * x - 1; q <= 2 * x + 2; q++) {
                const float weight = weight_of(r, y, h) * weight_of(q, x, w);
                if (weight == 0) continue;
                const Lanes<N> v = gpu_load<N>(g.at((first + r) * 2 * w + q, c));
                for (int i = 0; i < N; i++) sum.of[i] += v.of[i] * weight;
            }
        gpu_give(dx.at(pixel, c), sum, add);
    }
};

template <class T> void forward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, out);
    gpu_each(s, Upsample<T>{gpu_data<T>(out, s), gpu_data<const T>(in, s), in->shape.h, in->shape.w});
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, in);
    gpu_each(s, UpsampleGradient<T>{gpu_grad<T>(in, s), gpu_grad<const T>(out, s), in->shape.h, in->shape.w,
                                    node->accumulate[0]});
}
} // namespace

GPU_IMPL(upsample_bilinear, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
