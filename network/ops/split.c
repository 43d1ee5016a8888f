/* Split along channels: a = the first channels of x, b = the others. A part (or gradient of a part) that the memory
 * planner has made a slice of x (or of its gradient) needs no copy. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0];
    const Elem *place = in->data;
    for (int i = 0; i < node->output_count; i++) {
        const Tensor *out = node->out[i];
        move_pixels(out->data, out->pitch, place, in->pitch, shape_pixels(in->shape), out->shape.c, false);
        place += out->shape.c;
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0];
    const int64_t pixels = shape_pixels(in->shape);
    Elem *place = in->grad;
    for (int i = 0; i < node->output_count; i++) {
        const Tensor *out = node->out[i];
        if (out->grad) move_pixels(place, in->pitch, out->grad, out->pitch, pixels, out->shape.c, node->accumulate[0]);
        else if (!node->accumulate[0])
            clear_pixels(place, in->pitch, pixels, out->shape.c); /* this part has no gradient */
        place += out->shape.c;
    }
}

OP_IMPL(split) = {SIMD_HEAD, .strided_in = 1, .strided_out = 3, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(split);

static int shape(Node *node, Err *e)
{
    const int64_t first = *(const int64_t *)node->attr;
    const Shape s = node->in[0]->shape;
    if (first < 1 || first >= s.c)
        return err_set(e, ERR_SHAPE, "cannot split after channel %" PRId64 " of %" PRId64, first, s.c);
    for (int i = 0; i < 2; i++) {
        node->out[i]->shape = (Shape){s.n, s.h, s.w, i ? s.c - first : first};
        node->out[i]->dtype = node->in[0]->dtype;
    }
    return 0;
}

static const OpClass split_class = {.name = "split", .shape = shape, .view = VIEW_SPLIT, .on = OP_ON(split)};

void op_split(Graph *g, Ref x, int64_t first_channels, Ref *a, Ref *b)
{
    *a = graph_node(g, &split_class, "split", &first_channels, sizeof first_channels, &x, 1, NULL, 0);
    *b = (Ref){a->value + 1};
}
#endif
