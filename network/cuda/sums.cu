#include "network/cuda/sums.h"

namespace
{
const int ROWS = GPU_STRIP_THREADS / GPU_WARP;

__global__ void __launch_bounds__(GPU_STRIP_THREADS)
    sum_rows(float *sums, int64_t sums_stride, const float *table, int64_t rows, int64_t stride, int64_t count)
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
    sums[(int64_t)blockIdx.y * sums_stride + j] = (float)sum;
}
} // namespace

void gpu_sum_rows(float *sums, int64_t sums_stride, const float *table, int64_t rows, int64_t stride, int64_t count,
                  int64_t batch)
{
    if (!sums) return;
    const dim3 grid((unsigned)((count + GPU_WARP - 1) / GPU_WARP), (unsigned)batch);
    LAUNCH(sum_rows, grid, GPU_STRIP_THREADS, 0, sums, sums_stride, table, rows, stride, count);
}
