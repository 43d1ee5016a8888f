/* Linear layers on a GPU; linear.c has the equations. In bfloat16 the products have bfloat16 operands: W and b are packed to that
 * type, and dW is float32. */
#include "network/cuda/sums.h"

extern "C" {
#include "base/memory.h"
#include "network/cuda/product.h"
}

namespace
{
const int64_t ROWS = 512; /* of dy, that a block sums for db */

struct Products {
    GpuProduct *forward, *data, *weights;
};

/* The sums of ROWS rows of dy; a row of the table for each. */
template <int N, class T>
__global__ void __launch_bounds__(GPU_STRIP_THREADS)
    sum_pieces(Plane<const T> g, int64_t rows, int64_t columns, float *table)
{
    typedef GpuStrip<N> Strip;
    SHARED(float, values, N *GPU_STRIP_THREADS);
    const int64_t c = Strip::channel(), start = (int64_t)blockIdx.y * ROWS;
    const int64_t end = start + ROWS < rows ? start + ROWS : rows;
    Lanes<N> sum = {};
    for (int64_t r = start + Strip::row(); c < columns && r < end; r += Strip::along) {
        const Lanes<N> v = gpu_load<N>(g.at(r, c));
        for (int i = 0; i < N; i++) sum.of[i] += v.of[i];
    }
    const double total = gpu_sum_strip(values, sum);
    const int64_t mine = (int64_t)blockIdx.x * Strip::channels + threadIdx.x;
    if (threadIdx.x < Strip::channels && mine < columns) table[blockIdx.y * columns + mine] = (float)total;
}

struct Pack {
    bf16 *to;
    const float *from;
    template <int N> __device__ void at(int64_t, int64_t i) const { gpu_store(to + i, gpu_load<N>(from + i)); }
};

size_t larger(size_t a, size_t b) { return a > b ? a : b; }
int64_t pieces_of(int64_t rows) { return (rows + ROWS - 1) / ROWS; }
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
    if (pieces_of(rows) > 65535) return err_set(e, ERR_UNSUPPORTED, "%lld rows", (long long)rows);
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
    if (bias && node->trains_param[1]) node->scratch_bytes[1] += (size_t)(pieces_of(rows) * out) * sizeof(float);
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

template <class T> void sum_rows(const Node *node, float *table)
{
    const Tensor *y = node->out[0];
    const int64_t rows = shape_pixels(y->shape), columns = y->shape.c, pieces = pieces_of(rows);
    const Plane<const T> g = {(const T *)y->grad, y->pitch};
    GpuShape s = gpu_rows(rows, columns);
    gpu_narrow(&s, y->grad, y->pitch);
    if (s.aligned)
        LAUNCH((sum_pieces<GPU_LANES, T>), dim3((unsigned)GpuStrip<GPU_LANES>::count(columns), (unsigned)pieces),
               GPU_STRIP_THREADS, 0, g, rows, columns, table);
    else
        LAUNCH((sum_pieces<1, T>), dim3((unsigned)GpuStrip<1>::count(columns), (unsigned)pieces), GPU_STRIP_THREADS, 0,
               g, rows, columns, table);
    gpu_sum_rows(node->param_grad[1], 0, table, pieces, columns, columns, 1);
}

template <class T> void backward(Node *node, const Step *)
{
    const Products *p = (const Products *)node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    if (p->data) gpu_product_run(p->data, y->grad, packed_param(node, 0), NULL, x->grad, node->scratch, node->failure);
    if (p->weights)
        gpu_product_run(p->weights, y->grad, x->data, NULL, node->param_grad[0], node->scratch, node->failure);
    if (node->param_count > 1 && node->param_grad[1])
        sum_rows<T>(node, (float *)((char *)node->scratch + workspace_of(p)));
}
} // namespace

GPU_IMPL(linear, .strided_in = 1, .strided_out = 1, .prepare = prepare<T>, .refresh = refresh, .forward = forward,
         .backward = backward<T>, .release = release)
