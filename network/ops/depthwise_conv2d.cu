/* Depthwise 3×3 convolution on a GPU; depthwise_conv2d.c has the equations. A thread does neighbouring channels of ROWS
 * pixels below each other, so that each pixel is read 4.5 times, not 9. */
#include "network/cuda/sums.h"

namespace
{
const int TAPS = 9, ROWS = 4, PIECE = 256;

struct Size {
    int64_t h, w, channels;
};

/* Taps k of the weights of N channels from c on; turned: rotated by 180°. */
template <int N> __device__ Lanes<N> weights_of(const float *w, int64_t c, int k, bool turned)
{
    Lanes<N> v;
    for (int i = 0; i < N; i++) v.of[i] = w[(c + i) * TAPS + (turned ? TAPS - 1 - k : k)];
    return v;
}

/* Rows of work are (image, ROWS rows, column). b: NULL without a bias. */
template <class T> struct Convolve {
    Plane<T> y;
    Plane<const T> x;
    const float *w, *b;
    Size size;
    bool turned, add;

    /* Adds the taps of row `from` of the input to those of the rows y, first … that read it. */
    template <int N>
    __device__ __forceinline__ void add_row(Lanes<N> sum[ROWS], int64_t image, int64_t first, int offset,
                                            int64_t column, int64_t c) const
    {
        const int64_t from = first + offset;
        if (from < 0 || from >= size.h) return;
#pragma unroll
        for (int kx = 0; kx < 3; kx++) {
            const int64_t at = column + kx - 1;
            if (at < 0 || at >= size.w) continue;
            const Lanes<N> v = gpu_load<N>(x.at((image * size.h + from) * size.w + at, c));
#pragma unroll
            for (int ky = 0; ky < 3; ky++) {
                const int row = offset + 1 - ky; /* of the output, from `first` */
                if (row < 0 || row >= ROWS) continue;
                const Lanes<N> weights = weights_of<N>(w, c, ky * 3 + kx, turned);
                for (int i = 0; i < N; i++) sum[row].of[i] += weights.of[i] * v.of[i];
            }
        }
    }

    template <int N> __device__ void at(int64_t work, int64_t c) const
    {
        const int64_t groups = gpu_parts(size.h, ROWS), column = work % size.w;
        const int64_t image = work / size.w / groups, first = work / size.w % groups * ROWS;
        Lanes<N> sum[ROWS] = {};
        for (int row = 0; b && row < ROWS; row++) sum[row] = gpu_load<N>(b + c);
#pragma unroll
        for (int offset = -1; offset <= ROWS; offset++) add_row<N>(sum, image, first, offset, column, c);
#pragma unroll
        for (int row = 0; row < ROWS; row++)
            if (first + row < size.h)
                gpu_give(y.at((image * size.h + first + row) * size.w + column, c), sum[row], add);
    }
};

/* Of a piece of the pixels: dw as PyTorch has it, then db. A row of the table for each piece. */
template <int N, class T>
__global__ void __launch_bounds__(GPU_STRIP_THREADS)
    correlate(Plane<const T> x, Plane<const T> g, Size size, int64_t pixels, float *table)
{
    typedef GpuStrip<N> Strip;
    SHARED(float, values, N *GPU_STRIP_THREADS);
    const int64_t c = Strip::channel(), start = (int64_t)blockIdx.y * PIECE;
    const int64_t end = start + PIECE < pixels ? start + PIECE : pixels;
    Lanes<N> sums[TAPS + 1] = {};
    for (int64_t p = start + Strip::row(); c < size.channels && p < end; p += Strip::along) {
        const int64_t column = p % size.w, row = p / size.w % size.h;
        const Lanes<N> d = gpu_load<N>(g.at(p, c));
#pragma unroll
        for (int k = 0; k < TAPS; k++) {
            const int down = k / 3 - 1, right = k % 3 - 1;
            if (row + down < 0 || row + down >= size.h || column + right < 0 || column + right >= size.w) continue;
            const Lanes<N> v = gpu_load<N>(x.at(p + down * size.w + right, c));
            for (int i = 0; i < N; i++) sums[k].of[i] += d.of[i] * v.of[i];
        }
        for (int i = 0; i < N; i++) sums[TAPS].of[i] += d.of[i];
    }
    const int64_t mine = (int64_t)blockIdx.x * Strip::channels + threadIdx.x;
    table += blockIdx.y * (TAPS + 1) * size.channels;
#pragma unroll
    for (int k = 0; k <= TAPS; k++) {
        const double sum = gpu_sum_strip(values, sums[k]);
        if (threadIdx.x >= Strip::channels || mine >= size.channels) continue;
        table[k < TAPS ? mine * TAPS + k : TAPS * size.channels + mine] = (float)sum;
    }
}

int64_t pieces_of(const Shape &s) { return gpu_parts(shape_pixels(s), PIECE); }

int prepare(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    if (pieces_of(s) > GPU_GRID_Y)
        return err_set(e, ERR_UNSUPPORTED, "more than %d pixels: give a smaller batch or patch", GPU_GRID_Y * PIECE);
    if (node->trains_params) node->scratch_bytes[1] = (size_t)(pieces_of(s) * (TAPS + 1) * s.c) * sizeof(float);
    return 0;
}

/* The work of a convolution. */
GpuShape work_of(const Node *node)
{
    const Shape s = node->in[0]->shape;
    GpuShape work = gpu_separate_pixels(node, node->in[0]);
    work.rows = s.n * gpu_parts(s.h, ROWS) * s.w;
    return work;
}

Size size_of(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return {s.h, s.w, s.c};
}

template <class T> void forward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    gpu_each(work_of(node), Convolve<T>{{(T *)out->data, out->pitch},
                                        {(const T *)in->data, in->pitch},
                                        node->param[0],
                                        node->param[1],
                                        size_of(node),
                                        false,
                                        false});
}

template <class T> void give_params(const Node *node)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const Shape s = in->shape;
    const Plane<const T> x = {(const T *)in->data, in->pitch}, g = {(const T *)out->grad, out->pitch};
    const int64_t pieces = pieces_of(s), row = (TAPS + 1) * s.c;
    float *table = (float *)node->scratch;
    if (gpu_separate_pixels(node, in).aligned)
        LAUNCH((correlate<GPU_LANES, T>), dim3((unsigned)GpuStrip<GPU_LANES>::count(s.c), (unsigned)pieces),
               GPU_STRIP_THREADS, 0, x, g, size_of(node), shape_pixels(s), table);
    else
        LAUNCH((correlate<1, T>), dim3((unsigned)GpuStrip<1>::count(s.c), (unsigned)pieces), GPU_STRIP_THREADS, 0, x, g,
               size_of(node), shape_pixels(s), table);
    gpu_sum_rows(node->param_grad[0], 0, table, pieces, row, TAPS * s.c, 1);
    gpu_sum_rows(node->param_grad[1], 0, table + TAPS * s.c, pieces, row, s.c, 1);
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    if (node->trains_params) give_params<T>(node);
    if (!node->wants_grad[0]) return;
    gpu_each(work_of(node), Convolve<T>{{(T *)in->grad, in->pitch},
                                        {(const T *)out->grad, out->pitch},
                                        node->param[0],
                                        NULL,
                                        size_of(node),
                                        true,
                                        node->accumulate[0]});
}
} // namespace

GPU_IMPL(depthwise_conv2d, .strided_in = 1, .strided_out = 1, .prepare = prepare, .forward = forward<T>,
         .backward = backward<T>)
