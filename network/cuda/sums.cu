#include "network/cuda/sums.h"

namespace
{
const int ROWS = GPU_STRIP_THREADS / GPU_WARP;

template <class V>
__global__ void __launch_bounds__(GPU_STRIP_THREADS)
    sum_rows(V *sums, int64_t sums_stride, const V *table, int64_t rows, int64_t stride, int64_t count)
{
    SHARED(double, part, GPU_STRIP_THREADS);
    const int lane = (int)threadIdx.x % GPU_WARP, first = (int)threadIdx.x / GPU_WARP;
    const int64_t j = (int64_t)blockIdx.x * GPU_WARP + lane;
    double sum = 0;
    table += (int64_t)blockIdx.y * rows * stride;
    for (int64_t row = first; j < count && row < rows; row += ROWS) sum += (double)table[row * stride + j];
    part[threadIdx.x] = sum;
    __syncthreads();
    if (first || j >= count) return;
    for (int i = 1; i < ROWS; i++) sum += part[i * GPU_WARP + lane];
    sums[(int64_t)blockIdx.y * sums_stride + j] = (V)sum;
}
} // namespace

template <class V>
void gpu_sum_rows(V *sums, int64_t sums_stride, const V *table, int64_t rows, int64_t stride, int64_t count,
                  int64_t batch)
{
    if (!sums) return;
    const dim3 grid((unsigned)((count + GPU_WARP - 1) / GPU_WARP), (unsigned)batch);
    LAUNCH(sum_rows<V>, grid, GPU_STRIP_THREADS, 0, sums, sums_stride, table, rows, stride, count);
}

template void gpu_sum_rows(float *, int64_t, const float *, int64_t, int64_t, int64_t, int64_t);
template void gpu_sum_rows(double *, int64_t, const double *, int64_t, int64_t, int64_t, int64_t);
