/* Linear layers on a GPU; linear.c has the equations. In bfloat16 the products have bfloat16 operands: W and b are packed to that
 * type, and dW is float32. */
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

struct Pack {
    bf16 *to;
    const float *from;
    template <int N> __device__ void at(int64_t, int64_t i) const { gpu_store(to + i, gpu_load<N>(from + i)); }
};

size_t larger(size_t a, size_t b) { return a > b ? a : b; }
size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256; }

/* Packed, in bfloat16: W, then b. */
size_t packed_weights(const Node *node) { return rounded((size_t)node->param_info[0]->count * sizeof(bf16)); }

/* Scratch of backward: the products' workspace, then the table of db. */
size_t workspace_of(const Products *p)
{
    return rounded(larger(gpu_product_workspace(p->data), gpu_product_workspace(p->weights)));
}

template <class T> int prepare(Node *node, Err *e)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    const DType type = GpuType<T>::dtype;
    const int64_t rows = shape_pixels(x->shape), in = x->shape.c, out = y->shape.c;
    const bool bias = node->param_count > 1;
    Products *p = (Products *)mem_zalloc(1, sizeof *p, e);
    node->state = p;
    if (!p) return ERR_NOMEM;
    const GpuProductShape forward = {
        rows, in, out, {x->pitch, type, false}, {in, type, true}, {y->pitch, type, false}, false, bias, false};
    const GpuProductShape data = {rows,
                                  out,
                                  in,
                                  {y->pitch, type, false},
                                  {in, type, false},
                                  {x->pitch, type, false},
                                  false,
                                  false,
                                  node->accumulate[0]};
    const GpuProductShape weights = {
        out, rows, in, {y->pitch, type, true}, {x->pitch, type, false}, {in, DTYPE_F32, false}, false, false, false};
    TRY(gpu_product_new(&p->forward, &forward, e));
    if (node->has_backward && node->wants_grad[0]) TRY(gpu_product_new(&p->data, &data, e));
    if (node->trains_param[0]) TRY(gpu_product_new(&p->weights, &weights, e));
    node->scratch_bytes[0] = gpu_product_workspace(p->forward);
    node->scratch_bytes[1] = workspace_of(p);
    if (bias && node->trains_param[1]) node->scratch_bytes[1] += gpu_gradient_sums_bytes(y->shape);
    if (type == DTYPE_F32) return 0;
    node->packed_bytes = packed_weights(node) + (bias ? (size_t)out * sizeof(T) : 0);
    node->packed_params = bias ? 3 : 1;
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

const void *packed_param(const Node *node, int i)
{
    if (i >= node->param_count) return NULL;
    return node->packed_bytes ? (char *)node->packed + (i ? packed_weights(node) : 0) : (const void *)node->param[i];
}

void refresh(Node *node)
{
    for (int i = 0; node->packed_bytes && i < node->param_count; i++) {
        bf16 *to = (bf16 *)packed_param(node, i);
        GpuShape s = gpu_rows(1, node->param_info[i]->count);
        gpu_narrow(&s, to, s.columns);
        gpu_narrow(&s, node->param[i], s.columns);
        gpu_each(s, Pack{to, node->param[i]});
    }
}

void forward(Node *node, const Step *)
{
    const Products *p = (const Products *)node->state;
    gpu_product_run(p->forward, node->in[0]->data, packed_param(node, 0), packed_param(node, 1), node->out[0]->data,
                    node->scratch, node->failure);
}

void backward(Node *node, const Step *)
{
    const Products *p = (const Products *)node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    if (p->data) gpu_product_run(p->data, y->grad, packed_param(node, 0), NULL, x->grad, node->scratch, node->failure);
    if (p->weights)
        gpu_product_run(p->weights, y->grad, x->data, NULL, node->param_grad[0], node->scratch, node->failure);
    if (node->param_count > 1 && node->param_grad[1])
        gpu_gradient_sums(node->param_grad[1], y, (float *)((char *)node->scratch + workspace_of(p)));
}
} // namespace

GPU_IMPL(linear, .strided_in = 1, .strided_out = 1, .prepare = prepare<T>, .refresh = refresh, .forward = forward,
         .backward = backward, .release = release)
