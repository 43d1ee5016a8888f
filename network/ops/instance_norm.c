/* Instance norm over the pixels of each image and channel (Ulyanov et al. 2016; PyTorch's InstanceNorm2d,
 * biased variance, eps 1e-5): x̂ = (x - mean) / √(var + eps), y = w x̂ + b (w = 1, b = 0 if not affine).
 * Backward: dx = (w g - mean(w g) - x̂ mean(w g x̂)) / √(var + eps), dw = Σ g x̂, db = Σ g.
 * Group norm (Wu & He 2018; PyTorch's GroupNorm) is the same over the pixels of several neighbouring channels.
 *
 * Fused with the ops that follow it in a residual block (fuse.h): y = leaky_relu(w x̂ + b + r), where r is an optional
 * second input. y has the sign of the sum, so backward multiplies g by 1 or slope by the sign of y.
 *
 * Mean and variance of a piece of pixels are computed in two passes while the piece is in the cache, and those of the
 * pieces are combined in double (Chan et al. 1983). So memory is read once, without cancellation. */
#include <math.h>

#include "network/ops/fusions.h"
#include "network/ops/kernel.h"
#include "network/ops/norm.h"
#include "network/ops/ops.h"

enum { PIECE_FLOATS = 16384, LEAST_PIXELS = 16, MOST_PIXELS = 256 };

/* Pieces of one image's pixels: small enough for the cache and for sums in single precision. */
static Pieces pieces_of_node(const Node *node)
{
    const Shape s = node->in[0]->shape;
    int64_t size = PIECE_FLOATS / s.c;
    if (size < LEAST_PIXELS) size = LEAST_PIXELS;
    if (size > MOST_PIXELS) size = MOST_PIXELS;
    return pieces_of(s.h * s.w, size, s.h * s.w);
}

/* A table of two rows of c floats: mean and rstd, or two sums. */
static float *row_of(float *table, int64_t entry, int which, int64_t c) { return table + (2 * entry + which) * c; }

/* Saved: mean and rstd of each image. Scratch: two rows of sums for each piece, then two for each image. */
static int prepare(Node *node, Err *e)
{
    (void)e;
    const Shape s = node->in[0]->shape;
    const int64_t pieces = pieces_of_node(node).count;
    const size_t moments = (size_t)(s.n * 2 * s.c) * sizeof(float);
    if (node->has_backward) node->saved_bytes[0] = moments;
    for (int pass = 0; pass < (node->has_backward ? 2 : 1); pass++)
        node->scratch_bytes[pass] = (size_t)(pieces + 1) * moments;
    return 0;
}

/* Some channels of one piece: the mean over its pixels, and the sum of squared differences from it. The mean is
 * computed from differences to the first pixel: so values far from 0 lose no digits in the sum. */
SIMD_INLINE void moments_lanes(float *mean, float *squares, const Elem *x, int64_t pitch, int64_t pixels, int count)
{
    const vf first = v_get(x, count);
    vf sum = {0}, square = {0};
    for (int64_t p = 1; p < pixels; p++) sum += v_get(x + p * pitch, count) - first;
    const vf m = first + sum / (float)pixels;
    for (int64_t p = 0; p < pixels; p++) {
        const vf d = v_get(x + p * pitch, count) - m;
        square += d * d;
    }
    v_store_first(mean, m, count);
    v_store_first(squares, square, count);
}

/* Adds a piece's part to the mean of the channels first … end - 1, and then to their squared differences from it. */
static double part_of_mean(const float *means, double pixels, int64_t first, int64_t end)
{
    double sum = 0;
    for (int64_t i = first; i < end; i++) sum += pixels * (double)means[i];
    return sum;
}

static double part_of_square(const float *means, const float *squares, double mean, double pixels, int64_t first,
                             int64_t end)
{
    double sum = 0;
    for (int64_t i = first; i < end; i++) {
        const double away = (double)means[i] - mean;
        sum += (double)squares[i] + pixels * away * away;
    }
    return sum;
}

/* Computes mean and rstd of image n from the means and squares of its pieces; all channels of a group get the same. */
static void join_moments(float *moments, float *sums, const Pieces *pieces, int64_t n, int64_t c, int64_t group)
{
    const double values = (double)pieces->total * (double)group;
    for (int64_t first = 0; first < c; first += group) {
        double mean = 0, square = 0;
        for (int64_t piece = 0; piece < pieces->count; piece++) {
            const double pixels = (double)(piece_end(pieces, piece) - piece * pieces->size);
            mean += part_of_mean(row_of(sums, n * pieces->count + piece, 0, c), pixels, first, first + group);
        }
        mean /= values;
        for (int64_t piece = 0; piece < pieces->count; piece++) {
            const double pixels = (double)(piece_end(pieces, piece) - piece * pieces->size);
            const int64_t entry = n * pieces->count + piece;
            square += part_of_square(row_of(sums, entry, 0, c), row_of(sums, entry, 1, c), mean, pixels, first,
                                     first + group);
        }
        for (int64_t i = first; i < first + group; i++) {
            row_of(moments, n, 0, c)[i] = (float)mean;
            row_of(moments, n, 1, c)[i] = (float)(1 / sqrt(square / values + 1e-5));
        }
    }
}

/* The pixels of one piece of one image, and the values of its channels. */
typedef struct ImagePiece {
    const Elem *x, *r, *g;
    Elem *y, *dx, *dr; /* r, dr: NULL if there is none */
    int64_t x_pitch, r_pitch, y_pitch, pixels;
    const float *mean, *rstd, *w, *b;
    float slope;
    bool accumulate, accumulate_r;
} ImagePiece;

/* The address of a pixel of t; start: t's data or gradient. NULL if start is NULL. */
static Elem *pixel_of(Elem *start, const Tensor *t, int64_t pixel) { return start ? start + pixel * t->pitch : NULL; }

static ImagePiece piece_of(const Node *node, const Pieces *pieces, int64_t index, float *moments)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const int64_t n = index / pieces->count, piece = index % pieces->count, c = in->shape.c;
    const int64_t first = n * pieces->total + piece * pieces->size;
    const Tensor *more = node->input_count > 1 ? node->in[1] : NULL;
    const Norm *norm = node->attr;
    return (ImagePiece){.x = pixel_of(in->data, in, first),
                        .r = more ? pixel_of(more->data, more, first) : NULL,
                        .g = pixel_of(out->grad, out, first),
                        .y = pixel_of(out->data, out, first),
                        .dx = node->wants_grad[0] ? pixel_of(in->grad, in, first) : NULL,
                        .dr = node->wants_grad[1] ? pixel_of(more->grad, more, first) : NULL,
                        .x_pitch = in->pitch,
                        .r_pitch = more ? more->pitch : 0,
                        .y_pitch = out->pitch,
                        .pixels = piece_end(pieces, piece) - piece * pieces->size,
                        .mean = row_of(moments, n, 0, c),
                        .rstd = row_of(moments, n, 1, c),
                        .w = node->param_count ? node->param[0] : NULL,
                        .b = node->param_count ? node->param[1] : NULL,
                        .slope = norm->slope,
                        .accumulate = node->accumulate[0],
                        .accumulate_r = node->accumulate[1]};
}

SIMD_INLINE void normalise_lanes(const ImagePiece *p, int64_t i, int count)
{
    const vf mean = v_load_first(p->mean + i, count), rstd = v_load_first(p->rstd + i, count);
    const vf scale = p->w ? rstd * v_load_first(p->w + i, count) : rstd;
    const vf shift = p->b ? v_load_first(p->b + i, count) : v_set1(0);
    for (int64_t k = 0; k < p->pixels; k++) {
        vf y = (v_get(p->x + k * p->x_pitch + i, count) - mean) * scale + shift;
        if (p->r) y += v_get(p->r + k * p->r_pitch + i, count);
        if (p->slope != 1) y = v_max(y * p->slope, y);
        v_put(p->y + k * p->y_pitch + i, y, count);
    }
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0];
    const Pieces pieces = pieces_of_node(node);
    const int64_t c = in->shape.c, whole = c - c % SIMD_LANES, all = in->shape.n * pieces.count;
    float *sums = node->scratch, *moments = node->has_backward ? node->saved[0] : row_of(sums, all, 0, c);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t k = 0; k < all; k++) {
            const ImagePiece p = piece_of(node, &pieces, k, moments);
            float *mean = row_of(sums, k, 0, c), *square = row_of(sums, k, 1, c);
            for (int64_t i = 0; i < whole; i += SIMD_LANES)
                moments_lanes(mean + i, square + i, p.x + i, p.x_pitch, p.pixels, SIMD_LANES);
            if (whole < c)
                moments_lanes(mean + whole, square + whole, p.x + whole, p.x_pitch, p.pixels, (int)(c - whole));
        }
#pragma omp for schedule(static)
        for (int64_t n = 0; n < in->shape.n; n++)
            join_moments(moments, sums, &pieces, n, c, ((const Norm *)node->attr)->group);
#pragma omp for schedule(static)
        for (int64_t k = 0; k < all; k++) {
            const ImagePiece p = piece_of(node, &pieces, k, moments);
            for (int64_t i = 0; i < whole; i += SIMD_LANES) normalise_lanes(&p, i, SIMD_LANES);
            if (whole < c) normalise_lanes(&p, whole, (int)(c - whole));
        }
    }
}

/* The gradient of the activation's input at pixel k. */
SIMD_INLINE vf gradient_lanes(const ImagePiece *p, int64_t k, int64_t i, int count)
{
    const vf g = v_get(p->g + k * p->y_pitch + i, count);
    if (p->slope == 1) return g;
    return v_select(v_get(p->y + k * p->y_pitch + i, count) > 0.0f, g, g * p->slope);
}

/* Computes Σ g and Σ g x̂ over the piece; writes the gradient of r. */
SIMD_INLINE void sums_lanes(float *sum, float *product, const ImagePiece *p, int64_t i, int count)
{
    const vf mean = v_load_first(p->mean + i, count), rstd = v_load_first(p->rstd + i, count);
    vf s = {0}, sx = {0};
    for (int64_t k = 0; k < p->pixels; k++) {
        const vf g = gradient_lanes(p, k, i, count);
        s += g;
        sx += g * (v_get(p->x + k * p->x_pitch + i, count) - mean);
        if (p->dr) {
            Elem *at = p->dr + k * p->r_pitch + i;
            v_put(at, p->accumulate_r ? g + v_get(at, count) : g, count);
        }
    }
    v_store_first(sum + i, s, count);
    v_store_first(product + i, sx * rstd, count);
}

/* mean_g, mean_gx: of w g and w g x̂. */
SIMD_INLINE void give_lanes(const ImagePiece *p, const float *mean_g, const float *mean_gx, int64_t i, int count)
{
    const vf mean = v_load_first(p->mean + i, count), rstd = v_load_first(p->rstd + i, count);
    const vf w = p->w ? v_load_first(p->w + i, count) : v_set1(1);
    const vf all = v_load_first(mean_g + i, count), slope = rstd * v_load_first(mean_gx + i, count);
    for (int64_t k = 0; k < p->pixels; k++) {
        Elem *at = p->dx + k * p->x_pitch + i;
        const vf away = v_get(p->x + k * p->x_pitch + i, count) - mean;
        vf d = (gradient_lanes(p, k, i, count) * w - all - away * slope) * rstd;
        if (p->accumulate) d += v_get(at, count);
        v_put(at, d, count);
    }
}

/* Adds the sums of the pieces to those of each image, and these to the gradients of the parameters. */
static void join_sums(Node *node, float *sums, float *totals, int64_t pieces)
{
    const Shape s = node->in[0]->shape;
    for (int64_t n = 0; n < s.n; n++)
        sum_pieces(row_of(totals, n, 0, s.c), row_of(sums, n * pieces, 0, s.c), pieces, 2 * s.c, 2 * s.c);
    if (!node->trains_params) return;
    sum_pieces(node->param_grad[0], row_of(totals, 0, 1, s.c), s.n, 2 * s.c, s.c);
    sum_pieces(node->param_grad[1], row_of(totals, 0, 0, s.c), s.n, 2 * s.c, s.c);
}

/* Replaces the sums of each image by the means of w g and w g x̂ over the pixels of each group. */
static void group_means(const Node *node, float *totals, int64_t pixels)
{
    const Shape s = node->in[0]->shape;
    const int64_t group = ((const Norm *)node->attr)->group;
    const double share = 1 / ((double)pixels * (double)group);
    const float *w = node->param_count ? node->param[0] : NULL;
    for (int64_t n = 0; n < 2 * s.n; n++)
        for (int64_t first = 0; first < s.c; first += group) {
            float *sums = totals + n * s.c + first;
            double mean = 0;
            for (int64_t i = 0; i < group; i++) mean += (double)sums[i] * (w ? (double)w[first + i] : 1);
            for (int64_t i = 0; i < group; i++) sums[i] = (float)(mean * share);
        }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0];
    const Pieces pieces = pieces_of_node(node);
    const int64_t c = in->shape.c, whole = c - c % SIMD_LANES, all = in->shape.n * pieces.count;
    float *sums = node->scratch, *totals = row_of(sums, all, 0, c), *moments = node->saved[0];
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all; k++) {
        const ImagePiece p = piece_of(node, &pieces, k, moments);
        float *sum = row_of(sums, k, 0, c), *product = row_of(sums, k, 1, c);
        for (int64_t i = 0; i < whole; i += SIMD_LANES) sums_lanes(sum, product, &p, i, SIMD_LANES);
        if (whole < c) sums_lanes(sum, product, &p, whole, (int)(c - whole));
    }
    join_sums(node, sums, totals, pieces.count);
    if (!node->wants_grad[0]) return;
    group_means(node, totals, pieces.total);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all; k++) {
        const ImagePiece p = piece_of(node, &pieces, k, moments);
        const float *sum = row_of(totals, k / pieces.count, 0, c), *product = row_of(totals, k / pieces.count, 1, c);
        for (int64_t i = 0; i < whole; i += SIMD_LANES) give_lanes(&p, sum, product, i, SIMD_LANES);
        if (whole < c) give_lanes(&p, sum, product, whole, (int)(c - whole));
    }
}

OP_IMPL(instance_norm) = {SIMD_HEAD,          .strided_in = 3,    .strided_out = 1,
                          .prepare = prepare, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(instance_norm);

static int64_t macs(const Node *node) { return (node->param_count ? 5 : 4) * shape_count(node->in[0]->shape); }

static int shape(Node *node, Err *e)
{
    const Norm *norm = node->attr;
    if (norm->group < 1)
        return err_set(e, ERR_SHAPE, "%" PRId64 " channels are not a multiple of the number of groups",
                       node->in[0]->shape.c);
    return shape_of_inputs(node, e);
}

const OpClass instance_norm_class = {
    .name = "instance_norm",
    .shape = shape,
    .macs = macs,
    .keeps_inputs = 1,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = OP_ON(instance_norm),
};

static const OpClass instance_norm_act_class = {
    .name = "instance_norm_act",
    .shape = shape_of_inputs,
    .macs = macs,
    .keeps_inputs = 1,
    .keeps_outputs = 1,
    .may_overwrite = 3,
    .may_overwrite_grad = 1,
    .on = OP_ON(instance_norm),
};

static bool merge(void *attr, const void *const *attrs, bool train)
{
    (void)train;
    const double slope = *(const double *)attrs[1];
    *(Norm *)attr = (Norm){((const Norm *)attrs[0])->group, (float)slope};
    return slope >= 0 && slope <= 1;
}

static bool merge_residual(void *attr, const void *const *attrs, bool train)
{
    const double drop_path = *(const double *)attrs[1];
    return merge(attr, (const void *const[]){attrs[0], attrs[2]}, train) && (drop_path == 0 || !train);
}

const OpFusion fuse_norm_act = {
    {&instance_norm_class, &leaky_relu_class}, {0, 1}, &instance_norm_act_class, sizeof(Norm), merge};
const OpFusion fuse_norm_add_act = {{&instance_norm_class, &add_class, &leaky_relu_class},
                                    {0, 3, 1},
                                    &instance_norm_act_class,
                                    sizeof(Norm),
                                    merge_residual};

bool op_norms_one_value(const Node *node)
{
    const Shape s = node->in[0]->shape;
    const bool is_norm = node->op == &instance_norm_class || node->op == &instance_norm_act_class;
    return is_norm && s.h * s.w * ((const Norm *)node->attr)->group == 1;
}

Ref op_instance_norm(Graph *g, const char *name, Ref x, bool affine)
{
    const int64_t c = graph_shape(g, x).c;
    const Norm norm = {1, 1};
    int params[2] = {0};
    scope_in(g, name);
    if (affine) {
        params[0] = graph_param(g, "weight", 1, &c, graph_norm_init(g), 0);
        params[1] = graph_param(g, "bias", 1, &c, INIT_ZERO, 0);
    }
    return scope_out(g, graph_node(g, &instance_norm_class, "", &norm, sizeof norm, &x, 1, params, affine ? 2 : 0));
}

Ref op_group_norm(Graph *g, const char *name, Ref x, int64_t groups)
{
    const int64_t c = graph_shape(g, x).c;
    const Norm norm = {groups > 0 && c % groups == 0 ? c / groups : 0, 1};
    scope_in(g, name);
    const int params[] = {graph_param(g, "weight", 1, &c, INIT_ONE, 0), graph_param(g, "bias", 1, &c, INIT_ZERO, 0)};
    return scope_out(g, graph_node(g, &instance_norm_class, "", &norm, sizeof norm, &x, 1, params, 2));
}
#endif
