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

/* Pixels that a block sums, of `pixels`: so that the blocks are a grid. */
int64_t piece_of(int64_t pixels)
{
    const int64_t least = 512;
    return least * gpu_parts(pixels, least * GPU_GRID_Y);
}

int64_t pieces_of(int64_t pixels) { return gpu_parts(pixels, piece_of(pixels)); }

/* A row of the table for each piece. */
template <int N, class T>
__global__ void __launch_bounds__(GPU_STRIP_THREADS)
    sum_pieces(Plane<const T> g, int64_t pixels, int64_t piece, int64_t channels, float *table)
{
    typedef GpuStrip<N> Strip;
    SHARED(float, values, N *GPU_STRIP_THREADS);
    const int64_t c = Strip::channel(), start = (int64_t)blockIdx.y * piece;
    const int64_t end = start + piece < pixels ? start + piece : pixels;
    Lanes<N> sum = {};
    for (int64_t i = start + Strip::row(); c < channels && i < end; i += Strip::along) {
        const Lanes<N> v = gpu_load<N>(g.at(i, c));
        for (int k = 0; k < N; k++) sum.of[k] += v.of[k];
    }
    const double total = gpu_sum_strip(values, sum);
    const int64_t mine = (int64_t)blockIdx.x * Strip::channels + threadIdx.x;
    if (threadIdx.x < Strip::channels && mine < channels) table[blockIdx.y * channels + mine] = (float)total;
}

template <int N, class T> void launch_pieces(const Tensor *t, float *table)
{
    const int64_t pixels = shape_pixels(t->shape), c = t->shape.c;
    const Plane<const T> g = {(const T *)t->grad, t->pitch};
    LAUNCH((sum_pieces<N, T>), dim3((unsigned)GpuStrip<N>::count(c), (unsigned)pieces_of(pixels)), GPU_STRIP_THREADS, 0,
           g, pixels, piece_of(pixels), c, table);
}

template <class T> void sum_pieces_of(const Tensor *t, float *table)
{
    GpuShape s = gpu_rows(shape_pixels(t->shape), t->shape.c);
    gpu_narrow(&s, t->grad, t->pitch);
    if (s.aligned) launch_pieces<GPU_LANES, T>(t, table);
    else launch_pieces<1, T>(t, table);
}
} // namespace

template <class V>
void gpu_sum_rows(V *sums, int64_t sums_stride, const V *table, int64_t rows, int64_t stride, int64_t count,
                  int64_t batch)
{
    if (!sums) return;
    const dim3 grid((unsigned)gpu_parts(count, GPU_WARP), (unsigned)batch);
    LAUNCH(sum_rows<V>, grid, GPU_STRIP_THREADS, 0, sums, sums_stride, table, rows, stride, count);
}

template void gpu_sum_rows(float *, int64_t, const float *, int64_t, int64_t, int64_t, int64_t);
template void gpu_sum_rows(double *, int64_t, const double *, int64_t, int64_t, int64_t, int64_t);

size_t gpu_gradient_sums_bytes(Shape s) { return (size_t)(pieces_of(shape_pixels(s)) * s.c) * sizeof(float); }

void gpu_gradient_sums(float *sums, const Tensor *t, float *table)
{
    if (t->dtype == DTYPE_BF16) sum_pieces_of<bf16>(t, table);
    else sum_pieces_of<float>(t, table);
    gpu_sum_rows(sums, 0, table, pieces_of(shape_pixels(t->shape)), t->shape.c, t->shape.c, 1);
}
