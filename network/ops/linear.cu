/* Linear layers on a GPU; linear.c has the equations. In bfloat16 the products have bfloat16 operands: W and b are packed to that
 * type, float32 activations and gradients are cast, and dW is float32. */
#include "network/cuda/sums.h"

extern "C" {
#include "base/memory.h"
#include "network/cuda/product.h"
}

namespace
{
struct Products {
    GpuProduct *forward, *data, *weights;
};

size_t larger(size_t a, size_t b) { return a > b ? a : b; }
size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256; }

/* A product's operand: a tensor's rows, which are cast to a dense matrix if their type is another than the operand's. */
bool is_cast(const Node *node, const Tensor *t) { return t->dtype != node->impl->dtype; }

GpuMatrix operand(const Node *node, const Tensor *t, bool transposed)
{
    return {is_cast(node, t) ? t->shape.c : t->pitch, node->impl->dtype, transposed};
}

size_t cast_bytes(const Node *node, const Tensor *t)
{
    return is_cast(node, t) ? rounded((size_t)shape_count(t->shape) * sizeof(bf16)) : 0;
}

/* data: the tensor's data or gradient; to: cast_bytes of memory. */
const void *cast(const Node *node, const Tensor *t, const void *data, void *to)
{
    if (!is_cast(node, t)) return data;
    gpu_move((bf16 *)to, t->shape.c, (const float *)data, t->pitch, shape_pixels(t->shape), t->shape.c, false);
    return to;
}

/* The bias has the type of y. */
bool packs_bias(const Node *node) { return node->param_count > 1 && !is_cast(node, node->out[0]); }

/* Packed, in bfloat16: W, then b. */
size_t packed_weights(const Node *node) { return rounded((size_t)node->param_info[0]->count * sizeof(bf16)); }

/* Scratch of backward: the products' workspace, the table of db, then dy and x where they are cast. */
size_t workspace_of(const Products *p)
{
    return rounded(larger(gpu_product_workspace(p->data), gpu_product_workspace(p->weights)));
}

size_t table_of(const Node *node)
{
    return node->trains_param[1] ? rounded(gpu_gradient_sums_bytes(node->out[0]->shape)) : 0;
}

int new_products(Products *p, const Node *node, Err *e)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    const DType type = node->impl->dtype;
    const int64_t rows = shape_pixels(x->shape), in = x->shape.c, out = y->shape.c;
    const GpuMatrix result = {y->pitch, y->dtype, false}, dx = {x->pitch, x->dtype, false}, dw = {in, DTYPE_F32, false};
    const GpuProductShape forward = {
        rows, in, out, operand(node, x, false), {in, type, true}, result, false, node->param_count > 1, false};
    const GpuProductShape data = {rows, out,   in,    operand(node, y, false), {in, type, false},
                                  dx,   false, false, node->accumulate[0]};
    const GpuProductShape weights = {out,   rows,  in,   operand(node, y, true), operand(node, x, false), dw,
                                     false, false, false};
    TRY(gpu_product_new(&p->forward, &forward, e));
    if (node->has_backward && node->wants_grad[0]) TRY(gpu_product_new(&p->data, &data, e));
    if (node->trains_param[0]) TRY(gpu_product_new(&p->weights, &weights, e));
    return 0;
}

int prepare(Node *node, Err *e)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    Products *p = (Products *)mem_zalloc(1, sizeof *p, e);
    node->state = p;
    if (!p) return ERR_NOMEM;
    TRY(new_products(p, node, e));
    node->scratch_bytes[0] = rounded(gpu_product_workspace(p->forward)) + cast_bytes(node, x);
    node->scratch_bytes[1] = workspace_of(p) + table_of(node) + cast_bytes(node, y) + cast_bytes(node, x);
    if (node->impl->dtype == DTYPE_F32) return 0;
    node->packed_bytes = packed_weights(node) + (packs_bias(node) ? (size_t)y->shape.c * sizeof(bf16) : 0);
    node->packed_params = packs_bias(node) ? 3 : 1;
    return 0;
}

void release(Node *node)
{
    Products *p = (Products *)node->state;
    if (!p) return;
    gpu_product_free(p->forward);
    gpu_product_free(p->data);
    gpu_product_free(p->weights);
    mem_free(p);
}

bool is_packed(const Node *node, int i) { return node->packed_bytes && (i == 0 || packs_bias(node)); }

/* NULL if there is no such parameter. */
const void *packed_param(const Node *node, int i)
{
    return is_packed(node, i) ? (char *)node->packed + (i ? packed_weights(node) : 0) : (const void *)node->param[i];
}

void refresh(Node *node)
{
    for (int i = 0; i < node->param_count; i++) {
        const int64_t count = node->param_info[i]->count;
        if (is_packed(node, i)) gpu_move((bf16 *)packed_param(node, i), count, node->param[i], count, 1, count, false);
    }
}

void forward(Node *node, const Step *)
{
    const Products *p = (const Products *)node->state;
    const Tensor *x = node->in[0];
    char *const behind = (char *)node->scratch + rounded(gpu_product_workspace(p->forward));
    gpu_product_run(p->forward, cast(node, x, x->data, behind), packed_param(node, 0), packed_param(node, 1),
                    node->out[0]->data, node->scratch, node->failure);
}

void backward(Node *node, const Step *)
{
    const Products *p = (const Products *)node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    char *const table = (char *)node->scratch + workspace_of(p), *const casts = table + table_of(node);
    const void *dy = cast(node, y, y->grad, casts);
    if (p->data) gpu_product_run(p->data, dy, packed_param(node, 0), NULL, x->grad, node->scratch, node->failure);
    if (p->weights)
        gpu_product_run(p->weights, dy, cast(node, x, x->data, casts + cast_bytes(node, y)), NULL, node->param_grad[0],
                        node->scratch, node->failure);
    if (node->param_grad[1]) gpu_gradient_sums(node->param_grad[1], y, (float *)table);
}
} // namespace

GPU_IMPL(linear, .mixes = GpuType<T>::dtype == DTYPE_BF16, .strided_in = 1, .strided_out = 1, .prepare = prepare,
         .refresh = refresh, .forward = forward, .backward = backward, .release = release)
