/* Instance norm and group norm on a GPU; instance_norm.c has the equations. A block computes the moments, or the sums of
 * backward, of a strip of channels and a piece of an image's pixels. A warp joins an image's pieces, in double. */
#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/norm.h"
}

namespace
{
/* Pixels of a piece: some for each thread of a strip, whatever the strip. */
const int64_t PIECE = 16 * GpuStrip<1>::along;

/* Tables have two rows of `channels` floats per entry: mean and rstd, or two sums. */
struct Table {
    float *data;
    int64_t channels;
    __device__ __host__ float *row(int64_t entry, int which) const { return data + (2 * entry + which) * channels; }
};

template <class T> struct Images {
    Plane<const T> x, r, g, kept; /* r.data: NULL without a second input; kept: y */
    Plane<T> y, dx, dr;           /* dx, dr: NULL if they are not wanted */
    Table moments, totals;        /* by image; totals: the sums of backward */
    const float *w, *b;           /* both or neither */
    int64_t pixels, channels;     /* pixels: of an image */
    float slope;
    bool add, add_r;
};

/* ---- forward ---- */

/* Of the thread's pixels, from `first` on: mean and squared differences from it, in two passes. */
template <int N, class T>
__device__ void thread_moments(const Images<T> &m, int64_t first, int64_t count, Lanes<N> *mean, Lanes<N> *square)
{
    typedef GpuStrip<N> Strip;
    const int64_t c = Strip::channel();
    const Lanes<N> start = gpu_load<N>(m.x.at(first, c));
    Lanes<N> sum = {};
    for (int64_t i = 1; i < count; i++) {
        const Lanes<N> v = gpu_load<N>(m.x.at(first + i * Strip::along, c));
        for (int k = 0; k < N; k++) sum.of[k] += v.of[k] - start.of[k];
    }
    for (int k = 0; k < N; k++) mean->of[k] = start.of[k] + sum.of[k] / (float)count;
    for (int64_t i = 0; i < count; i++) {
        const Lanes<N> v = gpu_load<N>(m.x.at(first + i * Strip::along, c));
        for (int k = 0; k < N; k++) square->of[k] += (v.of[k] - mean->of[k]) * (v.of[k] - mean->of[k]);
    }
}

/* The pixels of a thread of row `row` in a piece of `pixels`. */
template <int N> __device__ __host__ int64_t share_of(int row, int64_t pixels)
{
    return gpu_parts(pixels - row, GpuStrip<N>::along);
}

/* Joins a strip's rows (Chan et al. 1983). means, squares: by row and channel, in shared memory. */
template <int N>
__device__ void join_rows(const float *means, const float *squares, int64_t pixels, float *mean, float *square)
{
    typedef GpuStrip<N> Strip;
    double total = 0, away = 0;
    for (int i = 0; i < Strip::along; i++)
        if (i < pixels) total += (double)share_of<N>(i, pixels) * (double)means[i * Strip::channels];
    total /= (double)pixels;
    for (int i = 0; i < Strip::along; i++) {
        if (i >= pixels) continue;
        const double d = (double)means[i * Strip::channels] - total;
        away += (double)squares[i * Strip::channels] + (double)share_of<N>(i, pixels) * d * d;
    }
    *mean = (float)total;
    *square = (float)away;
}

/* The piece of a block: blockIdx.y, of image blockIdx.z. */
struct Piece {
    int64_t first, pixels, entry; /* entry: in the table of pieces */
};
template <class T> __device__ Piece piece_of_block(const Images<T> &m)
{
    const int64_t start = blockIdx.y * PIECE, left = m.pixels - start;
    return {blockIdx.z * m.pixels + start, left < PIECE ? left : PIECE, (int64_t)blockIdx.z * gridDim.y + blockIdx.y};
}

template <int N, class T> __global__ void __launch_bounds__(GPU_STRIP_THREADS) piece_moments(Images<T> m, Table pieces)
{
    typedef GpuStrip<N> Strip;
    SHARED(float, means, N *GPU_STRIP_THREADS);
    SHARED(float, squares, N *GPU_STRIP_THREADS);
    const Piece p = piece_of_block(m);
    const int place = Strip::row() * Strip::channels + Strip::column();
    if (Strip::channel() < m.channels && Strip::row() < p.pixels) {
        Lanes<N> mean, square = {};
        thread_moments<N>(m, p.first + Strip::row(), share_of<N>(Strip::row(), p.pixels), &mean, &square);
        gpu_store(means + place, mean);
        gpu_store(squares + place, square);
    }
    __syncthreads();
    const int64_t c = (int64_t)blockIdx.x * Strip::channels + threadIdx.x;
    if (threadIdx.x < Strip::channels && c < m.channels)
        join_rows<N>(means + threadIdx.x, squares + threadIdx.x, p.pixels, pieces.row(p.entry, 0) + c,
                     pieces.row(p.entry, 1) + c);
}

/* A warp's group of channels of image blockIdx.y. `pieces` per image, the last one has fewer pixels. */
__global__ void __launch_bounds__(GPU_WARP)
    join_moments(Table moments, Table table, int64_t pieces, int64_t pixels, int64_t group)
{
    const int64_t first = blockIdx.x * group, count = pieces * group, entry = blockIdx.y * pieces;
    const double values = (double)(pixels * group);
    double sum = 0, away = 0;
    for (int64_t i = threadIdx.x; i < count; i += GPU_WARP) {
        const int64_t k = i / group, left = pixels - k * PIECE;
        sum += (double)(left < PIECE ? left : PIECE) * (double)table.row(entry + k, 0)[first + i % group];
    }
    const double mean = gpu_sum_warp(sum) / values;
    for (int64_t i = threadIdx.x; i < count; i += GPU_WARP) {
        const int64_t k = i / group, left = pixels - k * PIECE;
        const double d = (double)table.row(entry + k, 0)[first + i % group] - mean;
        away += (double)table.row(entry + k, 1)[first + i % group] + (double)(left < PIECE ? left : PIECE) * d * d;
    }
    const double rstd = 1 / sqrt(gpu_sum_warp(away) / values + 1e-5);
    for (int64_t i = threadIdx.x; i < group; i += GPU_WARP) {
        moments.row(blockIdx.y, 0)[first + i] = (float)mean;
        moments.row(blockIdx.y, 1)[first + i] = (float)rstd;
    }
}

template <class T> struct Normalise {
    Images<T> m;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t n = pixel / m.pixels;
        const Lanes<N> mean = gpu_load<N>(m.moments.row(n, 0) + c), rstd = gpu_load<N>(m.moments.row(n, 1) + c);
        Lanes<N> v = gpu_load<N>(m.x.at(pixel, c));
        for (int i = 0; i < N; i++) v.of[i] = (v.of[i] - mean.of[i]) * rstd.of[i];
        if (m.w) {
            const Lanes<N> w = gpu_load<N>(m.w + c), b = gpu_load<N>(m.b + c);
            for (int i = 0; i < N; i++) v.of[i] = v.of[i] * w.of[i] + b.of[i];
        }
        if (m.r.data) {
            const Lanes<N> r = gpu_load<N>(m.r.at(pixel, c));
            for (int i = 0; i < N; i++) v.of[i] += r.of[i];
        }
        for (int i = 0; i < N; i++) v.of[i] = v.of[i] > 0 ? v.of[i] : v.of[i] * m.slope;
        gpu_store(m.y.at(pixel, c), v);
    }
};

/* ---- backward ---- */

/* The gradient of the activation's input. */
template <int N, class T> __device__ Lanes<N> gradient_of(const Images<T> &m, int64_t pixel, int64_t c)
{
    Lanes<N> g = gpu_load<N>(m.g.at(pixel, c));
    if (m.slope == 1) return g;
    const Lanes<N> y = gpu_load<N>(m.kept.at(pixel, c));
    for (int i = 0; i < N; i++) g.of[i] = y.of[i] > 0 ? g.of[i] : g.of[i] * m.slope;
    return g;
}

/* Σ g and Σ g x̂ of a piece; writes the gradient of r. */
template <int N, class T> __global__ void __launch_bounds__(GPU_STRIP_THREADS) piece_sums(Images<T> m, Table pieces)
{
    typedef GpuStrip<N> Strip;
    SHARED(float, values, N *GPU_STRIP_THREADS);
    const Piece p = piece_of_block(m);
    const int64_t c = Strip::channel();
    Lanes<N> sum = {}, product = {};
    if (c < m.channels) {
        const Lanes<N> mean = gpu_load<N>(m.moments.row(blockIdx.z, 0) + c);
        const Lanes<N> rstd = gpu_load<N>(m.moments.row(blockIdx.z, 1) + c);
        for (int64_t i = Strip::row(); i < p.pixels; i += Strip::along) {
            const Lanes<N> g = gradient_of<N>(m, p.first + i, c), x = gpu_load<N>(m.x.at(p.first + i, c));
            for (int k = 0; k < N; k++) {
                sum.of[k] += g.of[k];
                product.of[k] += g.of[k] * ((x.of[k] - mean.of[k]) * rstd.of[k]);
            }
            if (m.dr.data) gpu_give(m.dr.at(p.first + i, c), g, m.add_r);
        }
    }
    const double sums = gpu_sum_strip(values, sum), products = gpu_sum_strip(values, product);
    const int64_t mine = (int64_t)blockIdx.x * Strip::channels + threadIdx.x;
    if (threadIdx.x >= Strip::channels || mine >= m.channels) return;
    pieces.row(p.entry, 0)[mine] = (float)sums;
    pieces.row(p.entry, 1)[mine] = (float)products;
}

/* Replaces the sums of an image by the means of w g and w g x̂ over each group's pixels. A warp does a group of one of the
 * two rows of an image. */
__global__ void __launch_bounds__(GPU_WARP) group_means(Table totals, const float *w, int64_t pixels, int64_t group)
{
    const int64_t first = blockIdx.x * group;
    float *sums = totals.row(blockIdx.y / 2, (int)blockIdx.y % 2);
    double mean = 0;
    for (int64_t i = first + threadIdx.x; i < first + group; i += GPU_WARP)
        mean += (double)sums[i] * (w ? (double)w[i] : 1);
    mean = gpu_sum_warp(mean) / (double)(pixels * group);
    for (int64_t i = first + threadIdx.x; i < first + group; i += GPU_WARP) sums[i] = (float)mean;
}

template <class T> struct Give {
    Images<T> m;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        const int64_t n = pixel / m.pixels;
        const Lanes<N> mean = gpu_load<N>(m.moments.row(n, 0) + c), rstd = gpu_load<N>(m.moments.row(n, 1) + c);
        const Lanes<N> all = gpu_load<N>(m.totals.row(n, 0) + c), along = gpu_load<N>(m.totals.row(n, 1) + c);
        const Lanes<N> x = gpu_load<N>(m.x.at(pixel, c));
        Lanes<N> d = gradient_of<N>(m, pixel, c);
        if (m.w) {
            const Lanes<N> w = gpu_load<N>(m.w + c);
            for (int i = 0; i < N; i++) d.of[i] *= w.of[i];
        }
        for (int i = 0; i < N; i++)
            d.of[i] = (d.of[i] - all.of[i] - (x.of[i] - mean.of[i]) * rstd.of[i] * along.of[i]) * rstd.of[i];
        gpu_give(m.dx.at(pixel, c), d, m.add);
    }
};

/* ---- the op ---- */

int64_t pieces_of(const Shape &s) { return gpu_parts(s.h * s.w, PIECE); }

/* Saved: mean and rstd of each image. Scratch: two rows for each piece, then two for each image. */
int prepare(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    if (pieces_of(s) > GPU_GRID_Y)
        return err_set(e, ERR_UNSUPPORTED, "an image of more than %lld pixels: give a smaller patch",
                       (long long)(GPU_GRID_Y * PIECE));
    const size_t rows = (size_t)(s.n * 2 * s.c) * sizeof(float);
    if (node->has_backward) node->saved_bytes[0] = rows;
    for (int pass = 0; pass < (node->has_backward ? 2 : 1); pass++)
        node->scratch_bytes[pass] = (size_t)(pieces_of(s) + 1) * rows;
    return 0;
}

Table pieces_table(const Node *node) { return {(float *)node->scratch, node->in[0]->shape.c}; }

Table image_table(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return {(float *)node->scratch + 2 * s.n * pieces_of(s) * s.c, s.c};
}

template <class T> Images<T> images_of(const Node *node, GpuShape *s)
{
    const Tensor *in = node->in[0], *out = node->out[0], *more = node->input_count > 1 ? node->in[1] : NULL;
    const Shape shape = in->shape;
    *s = gpu_separate_pixels(node, in);
    return {.x = {(const T *)in->data, in->pitch},
            .r = {more ? (const T *)more->data : NULL, more ? more->pitch : 0},
            .g = {(const T *)out->grad, out->pitch},
            .kept = {(const T *)out->data, out->pitch},
            .y = {(T *)out->data, out->pitch},
            .dx = {node->wants_grad[0] ? (T *)in->grad : NULL, in->pitch},
            .dr = {node->wants_grad[1] ? (T *)more->grad : NULL, more ? more->pitch : 0},
            .moments = node->has_backward ? Table{(float *)node->saved[0], shape.c} : image_table(node),
            .totals = image_table(node),
            .w = node->param[0],
            .b = node->param[1],
            .pixels = shape.h * shape.w,
            .channels = shape.c,
            .slope = ((const Norm *)node->attr)->slope,
            .add = node->accumulate[0],
            .add_r = node->accumulate[1]};
}

template <int N> dim3 grid_of(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return dim3((unsigned)GpuStrip<N>::count(s.c), (unsigned)pieces_of(s), (unsigned)s.n);
}

template <class T> void forward(Node *node, const Step *)
{
    GpuShape s;
    const Images<T> m = images_of<T>(node, &s);
    const Table pieces = pieces_table(node);
    const int64_t group = ((const Norm *)node->attr)->group;
    const dim3 groups((unsigned)(m.channels / group), (unsigned)node->in[0]->shape.n);
    if (s.aligned) LAUNCH((piece_moments<GPU_LANES, T>), grid_of<GPU_LANES>(node), GPU_STRIP_THREADS, 0, m, pieces);
    else LAUNCH((piece_moments<1, T>), grid_of<1>(node), GPU_STRIP_THREADS, 0, m, pieces);
    LAUNCH(join_moments, groups, GPU_WARP, 0, m.moments, pieces, pieces_of(node->in[0]->shape), m.pixels, group);
    gpu_each(s, Normalise<T>{m});
}

void join_sums(const Node *node, Table pieces, Table totals)
{
    const Shape s = node->in[0]->shape;
    gpu_sum_rows(totals.data, 2 * s.c, pieces.data, pieces_of(s), 2 * s.c, 2 * s.c, s.n);
    if (!node->trains_params) return;
    gpu_sum_rows(node->param_grad[0], 0, totals.row(0, 1), s.n, 2 * s.c, s.c, 1);
    gpu_sum_rows(node->param_grad[1], 0, totals.row(0, 0), s.n, 2 * s.c, s.c, 1);
}

template <class T> void backward(Node *node, const Step *)
{
    GpuShape s;
    const Images<T> m = images_of<T>(node, &s);
    const Table pieces = pieces_table(node);
    const int64_t group = ((const Norm *)node->attr)->group;
    const dim3 groups((unsigned)(m.channels / group), (unsigned)(2 * node->in[0]->shape.n));
    if (s.aligned) LAUNCH((piece_sums<GPU_LANES, T>), grid_of<GPU_LANES>(node), GPU_STRIP_THREADS, 0, m, pieces);
    else LAUNCH((piece_sums<1, T>), grid_of<1>(node), GPU_STRIP_THREADS, 0, m, pieces);
    join_sums(node, pieces, m.totals);
    if (!m.dx.data) return;
    LAUNCH(group_means, groups, GPU_WARP, 0, m.totals, m.w, m.pixels, group);
    gpu_each(s, Give<T>{m});
}
} // namespace

GPU_IMPL(instance_norm, .strided_in = 3, .strided_out = 1, .prepare = prepare, .forward = forward<T>,
         .backward = backward<T>)
