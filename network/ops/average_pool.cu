/* Average pooling on a GPU; average_pool.c has the equations. */
#include "network/cuda/pointwise.h"

extern "C" {
#include "network/ops/ops.h"
}

namespace
{
/* Where a window is: the first of its pixels in the input. */
struct Windows {
    int64_t in_h, in_w, out_h, out_w, size_y, size_x;
    __device__ int64_t first(int64_t pixel) const
    {
        const int64_t x = pixel % out_w, row = pixel / out_w;
        return (row / out_h * in_h + row % out_h * size_y) * in_w + x * size_x;
    }
    __device__ float share() const { return 1.0f / (float)(size_y * size_x); }
};

template <class T> struct Mean {
    Plane<T> y;
    Plane<const T> x;
    Windows w;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t first = w.first(pixel);
        Lanes<N> sum = {};
        for (int64_t u = 0; u < w.size_y; u++)
            for (int64_t v = 0; v < w.size_x; v++) {
                const Lanes<N> a = gpu_load<N>(x.at(first + u * w.in_w + v, c));
                for (int i = 0; i < N; i++) sum.of[i] += a.of[i];
            }
        for (int i = 0; i < N; i++) sum.of[i] *= w.share();
        gpu_store(y.at(pixel, c), sum);
    }
};

/* Of a pixel of the input: its window's part, 0 after the last whole window. */
template <class T> struct MeanGradient {
    Plane<T> dx;
    Plane<const T> g;
    Windows w;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t x = pixel % w.in_w / w.size_x, row = pixel / w.in_w, y = row % w.in_h / w.size_y;
        Lanes<N> d = {};
        if (x < w.out_w && y < w.out_h) d = gpu_load<N>(g.at((row / w.in_h * w.out_h + y) * w.out_w + x, c));
        for (int i = 0; i < N; i++) d.of[i] *= w.share();
        gpu_give(dx.at(pixel, c), d, add);
    }
};

Windows windows_of(const Node *node)
{
    const Shape in = node->in[0]->shape, out = node->out[0]->shape;
    const PairYX size = *(const PairYX *)node->attr;
    return {in.h, in.w, out.h, out.w, size.y, size.x};
}

template <class T> void forward(Node *node, const Step *)
{
    const Tensor *out = node->out[0];
    const GpuShape s = gpu_separate_pixels(node, out);
    gpu_each(s, Mean<T>{gpu_data<T>(out, s), gpu_data<const T>(node->in[0], s), windows_of(node)});
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *in = node->in[0];
    const GpuShape s = gpu_separate_pixels(node, in);
    gpu_each(s, MeanGradient<T>{gpu_grad<T>(in, s), gpu_grad<const T>(node->out[0], s), windows_of(node),
                                node->accumulate[0]});
}
} // namespace

GPU_IMPL(average_pool, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
