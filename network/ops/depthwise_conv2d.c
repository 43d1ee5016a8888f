/* Depthwise 3×3 convolution, stride 1, padding 1 (PyTorch's Conv2d with groups = channels):
 * y[p,c] = b[c] + Σ_k w[c,k] x[p+k,c] over the nine neighbours k. Backward: dx is the same with w turned
 * by 180° and no bias, dw[c,k] = Σ_p g[p,c] x[p+k,c], db[c] = Σ_p g[p,c].
 *
 * Neighbours outside the image are a row of zeros, so that the loops over channels know no borders. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"
#include "network/simd.h"

enum {
    TAPS = 9,
    TERMS = TAPS + 1, /* nine weights and the bias, side by side for each SIMD_LANES channels */
    COLUMNS = 4,      /* pixels of a row that are computed together */
    PIECES = 64,
};

static int64_t padded(int64_t c) { return (c + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES; }

static Pieces pieces_of_node(const Node *node)
{
    const Shape s = node->in[0]->shape;
    return pieces_of(s.n * s.h, 1, PIECES); /* of rows */
}

/* Scratch: zeros (padded c), packed weights (TERMS · padded c), in backward each piece's sums (likewise). */
static int prepare(Node *node, Err *e)
{
    (void)e;
    const int64_t c = padded(node->in[0]->shape.c),
                  pieces = node->trains_params ? pieces_of_node(node).count : 0;
    node->scratch_bytes[0] = (size_t)(c * (1 + TERMS)) * sizeof(float);
    if (node->has_backward)
        node->scratch_bytes[1] = (size_t)(c * (1 + TERMS + pieces * TERMS)) * sizeof(float);
    return 0;
}

static float *packed_at(float *packed, int64_t channel, int term)
{
    return packed + (channel / SIMD_LANES * TERMS + term) * SIMD_LANES + channel % SIMD_LANES;
}

/* Turned by 180° and without bias for the gradient of the data. */
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

/* The image that is read, and the neighbourhood of `columns` pixels of one row. */
typedef struct Image {
    const float *data, *zeros;
    int64_t pitch, h, w;
} Image;

typedef struct Window {
    const float *at[3][COLUMNS + 2]; /* rows above, here, below; columns from the left neighbour on */
} Window;

static Window window_of(const Image *m, int64_t row, int64_t column, int columns)
{
    Window v;
    for (int i = 0; i < 3; i++) {
        const int64_t y = row % m->h + i - 1;
        const float *line = m->data + (row + i - 1) * m->w * m->pitch;
        for (int j = 0; j < columns + 2; j++) {
            const int64_t x = column + j - 1;
            v.at[i][j] = y < 0 || y >= m->h || x < 0 || x >= m->w ? m->zeros : line + x * m->pitch;
        }
    }
    return v;
}

/* y of `columns` pixels at channels channel … channel + count - 1. */
SIMD_INLINE void convolve_lanes(float *y, int64_t pitch, const Window *v, const float *packed,
                                int64_t channel, int columns, bool accumulate, int count)
{
    const float *terms = packed + channel * TERMS;
    vf sum[COLUMNS];
    SIMD_UNROLL
    for (int j = 0; j < columns; j++) sum[j] = v_load(terms + TAPS * SIMD_LANES);
    SIMD_UNROLL
    for (int k = 0; k < TAPS; k++) {
        const vf weight = v_load(terms + k * SIMD_LANES);
        SIMD_UNROLL
        for (int j = 0; j < columns; j++)
            sum[j] += weight * v_load_first(v->at[k / 3][j + k % 3] + channel, count);
    }
    SIMD_UNROLL
    for (int j = 0; j < columns; j++) {
        float *at = y + j * pitch + channel;
        v_store_first(at, accumulate ? sum[j] + v_load_first(at, count) : sum[j], count);
    }
}

SIMD_INLINE void convolve_pixels(float *y, int64_t pitch, const Window *v, const float *packed, int64_t c,
                                 int columns, bool accumulate)
{
    int64_t i = 0;
    for (; i + SIMD_LANES <= c; i += SIMD_LANES)
        convolve_lanes(y, pitch, v, packed, i, columns, accumulate, SIMD_LANES);
    if (i < c) convolve_lanes(y, pitch, v, packed, i, columns, accumulate, (int)(c - i));
}

static void convolve(float *y, int64_t pitch, const Image *m, const float *packed, Shape s, bool accumulate)
{
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < s.n * s.h; row++) {
        int64_t x = 0;
        for (; x + COLUMNS <= s.w; x += COLUMNS) {
            const Window v = window_of(m, row, x, COLUMNS);
            convolve_pixels(y + (row * s.w + x) * pitch, pitch, &v, packed, s.c, COLUMNS, accumulate);
        }
        for (; x < s.w; x++) {
            const Window v = window_of(m, row, x, 1);
            convolve_pixels(y + (row * s.w + x) * pitch, pitch, &v, packed, s.c, 1, accumulate);
        }
    }
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    float *zeros = node->scratch, *packed = zeros + padded(in->shape.c);
    memset(zeros, 0, (size_t)padded(in->shape.c) * sizeof *zeros);
    pack(packed, node, false);
    const Image image = {in->data, zeros, in->pitch, in->shape.h, in->shape.w};
    convolve(out->data, out->pitch, &image, packed, in->shape, false);
}

/* Adds what `columns` pixels give to the sums of dw and db. */
SIMD_INLINE void correlate_lanes(float *sums, const Window *v, const float *g, int64_t pitch,
                                 int64_t channel, int columns, int count)
{
    float *terms = sums + channel * TERMS;
    vf d[COLUMNS], bias = v_load(terms + TAPS * SIMD_LANES);
    SIMD_UNROLL
    for (int j = 0; j < columns; j++) {
        d[j] = v_load_first(g + j * pitch + channel, count);
        bias += d[j];
    }
    v_store(terms + TAPS * SIMD_LANES, bias);
    SIMD_UNROLL
    for (int k = 0; k < TAPS; k++) {
        vf sum = v_load(terms + k * SIMD_LANES);
        SIMD_UNROLL
        for (int j = 0; j < columns; j++)
            sum += d[j] * v_load_first(v->at[k / 3][j + k % 3] + channel, count);
        v_store(terms + k * SIMD_LANES, sum);
    }
}

SIMD_INLINE void correlate_pixels(float *sums, const Window *v, const float *g, int64_t pitch, int64_t c,
                                  int columns)
{
    int64_t i = 0;
    for (; i + SIMD_LANES <= c; i += SIMD_LANES) correlate_lanes(sums, v, g, pitch, i, columns, SIMD_LANES);
    if (i < c) correlate_lanes(sums, v, g, pitch, i, columns, (int)(c - i));
}

static void correlate_row(float *sums, const Image *m, const Tensor *out, int64_t row)
{
    const Shape s = out->shape;
    const float *g = (const float *)out->grad + row * s.w * out->pitch;
    int64_t x = 0;
    for (; x + COLUMNS <= s.w; x += COLUMNS) {
        const Window v = window_of(m, row, x, COLUMNS);
        correlate_pixels(sums, &v, g + x * out->pitch, out->pitch, s.c, COLUMNS);
    }
    for (; x < s.w; x++) {
        const Window v = window_of(m, row, x, 1);
        correlate_pixels(sums, &v, g + x * out->pitch, out->pitch, s.c, 1);
    }
}

static void give_params(Node *node, const float *zeros, float *sums)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const Image image = {in->data, zeros, in->pitch, in->shape.h, in->shape.w};
    const int64_t c = in->shape.c, stride = padded(c) * TERMS;
    const Pieces pieces = pieces_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces.count; piece++) {
        memset(sums + piece * stride, 0, (size_t)stride * sizeof *sums);
        for (int64_t row = piece * pieces.size; row < piece_end(&pieces, piece); row++)
            correlate_row(sums + piece * stride, &image, out, row);
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
    const int64_t c = padded(in->shape.c);
    float *zeros = node->scratch, *packed = zeros + c;
    memset(zeros, 0, (size_t)c * sizeof *zeros);
    if (node->trains_params) give_params(node, zeros, packed + c * TERMS);
    if (!node->wants_grad[0]) return;
    pack(packed, node, true);
    const Image image = {out->grad, zeros, out->pitch, in->shape.h, in->shape.w};
    convolve(in->grad, in->pitch, &image, packed, in->shape, node->accumulate[0]);
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
    .keeps_for_params = 1,
    .on = {depthwise_conv2d_list},
};

Ref depthwise_conv2d(Graph *g, const char *name, Ref x)
{
    const int64_t c = graph_shape(g, x).c;
    const InitPolicy init = graph_policy(g);
    in(g, name);
    const int params[] = {graph_param(g, "weight", 4, (int64_t[]){c, 1, 3, 3}, init.conv_weight, 0),
                          graph_param(g, "bias", 1, &c, init.conv_bias, TAPS)};
    return out(g, graph_node(g, &depthwise_conv2d_class, "", NULL, 0, &x, 1, params, 2));
}
#endif
