/* Depthwise 3×3 convolution, stride 1, padding 1 (PyTorch's Conv2d with groups = channels):
 * y[p,c] = b[c] + Σ_k w[c,k] x[p+k,c] over the 3×3 neighbourhood k. Backward: dx is the same convolution of g with w
 * rotated by 180° and no bias, dw[c,k] = Σ_p g[p,c] x[p+k,c], db[c] = Σ_p g[p,c].
 *
 * Rows outside the image are read from a row of zeros. For columns outside, pixels at the left and right edges use
 * kernels compiled without these taps. So the loops over channels need no border checks. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

enum {
    TAPS = 9,
    TERMS = TAPS + 1, /* for each SIMD_LANES channels: nine vectors of weights and one of biases */
    COLUMNS = 4,      /* neighbouring pixels of a row that are computed together */
    PIECES = 64,
};

static int64_t padded(int64_t c) { return (c + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES; }

static Pieces pieces_of_node(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return pieces_of(s.n * s.h, 1, PIECES); /* of rows */
}

/* Elements of the zeros that replace a row outside the image: as many pixels as one stretch reads. */
static int64_t zeros_length(const Node *node)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    return (COLUMNS + 2) * (in->pitch > out->pitch ? in->pitch : out->pitch);
}

/* Scratch: packed weights (TERMS · padded c); in backward also the sums of each piece (same size); then the zeros. */
static int prepare(Node *node, Err *e)
{
    (void)e;
    const int64_t c = padded(node->in[0]->shape.c), pieces = node->trains_params ? pieces_of_node(node).count : 0;
    const size_t packed = (size_t)(c * TERMS) * sizeof(float), zeros = (size_t)zeros_length(node) * sizeof(Elem);
    node->scratch_bytes[0] = packed + zeros;
    if (node->has_backward) node->scratch_bytes[1] = packed * (size_t)(1 + pieces) + zeros;
    return 0;
}

static float *packed_at(float *packed, int64_t channel, int term)
{
    return packed + (channel / SIMD_LANES * TERMS + term) * SIMD_LANES + channel % SIMD_LANES;
}

/* turned: rotates the weights by 180° and omits the bias, for the gradient of the data. */
static void pack(float *packed, const Node *node, bool turned)
{
    const int64_t c = node->in[0]->shape.c;
    memset(packed, 0, (size_t)(padded(c) * TERMS) * sizeof *packed);
    for (int64_t i = 0; i < c; i++) {
        for (int k = 0; k < TAPS; k++)
            *packed_at(packed, i, k) = node->param[0][i * TAPS + (turned ? TAPS - 1 - k : k)];
        if (!turned) *packed_at(packed, i, TAPS) = node->param[1][i];
    }
}

/* The input image. */
typedef struct SourceImage {
    const Elem *data, *zeros;
    int64_t pitch, h, w;
} SourceImage;

/* The three rows around a pixel; each pointer is at the pixel's column. */
typedef struct ThreeRows {
    const Elem *row[3];
    int64_t pitch;
} ThreeRows;

static ThreeRows rows_around(const SourceImage *m, int64_t row, int64_t column)
{
    ThreeRows v = {.pitch = m->pitch};
    for (int i = 0; i < 3; i++) {
        const int64_t y = row % m->h + i - 1;
        v.row[i] = y < 0 || y >= m->h ? m->zeros + m->pitch : m->data + ((row + i - 1) * m->w + column) * m->pitch;
    }
    return v;
}

/* Neighbouring pixels of a row that are computed together, and the columns of taps that are inside the image. All calls
 * pass constants, so that the compiler specialises the code for each combination. */
typedef struct Stretch {
    int columns, low, high; /* pixels; first and last column of taps, 0 … 2 */
} Stretch;

SIMD_INLINE vf tap(const ThreeRows *v, int row, int column, int64_t channel, int count)
{
    return v_get(v->row[row] + (column - 1) * v->pitch + channel, count);
}

/* Prefetches the row below, which is not in the cache yet. The accesses are too short for the hardware prefetcher. */
SIMD_INLINE void prefetch(const ThreeRows *v, int64_t channel, Stretch s)
{
    const Elem *next = v->row[2] + (s.columns + 1) * v->pitch + channel;
    SIMD_UNROLL
    for (int j = 0; j < s.columns; j++) __builtin_prefetch(next + j * v->pitch);
}

/* The output y of a convolution, or the gradient g of a correlation. */
typedef struct Pixels {
    Elem *at;
    int64_t pitch, c;
    bool accumulate;
} Pixels;

/* Computes y of the pixels for the channels channel … channel + count - 1. */
SIMD_INLINE void convolve_lanes(Pixels y, const ThreeRows *v, const float *packed, int64_t channel, Stretch s,
                                int count)
{
    const float *terms = packed + channel * TERMS;
    vf sum[COLUMNS];
    prefetch(v, channel, s);
    SIMD_UNROLL
    for (int j = 0; j < s.columns; j++) sum[j] = v_load(terms + TAPS * SIMD_LANES);
    SIMD_UNROLL
    for (int k = 0; k < TAPS; k++) {
        if (k % 3 < s.low || k % 3 > s.high) continue;
        const vf weight = v_load(terms + k * SIMD_LANES);
        SIMD_UNROLL
        for (int j = 0; j < s.columns; j++) sum[j] += weight * tap(v, k / 3, j + k % 3, channel, count);
    }
    SIMD_UNROLL
    for (int j = 0; j < s.columns; j++) {
        Elem *at = y.at + j * y.pitch + channel;
        v_put(at, y.accumulate ? sum[j] + v_get(at, count) : sum[j], count);
    }
}

/* Adds the contributions of the pixels' g to the sums of dw and db. */
SIMD_INLINE void correlate_lanes(Pixels g, const ThreeRows *v, float *sums, int64_t channel, Stretch s, int count)
{
    float *terms = sums + channel * TERMS;
    prefetch(v, channel, s);
    vf d[COLUMNS], bias = v_load(terms + TAPS * SIMD_LANES);
    SIMD_UNROLL
    for (int j = 0; j < s.columns; j++) {
        d[j] = v_get(g.at + j * g.pitch + channel, count);
        bias += d[j];
    }
    v_store(terms + TAPS * SIMD_LANES, bias);
    SIMD_UNROLL
    for (int k = 0; k < TAPS; k++) {
        if (k % 3 < s.low || k % 3 > s.high) continue;
        vf sum = v_load(terms + k * SIMD_LANES);
        SIMD_UNROLL
        for (int j = 0; j < s.columns; j++) sum += d[j] * tap(v, k / 3, j + k % 3, channel, count);
        v_store(terms + k * SIMD_LANES, sum);
    }
}

/* Processes one stretch, all channels: correlates if sums is not NULL, else convolves with packed. */
SIMD_INLINE void run_stretch(Pixels p, const SourceImage *m, int64_t row, int64_t x, const float *packed, float *sums,
                             Stretch s)
{
    const ThreeRows v = rows_around(m, row, x);
    const int64_t whole = p.c - p.c % SIMD_LANES;
    const int tail = (int)(p.c - whole);
    p.at += (row * m->w + x) * p.pitch;
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        if (sums) correlate_lanes(p, &v, sums, i, s, SIMD_LANES);
        else convolve_lanes(p, &v, packed, i, s, SIMD_LANES);
    }
    if (!tail) return;
    if (sums) correlate_lanes(p, &v, sums, whole, s, tail);
    else convolve_lanes(p, &v, packed, whole, s, tail);
}

SIMD_INLINE void run_row(Pixels p, const SourceImage *m, int64_t row, const float *packed, float *sums)
{
    const int64_t last = m->w - 1;
    int64_t x = 1;
    if (!last) {
        run_stretch(p, m, row, 0, packed, sums, (Stretch){1, 1, 1});
        return;
    }
    run_stretch(p, m, row, 0, packed, sums, (Stretch){1, 1, 2});
    for (; x + COLUMNS <= last; x += COLUMNS) run_stretch(p, m, row, x, packed, sums, (Stretch){COLUMNS, 0, 2});
    for (; x < last; x++) run_stretch(p, m, row, x, packed, sums, (Stretch){1, 0, 2});
    run_stretch(p, m, row, last, packed, sums, (Stretch){1, 0, 1});
}

static void convolve_row(Pixels y, const SourceImage *m, int64_t row, const float *packed)
{
    run_row(y, m, row, packed, NULL);
}
static void correlate_row(Pixels g, const SourceImage *m, int64_t row, float *sums) { run_row(g, m, row, NULL, sums); }

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const Shape s = in->shape;
    float *packed = node->scratch;
    Elem *zeros = (Elem *)(packed + padded(s.c) * TERMS);
    memset(zeros, 0, (size_t)zeros_length(node) * sizeof *zeros);
    pack(packed, node, false);
    const SourceImage image = {in->data, zeros, in->pitch, s.h, s.w};
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < s.n * s.h; row++)
        convolve_row((Pixels){out->data, out->pitch, s.c, false}, &image, row, packed);
}

static void give_params(Node *node, const Elem *zeros, float *sums)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const SourceImage image = {in->data, zeros, in->pitch, in->shape.h, in->shape.w};
    const int64_t c = in->shape.c, stride = padded(c) * TERMS;
    const Pieces pieces = pieces_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces.count; piece++) {
        memset(sums + piece * stride, 0, (size_t)stride * sizeof *sums);
        for (int64_t row = piece * pieces.size; row < piece_end(&pieces, piece); row++)
            correlate_row((Pixels){out->grad, out->pitch, c, false}, &image, row, sums + piece * stride);
    }
    sum_pieces(sums, sums, pieces.count, stride, stride);
    for (int64_t i = 0; i < c; i++) {
        for (int k = 0; node->param_grad[0] && k < TAPS; k++)
            node->param_grad[0][i * TAPS + k] = *packed_at(sums, i, k);
        if (node->param_grad[1]) node->param_grad[1][i] = *packed_at(sums, i, TAPS);
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const Shape s = in->shape;
    const int64_t block = padded(s.c) * TERMS, pieces = node->trains_params ? pieces_of_node(node).count : 0;
    float *packed = node->scratch, *sums = packed + block;
    Elem *zeros = (Elem *)(sums + pieces * block);
    memset(zeros, 0, (size_t)zeros_length(node) * sizeof *zeros);
    if (node->trains_params) give_params(node, zeros, sums);
    if (!node->wants_grad[0]) return;
    pack(packed, node, true);
    const SourceImage image = {out->grad, zeros, out->pitch, s.h, s.w};
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < s.n * s.h; row++)
        convolve_row((Pixels){in->grad, in->pitch, s.c, node->accumulate[0]}, &image, row, packed);
}

OP_IMPL(depthwise_conv2d) = {SIMD_HEAD,          .strided_in = 1,    .strided_out = 1,
                             .prepare = prepare, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(depthwise_conv2d);

static int64_t macs(const Node *node) { return TAPS * shape_count(node->in[0]->shape); }

static const OpClass depthwise_conv2d_class = {
    .name = "depthwise_conv2d",
    .shape = shape_of_inputs,
    .macs = macs,
    .product_macs = macs,
    .keeps_for_params = 1,
    .on = OP_ON(depthwise_conv2d),
};

Ref op_depthwise_conv2d(Graph *g, const char *name, Ref x)
{
    const int64_t c = graph_shape(g, x).c;
    const InitPolicy init = graph_policy(g);
    scope_in(g, name);
    const int params[] = {graph_param(g, "weight", 4, (int64_t[]){c, 1, 3, 3}, init.conv_weight, 0),
                          graph_param(g, "bias", 1, &c, init.conv_bias, TAPS)};
    return scope_out(g, graph_node(g, &depthwise_conv2d_class, "", NULL, 0, &x, 1, params, 2));
}
#endif
