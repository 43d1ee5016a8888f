/* Concatenation along channels: out = (a, b). An input (or gradient of an input) that the memory planner has made a
 * slice of the output (or of its gradient) needs no copy. */
#include "network/ops/kernel.h"
#include "network/ops/ops.h"

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *out = node->out[0];
    Elem *place = out->data;
    for (int i = 0; i < node->input_count; i++) {
        const Tensor *in = node->in[i];
        move_pixels(place, out->pitch, in->data, in->pitch, shape_pixels(in->shape), in->shape.c, false);
        place += in->shape.c;
    }
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *out = node->out[0];
    const Elem *place = out->grad;
    for (int i = 0; i < node->input_count; i++) {
        const Tensor *in = node->in[i];
        if (node->wants_grad[i])
            move_pixels(in->grad, in->pitch, place, out->pitch, shape_pixels(in->shape), in->shape.c,
                        node->accumulate[i]);
        place += in->shape.c;
    }
}

OP_IMPL(concat) = {SIMD_HEAD, .strided_in = 3, .strided_out = 1, .forward = forward, .backward = backward};

#ifdef SIMD_BASE
OP_LIST(concat);

static int shape(Node *node, Err *e)
{
    const Shape a = node->in[0]->shape, b = node->in[1]->shape;
    if (a.n != b.n || a.h != b.h || a.w != b.w)
        return err_set(e, ERR_SHAPE, "inputs of the same size expected, found " SHAPE_FORMAT " and " SHAPE_FORMAT,
                       SHAPE_ARGS(a), SHAPE_ARGS(b));
    node->out[0]->shape = (Shape){a.n, a.h, a.w, a.c + b.c};
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static const OpClass concat_class = {.name = "concat", .shape = shape, .view = VIEW_CONCAT, .on = OP_ON(concat)};

Ref op_concat(Graph *g, Ref a, Ref b)
{
    const Ref inputs[] = {a, b};
    return graph_node(g, &concat_class, "concat", NULL, 0, inputs, 2, NULL, 0);
}
#endif
