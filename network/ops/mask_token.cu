/* Masked tokens on a GPU; mask_token.c has the equations. */
#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/loss_labels.h"
}

namespace
{
const int PIECE = 64; /* tokens */

struct Mask {
    const int16_t *labels;
    Shape full, tokens;
    __device__ bool at(int64_t token) const { return loss_label(labels, full, tokens, token) > 0; }
};

struct Replace {
    Plane<float> y;
    Plane<const float> x;
    const float *token;
    Mask mask;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        gpu_store(y.at(pixel, c), gpu_load<N>(mask.at(pixel) ? token + c : x.at(pixel, c)));
    }
};

struct GiveOthers {
    Plane<float> dx;
    Plane<const float> g;
    Mask mask;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        Lanes<N> v = {};
        if (!mask.at(pixel)) v = gpu_load<N>(g.at(pixel, c));
        gpu_give(dx.at(pixel, c), v, add);
    }
};

/* A row of the table: the sum of the gradients of a piece's masked tokens. */
struct SumMasked {
    float *table;
    Plane<const float> g;
    Mask mask;
    int64_t pixels, channels;
    template <int N> __device__ void at(int64_t piece, int64_t c) const
    {
        Lanes<N> sum = {};
        for (int64_t p = piece * PIECE; p < (piece + 1) * PIECE && p < pixels; p++) {
            if (!mask.at(p)) continue;
            const Lanes<N> v = gpu_load<N>(g.at(p, c));
            for (int i = 0; i < N; i++) sum.of[i] += v.of[i];
        }
        gpu_store(table + piece * channels + c, sum);
    }
};

int64_t pieces_of(const Node *node) { return (shape_pixels(node->in[0]->shape) + PIECE - 1) / PIECE; }

Mask mask_of(const Node *node) { return {(const int16_t *)node->in[1]->data, node->in[1]->shape, node->in[0]->shape}; }

/* The tokens; in[1] is of another shape. */
GpuShape tokens_of(const Node *node, int64_t rows)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    GpuShape s = gpu_rows(rows, in->shape.c);
    for (const Tensor *t : {in, out}) {
        gpu_narrow(&s, t->data, t->pitch);
        gpu_narrow(&s, t->grad, t->pitch);
    }
    s.dense = false; /* the functors need the token */
    return s;
}

int prepare(Node *node, Err *)
{
    node->scratch_bytes[1] = (size_t)(pieces_of(node) * node->in[0]->shape.c) * sizeof(float);
    return 0;
}

void forward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const GpuShape s = tokens_of(node, shape_pixels(in->shape));
    gpu_each(s, Replace{gpu_data<float>(out, s), gpu_data<const float>(in, s), node->param[0], mask_of(node)});
}

void backward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const int64_t c = in->shape.c, pixels = shape_pixels(in->shape), pieces = pieces_of(node);
    float *const table = (float *)node->scratch;
    if (node->param_grad[0]) {
        const GpuShape s = tokens_of(node, pieces);
        gpu_each(s, SumMasked{table, gpu_grad<const float>(out, s), mask_of(node), pixels, c});
        gpu_sum_rows(node->param_grad[0], c, table, pieces, c, c, 1);
    }
    if (!node->wants_grad[0]) return;
    const GpuShape s = tokens_of(node, pixels);
    gpu_each(s, GiveOthers{gpu_grad<float>(in, s), gpu_grad<const float>(out, s), mask_of(node), node->accumulate[0]});
}
} // namespace

GPU_IMPL_F32(mask_token, .strided_in = 1, .strided_out = 1, .prepare = prepare, .forward = forward,
             .backward = backward)
