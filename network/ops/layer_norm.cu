/* Layer norm on a GPU; layer_norm.c has the equations. A warp does a pixel; its row is read again from the cache. */
#include "network/cuda/sums.h"

namespace
{
const int WARPS = 4, PIECES = 512, SHARED_BYTES = 48 << 10;

struct PixelMoments {
    float mean, rstd;
};

/* The pixels of an input, and its output. */
template <class T> struct Rows {
    Plane<const T> x, g;
    Plane<T> y, dx; /* dx.data: NULL if it is not wanted */
    PixelMoments *moments;
    const float *w, *b; /* NULL: without */
    int64_t pixels, channels;
    bool add;
};

template <int N> __device__ int64_t first_column() { return (int64_t)(threadIdx.x % GPU_WARP) * N; }

/* The mean is computed from differences to the first channel: so values far from 0 lose no digits in the sum. Only lane 0
 * reads that channel, since it may be overwritten later (y may be in x's place). */
template <int N, class T> __device__ PixelMoments moments_of(const T *x, int64_t channels)
{
    const float mine = threadIdx.x % GPU_WARP ? 0 : gpu_get(x), share = 1 / (float)channels;
    const float start = __shfl_sync(0xffffffffu, mine, 0);
    float sum = 0, square = 0;
    for (int64_t c = first_column<N>(); c < channels; c += GPU_WARP * N) {
        const Lanes<N> v = gpu_load<N>(x + c);
        for (int i = 0; i < N; i++) sum += v.of[i] - start;
    }
    const float mean = start + gpu_sum_warp(sum) * share;
    for (int64_t c = first_column<N>(); c < channels; c += GPU_WARP * N) {
        const Lanes<N> v = gpu_load<N>(x + c);
        for (int i = 0; i < N; i++) square += (v.of[i] - mean) * (v.of[i] - mean);
    }
    return {mean, 1 / sqrtf(gpu_sum_warp(square) * share + 1e-5f)};
}

template <int N, class T> __global__ void __launch_bounds__(WARPS *GPU_WARP) normalise(Rows<T> r)
{
    const int64_t p = (int64_t)blockIdx.x * WARPS + threadIdx.x / GPU_WARP;
    if (p >= r.pixels) return;
    const PixelMoments m = moments_of<N>(r.x.at(p, 0), r.channels);
    if (r.moments && threadIdx.x % GPU_WARP == 0) r.moments[p] = m;
    for (int64_t c = first_column<N>(); c < r.channels; c += GPU_WARP * N) {
        Lanes<N> v = gpu_load<N>(r.x.at(p, c));
        for (int i = 0; i < N; i++) v.of[i] = (v.of[i] - m.mean) * m.rstd;
        if (r.w) {
            const Lanes<N> w = gpu_load<N>(r.w + c), b = gpu_load<N>(r.b + c);
            for (int i = 0; i < N; i++) v.of[i] = v.of[i] * w.of[i] + b.of[i];
        }
        gpu_store(r.y.at(p, c), v);
    }
}

/* x̂ and d = g w of some channels of a pixel. */
template <int N> struct Normal {
    Lanes<N> x, g, d;
};

template <int N, class T> __device__ Normal<N> normal_of(const Rows<T> &r, int64_t p, int64_t c, PixelMoments m)
{
    Normal<N> n = {gpu_load<N>(r.x.at(p, c)), gpu_load<N>(r.g.at(p, c)), {}};
    n.d = n.g;
    for (int i = 0; i < N; i++) n.x.of[i] = (n.x.of[i] - m.mean) * m.rstd;
    if (r.w) {
        const Lanes<N> w = gpu_load<N>(r.w + c);
        for (int i = 0; i < N; i++) n.d.of[i] *= w.of[i];
    }
    return n;
}

template <int N, class T> __device__ void give_pixel(const Rows<T> &r, int64_t p, PixelMoments m)
{
    float sum = 0, product = 0;
    for (int64_t c = first_column<N>(); c < r.channels; c += GPU_WARP * N) {
        const Normal<N> n = normal_of<N>(r, p, c, m);
        for (int i = 0; i < N; i++) {
            sum += n.d.of[i];
            product += n.d.of[i] * n.x.of[i];
        }
    }
    const float mean_d = gpu_sum_warp(sum) / (float)r.channels, mean_dx = gpu_sum_warp(product) / (float)r.channels;
    for (int64_t c = first_column<N>(); c < r.channels; c += GPU_WARP * N) {
        Normal<N> n = normal_of<N>(r, p, c, m);
        for (int i = 0; i < N; i++) n.d.of[i] = (n.d.of[i] - mean_d - n.x.of[i] * mean_dx) * m.rstd;
        gpu_give(r.dx.at(p, c), n.d, r.add);
    }
}

/* Adds g x̂ and g of a pixel to the warp's sums: `channels` values each. */
template <int N, class T> __device__ void sum_pixel(const Rows<T> &r, int64_t p, PixelMoments m, float *sums)
{
    for (int64_t c = first_column<N>(); c < r.channels; c += GPU_WARP * N) {
        const Normal<N> n = normal_of<N>(r, p, c, m);
        Lanes<N> w = gpu_load<N>(sums + c), b = gpu_load<N>(sums + r.channels + c);
        for (int i = 0; i < N; i++) {
            w.of[i] += n.g.of[i] * n.x.of[i];
            b.of[i] += n.g.of[i];
        }
        gpu_store(sums + c, w);
        gpu_store(sums + r.channels + c, b);
    }
}

/* A block does a piece of the pixels; its warps' sums are added in order. table: a row of dw and db for each piece; NULL:
 * they are not wanted. The sums are before the pixel's dx, which may replace g. */
template <int N, class T> __global__ void give(Rows<T> r, int64_t piece, float *table)
{
    SHARED_DYNAMIC(float, sums);
    const int warp = (int)threadIdx.x / GPU_WARP, warps = (int)blockDim.x / GPU_WARP;
    const int64_t columns = 2 * r.channels, start = blockIdx.x * piece;
    const int64_t end = start + piece < r.pixels ? start + piece : r.pixels;
    for (int64_t j = threadIdx.x; table && j < warps * columns; j += blockDim.x) sums[j] = 0;
    __syncthreads();
    for (int64_t p = start + warp; p < end; p += warps) {
        const PixelMoments m = r.moments[p];
        if (table) sum_pixel<N>(r, p, m, sums + warp * columns);
        if (r.dx.data) give_pixel<N>(r, p, m);
    }
    __syncthreads();
    for (int64_t j = threadIdx.x; table && j < columns; j += blockDim.x) {
        float sum = 0;
        for (int i = 0; i < warps; i++) sum += sums[i * columns + j];
        table[blockIdx.x * columns + j] = sum;
    }
}

/* As many warps as the sums leave room for. */
int warps_of(int64_t channels)
{
    int warps = WARPS;
    while (warps > 1 && warps * 2 * channels * (int64_t)sizeof(float) > SHARED_BYTES) warps /= 2;
    return warps;
}

int64_t piece_of(int64_t pixels) { return gpu_parts(pixels, PIECES); }

int64_t pieces_of(int64_t pixels)
{
    const int64_t piece = piece_of(pixels);
    return gpu_parts(pixels, piece);
}

int prepare(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    const int64_t inputs = node->input_count, pixels = shape_pixels(s);
    if (2 * s.c * (int64_t)sizeof(float) > SHARED_BYTES)
        return err_set(e, ERR_UNSUPPORTED, "layer norm of %lld channels: a GPU does at most %d", (long long)s.c,
                       SHARED_BYTES / 2 / (int)sizeof(float));
    if (node->has_backward) node->saved_bytes[0] = (size_t)(inputs * pixels) * sizeof(PixelMoments);
    if (node->trains_params) node->scratch_bytes[1] = (size_t)(inputs * pieces_of(pixels) * 2 * s.c) * sizeof(float);
    return 0;
}

template <class T> Rows<T> rows_of(const Node *node, int input, GpuShape *s)
{
    const Tensor *in = node->in[input], *out = node->out[input];
    const void *const places[] = {in->data, in->grad, out->data, out->grad};
    *s = gpu_rows(shape_pixels(in->shape), in->shape.c);
    for (int i = 0; i < 4; i++) gpu_narrow(s, places[i], i < 2 ? in->pitch : out->pitch);
    return {.x = {(const T *)in->data, in->pitch},
            .g = {(const T *)out->grad, out->pitch},
            .y = {(T *)out->data, out->pitch},
            .dx = {node->wants_grad[input] ? (T *)in->grad : NULL, in->pitch},
            .moments = node->has_backward ? (PixelMoments *)node->saved[0] + input * s->rows : NULL,
            .w = node->param[0],
            .b = node->param[1],
            .pixels = s->rows,
            .channels = s->columns,
            .add = node->accumulate[input]};
}

template <class T> void forward(Node *node, const Step *)
{
    for (int i = 0; i < node->input_count; i++) {
        GpuShape s;
        const Rows<T> r = rows_of<T>(node, i, &s);
        const unsigned blocks = (unsigned)gpu_parts(r.pixels, WARPS);
        if (s.aligned) LAUNCH((normalise<GPU_LANES, T>), blocks, WARPS * GPU_WARP, 0, r);
        else LAUNCH((normalise<1, T>), blocks, WARPS * GPU_WARP, 0, r);
    }
}

template <class T> void backward_input(const Node *node, int input, float *table)
{
    GpuShape s;
    const Rows<T> r = rows_of<T>(node, input, &s);
    const int warps = warps_of(r.channels);
    const unsigned blocks = (unsigned)pieces_of(r.pixels), threads = (unsigned)(warps * GPU_WARP);
    const size_t shared = table ? (size_t)(warps * 2 * r.channels) * sizeof(float) : 0;
    if (s.aligned) LAUNCH((give<GPU_LANES, T>), blocks, threads, shared, r, piece_of(r.pixels), table);
    else LAUNCH((give<1, T>), blocks, threads, shared, r, piece_of(r.pixels), table);
}

template <class T> void backward(Node *node, const Step *)
{
    const Shape s = node->in[0]->shape;
    const int64_t pieces = pieces_of(shape_pixels(s)), rows = node->input_count * pieces;
    float *table = node->trains_params ? (float *)node->scratch : NULL;
    for (int i = 0; i < node->input_count; i++) backward_input<T>(node, i, table ? table + i * pieces * 2 * s.c : NULL);
    if (!table) return;
    gpu_sum_rows(node->param_grad[0], 0, table, rows, 2 * s.c, s.c, 1);
    gpu_sum_rows(node->param_grad[1], 0, table + s.c, rows, 2 * s.c, s.c, 1);
}
} // namespace

GPU_IMPL(layer_norm, .strided_in = 3, .strided_out = 3, .prepare = prepare, .forward = forward<T>,
         .backward = backward<T>)
