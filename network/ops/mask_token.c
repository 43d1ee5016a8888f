/* Masked tokens (Xie et al. 2022, SimMIM): y = t where a token is masked, else x; t is one learned vector. Backward: dx = g where
 * it is not masked, dt = Σ g over the masked tokens. */
#include "network/ops/kernel.h"
#include "network/ops/loss_labels.h"

enum { PIECE = 64, MOST_PIECES = 256 };

static Pieces pieces_of_tokens(const Node *node)
{
    return pieces_of(shape_pixels(node->in[0]->shape), PIECE, MOST_PIECES);
}

static bool is_masked(const Node *node, int64_t token)
{
    return loss_label(node->in[1]->data, node->in[1]->shape, node->in[0]->shape, token) > 0;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *in = node->in[0], *out = node->out[0];
    const size_t bytes = (size_t)in->shape.c * sizeof(float);
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(in->shape); p++) {
        const float *x = (const float *)in->data + p * in->pitch, *y = is_masked(node, p) ? node->param[0] : x;
        float *to = (float *)out->data + p * out->pitch;
        if (to != y) memcpy(to, y, bytes);
    }
}

/* partial[piece]: Σ g over the masked tokens of the piece. */
static void sum_masked(const Node *node, float *partial)
{
    const Tensor *out = node->out[0];
    const Pieces pieces = pieces_of_tokens(node);
    const int64_t c = out->shape.c;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < pieces.count; k++) {
        float *sum = partial + k * c;
        memset(sum, 0, (size_t)c * sizeof *sum);
        for (int64_t p = k * pieces.size; p < piece_end(&pieces, k); p++) {
            const float *g = (const float *)out->grad + p * out->pitch;
            for (int64_t i = 0; i < c && is_masked(node, p); i++) sum[i] += g[i];
        }
    }
    sum_pieces(node->param_grad[0], partial, pieces.count, c, c);
}

static void give_others(const Node *node)
{
    const Tensor *in = node->in[0], *out = node->out[0];
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(in->shape); p++) {
        const float share = is_masked(node, p) ? 0 : 1, *g = (const float *)out->grad + p * out->pitch;
        float *dx = (float *)in->grad + p * in->pitch;
        for (int64_t i = 0; i < in->shape.c; i++) dx[i] = share * g[i] + (node->accumulate[0] ? dx[i] : 0);
    }
}

static int prepare(Node *node, Err *e)
{
    (void)e;
    node->scratch_bytes[1] = (size_t)(pieces_of_tokens(node).count * node->in[0]->shape.c) * sizeof(float);
    return 0;
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    if (node->param_grad[0]) sum_masked(node, node->scratch);
    if (node->wants_grad[0]) give_others(node);
}

static const OpImpl mask_token_portable = {.name = "portable",
                                           .strided_in = 1,
                                           .strided_out = 1,
                                           .prepare = prepare,
                                           .forward = forward,
                                           .backward = backward};
OP_LIST_CUDA(mask_token);
static const OpImpl *const mask_token_list[] = {&mask_token_portable, NULL};

static int shape(Node *node, Err *e)
{
    TRY(loss_expect_labels(node, e));
    node->out[0]->shape = node->in[0]->shape;
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static const OpClass mask_token_class = {
    .name = "mask_token",
    .shape = shape,
    .keeps_inputs = 2,
    .may_overwrite = 1,
    .may_overwrite_grad = 1,
    .on = OP_ON(mask_token),
};

Ref op_mask_token(Graph *g, const char *name, Ref x, Ref labels)
{
    const Ref inputs[] = {x, labels};
    const int param = graph_param(g, name, 3, (int64_t[]){1, 1, graph_shape(g, x).c}, INIT_TRUNC_NORMAL, 0);
    return graph_node(g, &mask_token_class, name, NULL, 0, inputs, 2, &param, 1);
}
