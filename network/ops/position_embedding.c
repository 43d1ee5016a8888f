/* Learned position embedding (Dosovitskiy et al. 2021): y = x + p, where p has a vector for each pixel, the same for all
 * images. Backward: dx = g, dp = Σ g over the images. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

SIMD_INLINE void add_lanes(Elem *y, const Elem *x, const float *p, int count)
{
    v_put(y, v_get(x, count) + v_load_first(p, count), count);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const int64_t c = in->shape.c, places = in->shape.h * in->shape.w;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(in->shape); p++) {
        const Elem *x = (const Elem *)in->data + p * in->pitch;
        Elem *y = (Elem *)out->data + p * out->pitch;
        const float *add = node->param[0] + p % places * c;
        int64_t i = 0;
        for (; i + SIMD_LANES <= c; i += SIMD_LANES) add_lanes(y + i, x + i, add + i, SIMD_LANES);
        if (i < c) add_lanes(y + i, x + i, add + i, (int)(c - i));
    }
}

/* dp of the pixels' own place. */
static void sum_images(const Node *node)
{
    const Tensor *out = node->out[0];
    const Shape s = out->shape;
    const int64_t places = s.h * s.w;
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < places; p++)
        for (int64_t i = 0; i < s.c; i += SIMD_LANES) {
            const int count = lanes_left(s.c - i);
            vf sum = {0};
            for (int64_t n = 0; n < s.n; n++)
                sum += v_get((const Elem *)out->grad + (n * places + p) * out->pitch + i, count);
            v_store_first(node->param_grad[0] + p * s.c + i, sum, count);
        }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    if (node->param_grad[0]) sum_images(node);
    if (node->wants_grad[0])
        move_pixels(in->grad, in->pitch, out->grad, out->pitch, shape_pixels(in->shape), in->shape.c,
                    node->accumulate[0]);
}

OP_IMPL(position_embedding) = {SIMD_HEAD, .strided_in = 1, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(position_embedding);

static int shape(Node *node, Err *e)
{
    const Shape s = node->in[0]->shape;
    const int64_t *p = node->param_info[0]->shape;
    if (p[1] != s.h * s.w || p[2] != s.c)
        return err_set(e, ERR_SHAPE,
                       "%" PRId64 " pixels of %" PRId64 " channels: the embedding has %" PRId64 " of %" PRId64
                       ", those of the training's patch",
                       s.h * s.w, s.c, p[1], p[2]);
    return shape_of_inputs(node, e);
}

static const OpClass position_embedding_class = {
    .name = "position_embedding",
    .shape = shape,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = OP_ON(position_embedding),
};

Ref op_position_embedding(Graph *g, const char *name, Ref x)
{
    const Shape s = graph_shape(g, x);
    const int param = graph_param(g, name, 3, (int64_t[]){1, s.h * s.w, s.c}, INIT_TRUNC_NORMAL, 0);
    return graph_node(g, &position_embedding_class, name, NULL, 0, &x, 1, &param, 1);
}
#endif
