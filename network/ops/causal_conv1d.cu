/* Causal depthwise convolution on a GPU; causal_conv1d.c has the equations. A thread does neighbouring channels of RUN
 * pixels that follow each other. */
#include "network/cuda/sums.h"

namespace
{
const int TAPS = 4, RUN = 4, PIECE = 256;

/* Rows of work are (image, RUN pixels). Backward (ahead) reads the pixels after, forward those before. b: NULL: none. */
template <class T> struct Convolve {
    Plane<T> y;
    Plane<const T> x;
    const float *w, *b;
    int64_t length;
    bool ahead, add;
    template <int N> __device__ void at(int64_t work, int64_t c) const
    {
        const int64_t runs = gpu_parts(length, RUN), image = work / runs * length, first = work % runs * RUN;
        const int64_t from = ahead ? first : first - (TAPS - 1);
        Lanes<N> v[RUN + TAPS - 1] = {};
#pragma unroll
        for (int i = 0; i < RUN + TAPS - 1; i++)
            if (from + i >= 0 && from + i < length) v[i] = gpu_load<N>(x.at(image + from + i, c));
#pragma unroll
        for (int t = 0; t < RUN; t++) {
            if (first + t >= length) break;
            Lanes<N> sum = {};
            if (b) sum = gpu_load<N>(b + c);
#pragma unroll
            for (int j = 0; j < TAPS; j++)
                for (int i = 0; i < N; i++)
                    sum.of[i] += w[(c + i) * TAPS + (ahead ? TAPS - 1 - j : j)] * v[t + j].of[i];
            gpu_give(y.at(image + first + t, c), sum, add);
        }
    }
};

/* Of a piece of the pixels: dw as PyTorch has it, then db. A row of the table for each piece. */
template <int N, class T>
__global__ void __launch_bounds__(GPU_STRIP_THREADS)
    correlate(Plane<const T> x, Plane<const T> g, int64_t channels, int64_t length, int64_t pixels, float *table)
{
    typedef GpuStrip<N> Strip;
    SHARED(float, values, N *GPU_STRIP_THREADS);
    const int64_t c = Strip::channel(), start = (int64_t)blockIdx.y * PIECE;
    const int64_t end = start + PIECE < pixels ? start + PIECE : pixels;
    Lanes<N> sums[TAPS + 1] = {};
    for (int64_t p = start + Strip::row(); c < channels && p < end; p += Strip::along) {
        const Lanes<N> d = gpu_load<N>(g.at(p, c));
#pragma unroll
        for (int j = 0; j < TAPS; j++) {
            if (p % length < TAPS - 1 - j) continue;
            const Lanes<N> v = gpu_load<N>(x.at(p - (TAPS - 1 - j), c));
            for (int i = 0; i < N; i++) sums[j].of[i] += d.of[i] * v.of[i];
        }
        for (int i = 0; i < N; i++) sums[TAPS].of[i] += d.of[i];
    }
    const int64_t mine = (int64_t)blockIdx.x * Strip::channels + threadIdx.x;
    table += blockIdx.y * (TAPS + 1) * channels;
#pragma unroll
    for (int k = 0; k <= TAPS; k++) {
        const double sum = gpu_sum_strip(values, sums[k]);
        if (threadIdx.x >= Strip::channels || mine >= channels) continue;
        table[k < TAPS ? mine * TAPS + k : TAPS * channels + mine] = (float)sum;
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

GpuShape work_of(const Node *node)
{
    const Shape s = node->in[0]->shape;
    GpuShape work = gpu_separate_pixels(node, node->in[0]);
    work.rows = s.n * gpu_parts(s.h * s.w, RUN);
    return work;
}

template <class T> void forward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    gpu_each(work_of(node), Convolve<T>{{(T *)out->data, out->pitch},
                                        {(const T *)in->data, in->pitch},
                                        node->param[0],
                                        node->param[1],
                                        in->shape.h * in->shape.w,
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
               GPU_STRIP_THREADS, 0, x, g, s.c, s.h * s.w, shape_pixels(s), table);
    else
        LAUNCH((correlate<1, T>), dim3((unsigned)GpuStrip<1>::count(s.c), (unsigned)pieces), GPU_STRIP_THREADS, 0, x, g,
               s.c, s.h * s.w, shape_pixels(s), table);
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
                                        in->shape.h * in->shape.w,
                                        true,
                                        node->accumulate[0]});
}
} // namespace

GPU_IMPL(causal_conv1d, .strided_in = 1, .strided_out = 1, .prepare = prepare, .forward = forward<T>,
         .backward = backward<T>)
