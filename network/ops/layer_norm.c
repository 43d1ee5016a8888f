/* Layer norm over the channels of each pixel (Ba et al. 2016; PyTorch's LayerNorm, eps 1e-5):
 * x̂ = (x - mean) / √(var + eps), y = w x̂ + b; var is the mean squared difference from the mean, from a second pass.
 * Backward, with d = g w: dx = (d - mean(d) - x̂ mean(d x̂)) / √(var + eps), dw = Σ g x̂, db = Σ g. */
#include <math.h>

#include "network/ops/kernel.h"
#include "network/ops/ops.h"

typedef struct PixelMoments {
    float mean, rstd;
} PixelMoments;

enum { PIECE_PIXELS = 64, PIECES = 128 };

static Pieces pieces_of_node(const Node *node)
{
    return pieces_of(shape_pixels(node->in[0]->shape), PIECE_PIXELS, PIECES);
}

static int prepare(Node *node, Err *e)
{
    (void)e;
    const Shape s = node->in[0]->shape;
    if (node->has_backward) node->saved_bytes[0] = (size_t)shape_pixels(s) * sizeof(PixelMoments);
    if (node->trains_params) node->scratch_bytes[1] = (size_t)(pieces_of_node(node).count * 2 * s.c) * sizeof(float);
    return 0;
}

/* The mean is computed from differences to the first channel: so values far from 0 lose no digits in the sum. */
static PixelMoments moments_of(const Elem *x, int64_t c)
{
    const int tail = (int)(c % SIMD_LANES);
    const int64_t whole = c - tail;
    const float first = v_get(x, 1)[0];
    vf sum = {0}, square = {0}, last = {0};
    for (int64_t i = 0; i < whole; i += SIMD_LANES) sum += v_get(x + i, SIMD_LANES) - first;
    if (tail) last = v_get(x + whole, tail);
    float from_first = v_sum(sum);
    for (int i = 0; i < tail; i++) from_first += last[i] - first;
    const float mean = first + from_first / (float)c;
    for (int64_t i = 0; i < whole; i += SIMD_LANES) {
        const vf d = v_get(x + i, SIMD_LANES) - mean;
        square += d * d;
    }
    float squares = v_sum(square);
    for (int i = 0; i < tail; i++) squares += (last[i] - mean) * (last[i] - mean);
    return (PixelMoments){mean, 1 / sqrtf(squares / (float)c + 1e-5f)};
}

SIMD_INLINE void normalise_lanes(Elem *y, const Elem *x, const float *w, const float *b, PixelMoments m, int count)
{
    const vf normal = (v_get(x, count) - m.mean) * m.rstd;
    v_put(y, normal * v_load_first(w, count) + v_load_first(b, count), count);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const int64_t c = in->shape.c, pixels = shape_pixels(in->shape);
    const float *w = node->param[0], *b = node->param[1];
    PixelMoments *saved = node->has_backward ? node->saved[0] : NULL;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pixels; p++) {
        const Elem *x = (const Elem *)in->data + p * in->pitch;
        Elem *y = (Elem *)out->data + p * out->pitch;
        const PixelMoments m = moments_of(x, c);
        int64_t i = 0;
        for (; i + SIMD_LANES <= c; i += SIMD_LANES) normalise_lanes(y + i, x + i, w + i, b + i, m, SIMD_LANES);
        if (i < c) normalise_lanes(y + i, x + i, w + i, b + i, m, (int)(c - i));
        if (saved) saved[p] = m;
    }
}

/* The arguments of backward for one pixel. */
typedef struct Pixel {
    const Elem *x, *g;
    const float *w;
    Elem *dx;       /* NULL: not requested */
    float *dw, *db; /* sums of this piece, both or neither */
    PixelMoments m;
    float mean_d, mean_dx; /* of d and of d x̂ */
    bool accumulate;
} Pixel;

SIMD_INLINE void sum_lanes(const Pixel *p, int64_t i, int count, vf *d, vf *dx)
{
    const vf gw = v_get(p->g + i, count) * v_load_first(p->w + i, count);
    *d += gw;
    *dx += gw * ((v_get(p->x + i, count) - p->m.mean) * p->m.rstd);
}

SIMD_INLINE void give_lanes(const Pixel *p, int64_t i, int count)
{
    const vf g = v_get(p->g + i, count), normal = (v_get(p->x + i, count) - p->m.mean) * p->m.rstd;
    if (p->dw) {
        v_store_first(p->dw + i, v_load_first(p->dw + i, count) + g * normal, count);
        v_store_first(p->db + i, v_load_first(p->db + i, count) + g, count);
    }
    if (p->dx) {
        vf d = (g * v_load_first(p->w + i, count) - p->mean_d - normal * p->mean_dx) * p->m.rstd;
        if (p->accumulate) d += v_get(p->dx + i, count);
        v_put(p->dx + i, d, count);
    }
}

static void backward_pixel(Pixel *p, int64_t c)
{
    const int tail = (int)(c % SIMD_LANES);
    const int64_t whole = c - tail;
    if (p->dx) {
        vf d = {0}, dx = {0};
        for (int64_t i = 0; i < whole; i += SIMD_LANES) sum_lanes(p, i, SIMD_LANES, &d, &dx);
        if (tail) sum_lanes(p, whole, tail, &d, &dx);
        p->mean_d = v_sum(d) / (float)c;
        p->mean_dx = v_sum(dx) / (float)c;
    }
    for (int64_t i = 0; i < whole; i += SIMD_LANES) give_lanes(p, i, SIMD_LANES);
    if (tail) give_lanes(p, whole, tail);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const int64_t c = in->shape.c;
    const PixelMoments *saved = node->saved[0];
    const Pieces pieces = pieces_of_node(node);
    float *sums = node->trains_params ? node->scratch : NULL; /* per piece: dw (c), db (c) */
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces.count; piece++) {
        float *dw = sums ? sums + piece * 2 * c : NULL;
        if (dw) memset(dw, 0, (size_t)(2 * c) * sizeof *dw);
        for (int64_t p = piece * pieces.size; p < piece_end(&pieces, piece); p++) {
            Pixel pixel = {.x = (const Elem *)in->data + p * in->pitch,
                           .g = (const Elem *)out->grad + p * out->pitch,
                           .w = node->param[0],
                           .dx = node->wants_grad[0] ? (Elem *)in->grad + p * in->pitch : NULL,
                           .dw = dw,
                           .db = dw ? dw + c : NULL,
                           .m = saved[p],
                           .accumulate = node->accumulate[0]};
            backward_pixel(&pixel, c);
        }
    }
    if (!sums) return;
    sum_pieces(node->param_grad[0], sums, pieces.count, 2 * c, c);
    sum_pieces(node->param_grad[1], sums + c, pieces.count, 2 * c, c);
}

OP_IMPL(layer_norm) = {SIMD_HEAD,          .strided_in = 1,    .strided_out = 1,
                       .prepare = prepare, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(layer_norm);

static int64_t macs(const Node *node) { return 5 * shape_count(node->in[0]->shape); }

static const OpClass layer_norm_class = {
    .name = "layer_norm",
    .shape = shape_of_inputs,
    .macs = macs,
    .keeps_inputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = {layer_norm_list},
};

Ref op_layer_norm(Graph *g, const char *name, Ref x)
{
    const int64_t channels = graph_shape(g, x).c;
    scope_in(g, name);
    const int params[] = {graph_param(g, "weight", 1, &channels, INIT_ONE, 0),
                          graph_param(g, "bias", 1, &channels, INIT_ZERO, 0)};
    return scope_out(g, graph_node(g, &layer_norm_class, "", NULL, 0, &x, 1, params, 2));
}
#endif
