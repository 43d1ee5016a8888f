/* Average pooling over windows that do not overlap: y[i,j] = mean of x[i·f + u, j·g + v] over 0 <= u < f, 0 <= v < g
 * (PyTorch's AvgPool2d with kernel = stride = (f, g)). Rows and columns after the last whole window are not used.
 * Backward: each pixel of a window gets dy / (f g). */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

/* The rows of a window in the tensor's data or gradient. */
typedef struct Window {
    Elem *at;
    int64_t pitch, row; /* elements from pixel to pixel, from row to row */
    PairYX size;
} Window;

static Window window_of(Elem *start, const Tensor *t, const Tensor *out, PairYX size, int64_t pixel)
{
    const int64_t row = pixel / out->shape.w, x = pixel % out->shape.w * size.x;
    const int64_t y = row / out->shape.h * t->shape.h + row % out->shape.h * size.y;
    return (Window){start + (y * t->shape.w + x) * t->pitch, t->pitch, t->shape.w * t->pitch, size};
}

SIMD_INLINE void mean_lanes(Elem *y, const Window *w, int64_t i, int count)
{
    vf sum = {0};
    for (int64_t u = 0; u < w->size.y; u++)
        for (int64_t v = 0; v < w->size.x; v++) sum += v_get(w->at + u * w->row + v * w->pitch + i, count);
    v_put(y + i, sum * (1.0f / (float)(w->size.y * w->size.x)), count);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const PairYX size = *(const PairYX *)node->attr;
    const int64_t c = in->shape.c;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(out->shape); p++) {
        const Window w = window_of(in->data, in, out, size, p);
        Elem *y = (Elem *)out->data + p * out->pitch;
        int64_t i = 0;
        for (; i + SIMD_LANES <= c; i += SIMD_LANES) mean_lanes(y, &w, i, SIMD_LANES);
        if (i < c) mean_lanes(y, &w, i, (int)(c - i));
    }
}

SIMD_INLINE void give_lanes(const Window *w, const Elem *g, int64_t i, bool accumulate, int count)
{
    const vf share = v_get(g + i, count) * (1.0f / (float)(w->size.y * w->size.x));
    for (int64_t u = 0; u < w->size.y; u++)
        for (int64_t v = 0; v < w->size.x; v++) {
            Elem *dx = w->at + u * w->row + v * w->pitch + i;
            v_put(dx, accumulate ? share + v_get(dx, count) : share, count);
        }
}

/* Sets the gradient of the pixels after the last whole window to 0. */
static void clear_rest(const Tensor *in, const Tensor *out, PairYX size)
{
    const Shape s = in->shape;
    const int64_t rows = out->shape.h * size.y, columns = out->shape.w * size.x;
    for (int64_t row = 0; row < s.n * s.h; row++) {
        const int64_t used = row % s.h < rows ? columns : 0;
        clear_pixels((Elem *)in->grad + (row * s.w + used) * in->pitch, in->pitch, s.w - used, s.c);
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const PairYX size = *(const PairYX *)node->attr;
    const int64_t c = in->shape.c;
    if (!node->accumulate[0]) clear_rest(in, out, size);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(out->shape); p++) {
        const Window w = window_of(in->grad, in, out, size, p);
        const Elem *g = (const Elem *)out->grad + p * out->pitch;
        int64_t i = 0;
        for (; i + SIMD_LANES <= c; i += SIMD_LANES) give_lanes(&w, g, i, node->accumulate[0], SIMD_LANES);
        if (i < c) give_lanes(&w, g, i, node->accumulate[0], (int)(c - i));
    }
}

OP_IMPL(average_pool) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(average_pool);

static int shape(Node *node, Err *e)
{
    const PairYX size = *(const PairYX *)node->attr;
    const Shape s = node->in[0]->shape;
    if (size.y < 1 || size.x < 1 || s.h < size.y || s.w < size.x)
        return err_set(e, ERR_SHAPE,
                       "an image of %" PRId64 "x%" PRId64 " has no window of %" PRId64 "x%" PRId64 " pixels", s.h, s.w,
                       size.y, size.x);
    node->out[0]->shape = (Shape){s.n, s.h / size.y, s.w / size.x, s.c};
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static const OpClass average_pool_class = {.name = "average_pool", .shape = shape, .on = OP_ON(average_pool)};

Ref op_average_pool(Graph *g, Ref x, PairYX size)
{
    return graph_node(g, &average_pool_class, "average_pool", &size, sizeof size, &x, 1, NULL, 0);
}
#endif
