/* Causal depthwise convolution over the pixels of each image in row-major order (PyTorch's Conv1d with groups =
 * channels and padding K - 1, cut to the input's length; Gu & Dao 2023, Mamba):
 *   y[t,c] = b[c] + Σ_{j<K} w[c,j] x[t-K+1+j, c], with x = 0 before the first pixel.
 * Backward: dx[t] = Σ_j w[j] g[t+K-1-j], dw[j] = Σ_t g[t] x[t-K+1+j], db = Σ_t g[t]. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

enum {
    TAPS = 4,
    TERMS = TAPS + 1, /* weights, bias */
    LEAST_PIXELS = 64,
    PIECES = 64
};

static int64_t padded(int64_t c) { return (c + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES; }

/* Pieces of the pixels of all images. */
static Pieces pieces_of_node(const Node *node)
{
    return pieces_of(shape_pixels(node->in[0]->shape), LEAST_PIXELS, PIECES);
}

/* Scratch: the packed terms; in backward also the sums of each piece, as many. */
static int prepare(Node *node, Err *e)
{
    (void)e;
    const size_t packed = (size_t)(padded(node->in[0]->shape.c) * TERMS) * sizeof(float);
    const size_t sums = node->trains_params ? (size_t)pieces_of_node(node).count : 0;
    node->scratch_bytes[0] = packed;
    if (node->has_backward) node->scratch_bytes[1] = packed * (1 + sums);
    return 0;
}

/* Row `term` has the weights of a tap, the last one the biases. */
static void pack(float *packed, const Node *node)
{
    const int64_t c = node->in[0]->shape.c, row = padded(c);
    memset(packed, 0, (size_t)(row * TERMS) * sizeof *packed);
    for (int64_t i = 0; i < c; i++) {
        for (int j = 0; j < TAPS; j++) packed[j * row + i] = node->param[0][i * TAPS + j];
        packed[TAPS * row + i] = node->param[1][i];
    }
}

/* Some channels of a row of pixels: first … end - 1 of an image whose last pixel is length - 1. */
typedef struct Stretch {
    const Elem *from; /* the image's first pixel */
    Elem *to;
    int64_t from_pitch, to_pitch, first, end, length;
    bool accumulate;
} Stretch;

SIMD_INLINE vf pixel_lanes(const Stretch *s, int64_t t, int64_t i, int count)
{
    return t >= 0 && t < s->length ? v_get(s->from + t * s->from_pitch + i, count) : (vf){0};
}

/* y of the stretch. The last pixels that were read stay in registers. */
SIMD_INLINE void convolve_lanes(const Stretch *s, const float *terms, int64_t row, int64_t i, int count)
{
    vf w[TERMS], x[TAPS];
    for (int j = 0; j < TERMS; j++) w[j] = v_load(terms + j * row + i);
    for (int j = 0; j + 1 < TAPS; j++) x[j] = pixel_lanes(s, s->first - TAPS + 1 + j, i, count);
    for (int64_t t = s->first; t < s->end; t++) {
        x[TAPS - 1] = v_get(s->from + t * s->from_pitch + i, count);
        const vf y = (w[TAPS] + w[0] * x[0]) + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
        v_put(s->to + t * s->to_pitch + i, y, count);
        for (int j = 0; j + 1 < TAPS; j++) x[j] = x[j + 1];
    }
}

/* dx of the stretch, from the last pixel to the first. */
SIMD_INLINE void turned_lanes(const Stretch *s, const float *terms, int64_t row, int64_t i, int count)
{
    vf w[TAPS], g[TAPS];
    for (int j = 0; j < TAPS; j++) w[j] = v_load(terms + j * row + i);
    for (int j = 0; j + 1 < TAPS; j++) g[j] = pixel_lanes(s, s->end + TAPS - 2 - j, i, count);
    for (int64_t t = s->end - 1; t >= s->first; t--) {
        Elem *at = s->to + t * s->to_pitch + i;
        g[TAPS - 1] = v_get(s->from + t * s->from_pitch + i, count);
        const vf dx = w[0] * g[0] + w[1] * g[1] + w[2] * g[2] + w[3] * g[3];
        v_put(at, s->accumulate ? dx + v_get(at, count) : dx, count);
        for (int j = 0; j + 1 < TAPS; j++) g[j] = g[j + 1];
    }
}

/* Adds the stretch's part of dw and db; `from` is x, `to` is g. */
SIMD_INLINE void correlate_lanes(const Stretch *s, float *sums, int64_t row, int64_t i, int count)
{
    vf sum[TERMS], x[TAPS];
    for (int j = 0; j < TERMS; j++) sum[j] = v_load(sums + j * row + i);
    for (int j = 0; j + 1 < TAPS; j++) x[j] = pixel_lanes(s, s->first - TAPS + 1 + j, i, count);
    for (int64_t t = s->first; t < s->end; t++) {
        const vf g = v_get(s->to + t * s->to_pitch + i, count);
        x[TAPS - 1] = v_get(s->from + t * s->from_pitch + i, count);
        for (int j = 0; j < TAPS; j++) sum[j] += g * x[j];
        sum[TAPS] += g;
        for (int j = 0; j + 1 < TAPS; j++) x[j] = x[j + 1];
    }
    for (int j = 0; j < TERMS; j++) v_store(sums + j * row + i, sum[j]);
}

typedef void StretchFunction(const Stretch *s, float *terms, int64_t channels);

#define OVER_CHANNELS(NAME, LANES)                                                           \
    static void NAME(const Stretch *s, float *terms, int64_t c)                              \
    {                                                                                        \
        const int64_t row = padded(c), whole = c - c % SIMD_LANES;                           \
        for (int64_t i = 0; i < whole; i += SIMD_LANES) LANES(s, terms, row, i, SIMD_LANES); \
        if (whole < c) LANES(s, terms, row, whole, (int)(c - whole));                        \
    }
OVER_CHANNELS(convolve, convolve_lanes)
OVER_CHANNELS(convolve_turned, turned_lanes)
OVER_CHANNELS(correlate, correlate_lanes)

/* The images' pixels, in data or gradient. */
typedef struct PixelRows {
    Elem *start;
    int64_t pitch;
} PixelRows;

/* Runs `function` on the stretches of a piece, one for each image in it. */
static void run_piece(const Node *node, const Pieces *pieces, int64_t piece, PixelRows from, PixelRows to, float *terms,
                      StretchFunction *function)
{
    const Shape s = node->in[0]->shape;
    const int64_t length = s.h * s.w, end = piece_end(pieces, piece);
    for (int64_t first = piece * pieces->size; first < end;) {
        const int64_t image = first / length * length, stop = image + length < end ? image + length : end;
        const Stretch stretch = {from.start + image * from.pitch,
                                 to.start + image * to.pitch,
                                 from.pitch,
                                 to.pitch,
                                 first - image,
                                 stop - image,
                                 length,
                                 node->accumulate[0]};
        function(&stretch, terms, s.c);
        first = stop;
    }
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const Pieces pieces = pieces_of_node(node);
    pack(node->scratch, node);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces.count; piece++)
        run_piece(node, &pieces, piece, (PixelRows){in->data, in->pitch}, (PixelRows){out->data, out->pitch},
                  node->scratch, convolve);
}

static void give_params(Node *node, float *sums)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const int64_t c = in->shape.c, row = padded(c);
    const Pieces pieces = pieces_of_node(node);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces.count; piece++) {
        float *mine = sums + piece * TERMS * row;
        memset(mine, 0, (size_t)(TERMS * row) * sizeof *mine);
        run_piece(node, &pieces, piece, (PixelRows){in->data, in->pitch}, (PixelRows){out->grad, out->pitch}, mine,
                  correlate);
    }
    sum_pieces(sums, sums, pieces.count, TERMS * row, TERMS * row);
    for (int64_t i = 0; i < c; i++) {
        for (int j = 0; node->param_grad[0] && j < TAPS; j++) node->param_grad[0][i * TAPS + j] = sums[j * row + i];
        if (node->param_grad[1]) node->param_grad[1][i] = sums[TAPS * row + i];
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const Pieces pieces = pieces_of_node(node);
    float *packed = node->scratch;
    if (node->trains_params) give_params(node, packed + padded(in->shape.c) * TERMS);
    if (!node->wants_grad[0]) return;
    pack(packed, node);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces.count; piece++)
        run_piece(node, &pieces, piece, (PixelRows){out->grad, out->pitch}, (PixelRows){in->grad, in->pitch}, packed,
                  convolve_turned);
}

OP_IMPL(causal_conv1d) = {SIMD_HEAD,          .strided_in = 1,    .strided_out = 1,
                          .prepare = prepare, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(causal_conv1d);

static int64_t macs(const Node *node) { return TAPS * shape_count(node->in[0]->shape); }

static const OpClass causal_conv1d_class = {
    .name = "causal_conv1d",
    .shape = shape_of_inputs,
    .macs = macs,
    .product_macs = macs,
    .keeps_for_params = 1,
    .on = OP_ON(causal_conv1d),
};

Ref op_causal_conv1d(Graph *g, const char *name, Ref x)
{
    const int64_t c = graph_shape(g, x).c;
    scope_in(g, name);
    const int params[] = {graph_param(g, "weight", 3, (int64_t[]){c, 1, TAPS}, INIT_KAIMING_UNIFORM, 0),
                          graph_param(g, "bias", 1, &c, INIT_KAIMING_UNIFORM, TAPS)};
    return scope_out(g, graph_node(g, &causal_conv1d_class, "", NULL, 0, &x, 1, params, 2));
}
#endif
