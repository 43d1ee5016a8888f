/* Layer norm over the channels of each pixel (Ba et al. 2016; PyTorch's LayerNorm, eps 1e-5):
 * x̂ = (x - mean) / √(var + eps), y = w x̂ + b (w = 1, b = 0 if there are none); var is the mean squared difference from
 * the mean, from a second pass. A node may have several inputs, normalised with the same w and b to as many outputs.
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
    const int64_t inputs = node->input_count;
    if (node->has_backward) node->saved_bytes[0] = (size_t)(inputs * shape_pixels(s)) * sizeof(PixelMoments);
    if (node->trains_params)
        node->scratch_bytes[1] = (size_t)(inputs * pieces_of_node(node).count * 2 * s.c) * sizeof(float);
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
    v_put(y, w ? normal * v_load_first(w, count) + v_load_first(b, count) : normal, count);
}

/* The address of element i of a parameter; NULL if there is none. */
static const float *param_at(const float *param, int64_t i) { return param ? param + i : NULL; }

/* The moments of the pixels of an input. */
static PixelMoments *moments_saved(const Node *node, int input)
{
    return (PixelMoments *)node->saved[0] + input * shape_pixels(node->in[0]->shape);
}

static void forward_input(const Node *node, int input)
{
    const Tensor *in = node->in[input], *out = node->out[input];
    const int64_t c = in->shape.c, pixels = shape_pixels(in->shape);
    const float *w = node->param[0], *b = node->param[1];
    PixelMoments *saved = node->has_backward ? moments_saved(node, input) : NULL;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < pixels; p++) {
        const Elem *x = (const Elem *)in->data + p * in->pitch;
        Elem *y = (Elem *)out->data + p * out->pitch;
        const PixelMoments m = moments_of(x, c);
        int64_t i = 0;
        for (; i + SIMD_LANES <= c; i += SIMD_LANES)
            normalise_lanes(y + i, x + i, param_at(w, i), param_at(b, i), m, SIMD_LANES);
        if (i < c) normalise_lanes(y + i, x + i, param_at(w, i), param_at(b, i), m, (int)(c - i));
        if (saved) saved[p] = m;
    }
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    for (int i = 0; i < node->input_count; i++) forward_input(node, i);
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

/* d of some channels. */
SIMD_INLINE vf weighted_lanes(const Pixel *p, int64_t i, int count)
{
    const vf g = v_get(p->g + i, count);
    return p->w ? g * v_load_first(p->w + i, count) : g;
}

SIMD_INLINE void sum_lanes(const Pixel *p, int64_t i, int count, vf *d, vf *dx)
{
    const vf gw = weighted_lanes(p, i, count);
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
        vf d = (weighted_lanes(p, i, count) - p->mean_d - normal * p->mean_dx) * p->m.rstd;
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

/* sums: of each piece dw (c) and db (c); NULL: not requested. */
static void backward_input(const Node *node, int input, const Pieces *pieces, float *sums)
{
    const Tensor *in = node->in[input], *out = node->out[input];
    const int64_t c = in->shape.c;
    const PixelMoments *saved = moments_saved(node, input);
#pragma omp parallel for schedule(static)
    for (int64_t piece = 0; piece < pieces->count; piece++) {
        float *dw = sums ? sums + piece * 2 * c : NULL;
        if (dw) memset(dw, 0, (size_t)(2 * c) * sizeof *dw);
        for (int64_t p = piece * pieces->size; p < piece_end(pieces, piece); p++) {
            Pixel pixel = {.x = (const Elem *)in->data + p * in->pitch,
                           .g = (const Elem *)out->grad + p * out->pitch,
                           .w = node->param[0],
                           .dx = node->wants_grad[input] ? (Elem *)in->grad + p * in->pitch : NULL,
                           .dw = dw,
                           .db = dw ? dw + c : NULL,
                           .m = saved[p],
                           .accumulate = node->accumulate[input]};
            backward_pixel(&pixel, c);
        }
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const int64_t c = node->in[0]->shape.c;
    const Pieces pieces = pieces_of_node(node);
    float *sums = node->trains_params ? node->scratch : NULL;
    for (int i = 0; i < node->input_count; i++)
        backward_input(node, i, &pieces, sums ? sums + i * pieces.count * 2 * c : NULL);
    if (!sums) return;
    sum_pieces(node->param_grad[0], sums, node->input_count * pieces.count, 2 * c, c);
    sum_pieces(node->param_grad[1], sums + c, node->input_count * pieces.count, 2 * c, c);
}

OP_IMPL(layer_norm) = {SIMD_HEAD,          .strided_in = 3,    .strided_out = 3,
                       .prepare = prepare, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(layer_norm);

static int64_t macs(const Node *node)
{
    return node->input_count * (node->param_count ? 5 : 4) * shape_count(node->in[0]->shape);
}

static const OpClass layer_norm_class = {
    .name = "layer_norm",
    .shape = shape_of_inputs,
    .macs = macs,
    .keeps_inputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = OP_ON(layer_norm),
};

static int shape_of_pair(Node *node, Err *e)
{
    TRY(shape_of_inputs(node, e));
    *node->out[1] = *node->out[0];
    return 0;
}

static const OpClass layer_norm_pair_class = {
    .name = "layer_norm_pair",
    .shape = shape_of_pair,
    .macs = macs,
    .keeps_inputs = 3,
    .on = OP_ON(layer_norm),
};

static Ref add_node(Graph *g, const char *name, const OpClass *op, const Ref *inputs, int count)
{
    const int64_t channels = graph_shape(g, inputs[0]).c;
    scope_in(g, name);
    const int params[] = {graph_param(g, "weight", 1, &channels, INIT_ONE, 0),
                          graph_param(g, "bias", 1, &channels, INIT_ZERO, 0)};
    return scope_out(g, graph_node(g, op, "", NULL, 0, inputs, count, params, 2));
}

Ref op_layer_norm(Graph *g, const char *name, Ref x) { return add_node(g, name, &layer_norm_class, &x, 1); }

Ref op_layer_norm_plain(Graph *g, Ref x)
{
    return graph_node(g, &layer_norm_class, "layer_norm", NULL, 0, &x, 1, NULL, 0);
}

void op_layer_norm_pair(Graph *g, const char *name, Ref a, Ref b, Ref *ya, Ref *yb)
{
    *ya = add_node(g, name, &layer_norm_pair_class, (const Ref[]){a, b}, 2);
    *yb = (Ref){ya->value + 1};
}
#endif
