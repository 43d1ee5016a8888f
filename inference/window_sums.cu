/* The sliding window's sums on a GPU (window_sums.h), as on the CPU (window_sums.c). */
#include "network/cuda/pointwise.h"

extern "C" {
#include "inference/window_sums.h"
}

namespace
{
struct Gather {
    float *to;
    const float *logits;
    int64_t height, width, classes;
    int mirroring;
    bool first;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t y = pixel / width, x = pixel % width;
        const int64_t from = (mirroring & 1 ? height - 1 - y : y) * width + (mirroring & 2 ? width - 1 - x : x);
        gpu_give(to + pixel * classes + c, gpu_load<N>(logits + from * classes + c), !first);
    }
};

template <int N> __device__ Lanes<N> rounded(Lanes<N> v, bool half)
{
    for (int i = 0; half && i < N; i++) v.of[i] = gpu_half_rounded(v.of[i]);
    return v;
}

/* The place in the rings of a tile's pixel. */
struct Place {
    int64_t height, width, ring_width, y, x;
    __device__ int64_t of(int64_t pixel) const { return (y + pixel / width) % height * ring_width + x + pixel % width; }
};

struct AddLogits {
    float *sums;
    const float *logits, *importance;
    Place place;
    int64_t classes;
    float share;
    bool half;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        float *const to = sums + place.of(pixel) * classes + c;
        const Lanes<N> z = gpu_load<N>(logits + pixel * classes + c);
        Lanes<N> sum = gpu_load<N>(to);
        for (int i = 0; i < N; i++) sum.of[i] += z.of[i] / share * importance[pixel];
        gpu_store(to, rounded(sum, half));
    }
};

struct AddWeights {
    float *weights;
    const float *importance;
    Place place;
    bool half;
    template <int N> __device__ void at(int64_t pixel, int64_t) const
    {
        float *const to = weights + place.of(pixel);
        gpu_store(to, rounded(Lanes<1>{{*to + importance[pixel]}}, half));
    }
};

struct Divide {
    float *sums;
    const float *weights;
    int64_t classes;
    bool half;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        Lanes<N> v = gpu_load<N>(sums + pixel * classes + c);
        for (int i = 0; i < N; i++) v.of[i] /= weights[pixel];
        gpu_store(sums + pixel * classes + c, rounded(v, half));
    }
};

struct AddFold {
    float *sum;
    const float *logits;
    float divisor;
    bool first;
    template <int N> __device__ void at(int64_t, int64_t i) const
    {
        Lanes<N> v = gpu_load<N>(logits + i), old = {};
        if (!first) old = gpu_load<N>(sum + i);
        for (int k = 0; k < N; k++) v.of[k] = (old.of[k] + v.of[k]) / divisor;
        gpu_store(sum + i, v);
    }
};

/* Rows of `columns` dense values at both addresses. */
GpuShape rows_at(const void *a, const void *b, int64_t rows, int64_t columns)
{
    GpuShape s = gpu_rows(rows, columns);
    gpu_narrow(&s, a, columns);
    gpu_narrow(&s, b, columns);
    return s;
}

void gather(const WindowSums *s, const float *logits, int mirroring, bool first)
{
    gpu_each(rows_at(s->mirrored, logits, s->height * s->width, s->classes),
             Gather{s->mirrored, logits, s->height, s->width, s->classes, mirroring, first});
}

void add(const WindowSums *s, const float *logits, int64_t y, int64_t x)
{
    const int64_t pixels = s->height * s->width;
    const Place place = {s->height, s->width, s->ring_width, y, x};
    gpu_each(rows_at(s->sums, logits, pixels, s->classes),
             AddLogits{s->sums, logits, s->importance, place, s->classes, (float)s->mirrorings, s->half});
    gpu_each(gpu_rows(pixels, 1), AddWeights{s->weights, s->importance, place, s->half});
}

void divide(const WindowSums *s, int64_t first, int64_t count)
{
    float *const sums = s->sums + first * s->ring_width * s->classes;
    gpu_each(rows_at(sums, sums, count * s->ring_width, s->classes),
             Divide{sums, s->weights + first * s->ring_width, s->classes, s->half});
}

void add_fold(float *sum, const float *logits, int64_t count, bool first, int divisor)
{
    gpu_each(rows_at(sum, logits, 1, count), AddFold{sum, logits, (float)divisor, first});
}

void keep_fold(float *all, const float *logits, int64_t pixels, int heads, int fold, int folds)
{
    gpu_move(all + fold * heads, (int64_t)folds * heads, logits, heads, pixels, heads, false);
}
} // namespace

extern "C" {
extern const WindowKernels window_kernels_cuda;
const WindowKernels window_kernels_cuda = {gather, add, divide, add_fold, keep_fold};
}
