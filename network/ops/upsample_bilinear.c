/* Bilinear upsampling to twice the height and width (PyTorch's Upsample, align_corners false): row 2i is 3/4 row i + 1/4
 * row i-1, row 2i+1 is 3/4 row i + 1/4 row i+1, rows outside the image are those at its edge; columns likewise.
 * Backward: each pixel gets its weights' parts of the up to 4 × 4 gradients that it contributed to. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

enum { READERS = 4 };

/* The other row (column) that row r of the output reads, beside r / 2. */
static int64_t other_source(int64_t r, int64_t length)
{
    const int64_t other = r / 2 + (r % 2 ? 1 : -1);
    return other < 0 ? 0 : other >= length ? length - 1 : other;
}

SIMD_INLINE void mix_lanes(Elem *y, const Elem *const near[2], const Elem *const far[2], int64_t i, int count)
{
    const vf a = v_get(near[0] + i, count) * 0.75f + v_get(near[1] + i, count) * 0.25f;
    const vf b = v_get(far[0] + i, count) * 0.75f + v_get(far[1] + i, count) * 0.25f;
    v_put(y + i, a * 0.75f + b * 0.25f, count);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const Shape s = in->shape, t = out->shape;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < t.n * t.h; row++) {
        const int64_t first = row / t.h * s.h;
        const Elem *near = (const Elem *)in->data + (first + row % t.h / 2) * s.w * in->pitch;
        const Elem *far = (const Elem *)in->data + (first + other_source(row % t.h, s.h)) * s.w * in->pitch;
        for (int64_t x = 0; x < t.w; x++) {
            const int64_t a = x / 2 * in->pitch, b = other_source(x, s.w) * in->pitch;
            const Elem *const near_pair[2] = {near + a, near + b}, *const far_pair[2] = {far + a, far + b};
            Elem *y = (Elem *)out->data + (row * t.w + x) * out->pitch;
            int64_t i = 0;
            for (; i + SIMD_LANES <= s.c; i += SIMD_LANES) mix_lanes(y, near_pair, far_pair, i, SIMD_LANES);
            if (i < s.c) mix_lanes(y, near_pair, far_pair, i, (int)(s.c - i));
        }
    }
}

/* The rows (columns) of the output that read row `source`, and their weights. */
typedef struct Readers {
    int count;
    int64_t at[READERS];
    float weight[READERS];
} Readers;

static Readers readers_of(int64_t source, int64_t length)
{
    Readers r = {.count = 0};
    for (int64_t at = 2 * source - 1; at <= 2 * source + 2; at++) {
        if (at < 0 || at >= 2 * length) continue;
        r.at[r.count] = at;
        r.weight[r.count++] = (at / 2 == source ? 0.75f : 0.0f) + (other_source(at, length) == source ? 0.25f : 0.0f);
    }
    return r;
}

SIMD_INLINE void gather_lanes(Elem *dx, const Elem *g, const Tensor *out, const Readers *rows, const Readers *columns,
                              bool accumulate, int count)
{
    vf sum = {0};
    for (int u = 0; u < rows->count; u++) {
        const Elem *row = g + rows->at[u] * out->shape.w * out->pitch;
        vf part = {0};
        for (int v = 0; v < columns->count; v++)
            part += v_get(row + columns->at[v] * out->pitch, count) * columns->weight[v];
        sum += part * rows->weight[u];
    }
    v_put(dx, accumulate ? sum + v_get(dx, count) : sum, count);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const Shape s = in->shape, t = out->shape;
    const bool accumulate = node->accumulate[0];
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < s.n * s.h; row++) {
        const Readers rows = readers_of(row % s.h, s.h);
        const Elem *g = (const Elem *)out->grad + row / s.h * t.h * t.w * out->pitch;
        for (int64_t x = 0; x < s.w; x++) {
            const Readers columns = readers_of(x, s.w);
            Elem *dx = (Elem *)in->grad + (row * s.w + x) * in->pitch;
            int64_t i = 0;
            for (; i + SIMD_LANES <= s.c; i += SIMD_LANES)
                gather_lanes(dx + i, g + i, out, &rows, &columns, accumulate, SIMD_LANES);
            if (i < s.c) gather_lanes(dx + i, g + i, out, &rows, &columns, accumulate, (int)(s.c - i));
        }
    }
}

OP_IMPL(upsample_bilinear) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(upsample_bilinear);

static int shape(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    (void)e;
    node->out[0]->shape = (Shape){s.n, 2 * s.h, 2 * s.w, s.c};
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static int64_t macs(const Node *node) { return 4 * shape_count(node->out[0]->shape); }

static const OpClass upsample_bilinear_class = {
    .name = "upsample_bilinear", .shape = shape, .macs = macs, .on = OP_ON(upsample_bilinear)};

Ref op_upsample_bilinear(Graph *g, Ref x)
{
    return graph_node(g, &upsample_bilinear_class, "upsample_bilinear", NULL, 0, &x, 1, NULL, 0);
}
#endif
