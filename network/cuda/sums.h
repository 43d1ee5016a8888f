/* Sums over pixels, per channel, in an order that depends on sizes only. A block does a strip of channels and a piece of the
 * pixels; the pieces' sums are rows of a table, which gpu_sum_rows adds. */
#ifndef NETWORK_CUDA_SUMS_H
#define NETWORK_CUDA_SUMS_H

#include "network/cuda/pointwise.h"

enum { GPU_STRIP_THREADS = 256, GPU_WARP = 32, GPU_GRID_Y = 65535 /* blocks, at most */ };

/* A block of GPU_STRIP_THREADS threads: `across` of them do N channels each, `along` times. */
template <int N> struct GpuStrip {
    static constexpr int across = N == 1 ? 32 : 8, along = GPU_STRIP_THREADS / across, channels = across * N;
    static __device__ __forceinline__ int row() { return (int)threadIdx.x / across; }
    static __device__ __forceinline__ int column() { return (int)threadIdx.x % across * N; } /* in the strip */
    static __device__ __forceinline__ int64_t channel() { return (int64_t)blockIdx.x * channels + column(); }
    static int64_t count(int64_t c) { return gpu_parts(c, channels); }
};

/* The sum over a strip's rows of v, in double, in order: of the channel of its strip that is the thread's number, if it is
 * one. values: N · GPU_STRIP_THREADS in shared memory; nobody may still read them. */
template <int N> static __device__ __forceinline__ double gpu_sum_strip(float *values, const Lanes<N> &v)
{
    typedef GpuStrip<N> Strip;
    double sum = 0;
    gpu_store(values + Strip::row() * Strip::channels + Strip::column(), v);
    __syncthreads();
    if (threadIdx.x < Strip::channels)
        for (int i = 0; i < Strip::along; i++) sum += (double)values[i * Strip::channels + threadIdx.x];
    __syncthreads();
    return sum;
}

template <class V> static __device__ __forceinline__ V gpu_sum_warp(V v)
{
    for (int bit = GPU_WARP / 2; bit; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
    return v;
}

/* sums[j] = Σ over `rows` rows of table[row · stride + j], in double, for j < count; for `batch` tables one behind the other,
 * whose sums are `sums_stride` apart. V: float or double. */
template <class V>
void gpu_sum_rows(V *sums, int64_t sums_stride, const V *table, int64_t rows, int64_t stride, int64_t count,
                  int64_t batch);

/* sums[c] = Σ over all pixels of a tensor's gradient: that of a bias. table: gpu_gradient_sums_bytes of scratch memory. */
size_t gpu_gradient_sums_bytes(Shape s);
void gpu_gradient_sums(float *sums, const Tensor *t, float *table);

#endif
