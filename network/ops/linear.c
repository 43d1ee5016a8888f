/* y = x Wᵀ + b over the channels of every pixel (PyTorch Linear: W (out, in), b (out)).
 *   dx = dy W,  dW = dyᵀ x,  db = Σ dy. */

#include "base/memory.h"
#include "network/graph/op.h"
#include "network/ops/ops.h"
#include "network/ops/pixel_sums.h"
#include "network/ops/plain.h"
#include "network/ops/weight_product.h"

typedef struct Linear {
    int64_t out_channels;
    bool bias;
} Linear;

static int shape(Node *node, Err *e)
{
    const Linear *linear = node->attr;
    const Shape s = node->in[0]->shape;
    if (s.c != node->param_info[0]->shape[1])
        return err_set(e, ERR_SHAPE, "%lld input channels: the weight expects %lld", (long long)s.c,
                       (long long)node->param_info[0]->shape[1]);
    node->out[0]->shape = (Shape){s.n, s.h, s.w, linear->out_channels};
    return 0;
}

static int64_t macs(const Node *node) { return shape_count(node->in[0]->shape) * node->out[0]->shape.c; }

/* forward: y = x Wᵀ, with packed weights. data: dx = dy W, with packed weights only in bfloat16. weights: dW. */
typedef struct Products {
    Product *forward, *data;
    WeightProduct weights;
} Products;

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static int prepare_forward(Node *node, Products *p, Err *e)
{
    const Linear *linear = node->attr;
    const Tensor *x = node->in[0], *y = node->out[0];
    const DnnProduct product = {.rows = shape_pixels(x->shape),
                                .depth = x->shape.c,
                                .columns = y->shape.c,
                                .a_strides = {x->pitch, 1},
                                .b_strides = {1, x->shape.c},
                                .c_pitch = y->pitch,
                                .dtype = node->impl->dtype,
                                .a_dtype = x->dtype,
                                .c_dtype = y->dtype,
                                .weights = true,
                                .bias = linear->bias};
    TRY(product_new(&p->forward, &product, e));
    node->scratch_bytes[0] = product_scratch_bytes(p->forward);
    return 0;
}

/* In float32 packing the weights for dx does not make the product faster. */
static bool packs_data(const Node *node) { return node->impl->dtype == DTYPE_BF16; }

static int prepare_backward(Node *node, Products *p, Err *e)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    const int64_t rows = shape_pixels(x->shape);
    const DnnProduct data = {.rows = rows,
                             .depth = y->shape.c,
                             .columns = x->shape.c,
                             .a_strides = {y->pitch, 1},
                             .b_strides = {x->shape.c, 1},
                             .c_pitch = x->pitch,
                             .dtype = node->impl->dtype,
                             .a_dtype = y->dtype,
                             .c_dtype = x->dtype,
                             .weights = packs_data(node),
                             .accumulate = node->accumulate[0]};
    const WeightOperands weights = {rows,     y->shape.c,        x->shape.c, y->pitch,
                                    x->pitch, node->impl->dtype, y->dtype,   x->dtype};
    if (node->wants_grad[0]) TRY(product_new(&p->data, &data, e));
    if (node->trains_param[0]) TRY(weight_product_new(&p->weights, &weights, e));
    node->scratch_bytes[1] = larger(product_scratch_bytes(p->data), weight_product_scratch(&p->weights));
    return 0;
}

static int prepare(Node *node, Err *e)
{
    Products *p = node->state = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    TRY(prepare_forward(node, p, e));
    TRY(prepare_backward(node, p, e));
    const size_t forward = product_packed_bytes(p->forward), data = product_packed_bytes(p->data);
    node->packed_bytes = forward + data;
    if (forward && (!p->data || data)) node->packed_params = 1;
    return 0;
}

static void refresh(Node *node)
{
    const Products *p = node->state;
    product_pack(p->forward, node->param[0], node->packed, node->failure);
    if (p->data && packs_data(node))
        product_pack(p->data, node->param[0], (char *)node->packed + product_packed_bytes(p->forward), node->failure);
}

static void release(Node *node)
{
    Products *p = node->state;
    if (!p) return;
    product_free(p->forward);
    product_free(p->data);
    weight_product_free(&p->weights);
    mem_free(p);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Products *p = node->state;
    product_run(p->forward, node->in[0]->data, NULL, node->param[1], node->out[0]->data, node->scratch, node->failure);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    Products *p = node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    const float *weights = packs_data(node) ? NULL : node->param[0];
    if (p->data) product_run(p->data, y->grad, weights, NULL, x->grad, node->scratch, node->failure);
    if (p->weights.product)
        weight_product_run(&p->weights, y->grad, x->data, node->param_grad[0], node->scratch, node->failure);
    if (node->param_count > 1 && node->param_grad[1]) pixel_sums(y, node->param_grad[1]);
}

static const OpImpl product_bf16 = {.name = "product",
                                    .level = SIMD_AVX512_BF16,
                                    .dtype = DTYPE_BF16,
                                    .mixes = true,
                                    .strided_in = 1,
                                    .strided_out = 1,
                                    .prepare = prepare,
                                    .refresh = refresh,
                                    .forward = forward,
                                    .backward = backward,
                                    .release = release};
static const OpImpl product = {.name = "product",
                               .strided_in = 1,
                               .strided_out = 1,
                               .prepare = prepare,
                               .refresh = refresh,
                               .forward = forward,
                               .backward = backward,
                               .release = release};
OP_LIST_CUDA(linear);
static const OpImpl *const linear_list[] = {&product_bf16, &product, &plain_linear, NULL};
static const OpClass linear_class = {
    .name = "linear", .shape = shape, .macs = macs, .product_macs = macs, .keeps_for_params = 1, .on = OP_ON(linear)};

Ref op_linear(Graph *g, const char *name, Ref x, int64_t out_channels, bool bias)
{
    const Linear attr = {out_channels, bias};
    const InitPolicy policy = graph_policy(g);
    const int64_t in_channels = graph_shape(g, x).c, weight[] = {out_channels, in_channels};
    scope_in(g, name);
    int params[2] = {graph_param(g, "weight", 2, weight, policy.linear_weight, 0)};
    if (bias) params[1] = graph_param(g, "bias", 1, &out_channels, policy.linear_bias, in_channels);
    return scope_out(g, graph_node(g, &linear_class, "", &attr, sizeof attr, &x, 1, params, bias ? 2 : 1));
}
