/* Attention on a GPU (attention.c): the node's tensors for the kernels of attention_gpu.h. */
#include "network/ops/attention_gpu.h"

namespace
{
const int MOST_PIECES = 512, MOST_WINDOW = 20; /* two tables in shared memory: 12 KB */

AttentionShape shape_of(const Node *node)
{
    const Attention *a = (const Attention *)node->attr;
    const Shape s = node->in[0]->shape;
    const WindowGrid grid = window_grid(s, a->window, a->shift);
    const int64_t most = gpu_parts(grid.count, MOST_PIECES);
    return {grid, a->window, (int)a->heads, (int)(s.c / a->heads), (int)gpu_parts(grid.count, most)};
}

/* Rows of sums of the parameters' gradients, and the floats of a row: the table's gradient, then those of the biases. */
int64_t sums_rows(const AttentionShape &s) { return s.pieces * s.blocks(); }
int64_t sums_row(const AttentionShape &s) { return s.table_rows() * s.heads + 3 * s.heads * s.channels; }

int prepare(Node *node, Err *e)
{
    const AttentionShape s = shape_of(node);
    const int64_t tokens = s.grid.count * s.heads * s.grid.tokens;
    if (s.channels > ATTENTION_MOST_CHANNELS)
        return err_set(e, ERR_UNSUPPORTED, "attention with %d channels a head: at most %d are supported on a GPU",
                       s.channels, ATTENTION_MOST_CHANNELS);
    if (s.window > MOST_WINDOW)
        return err_set(e, ERR_UNSUPPORTED, "attention in windows of %lld: at most %d are supported on a GPU",
                       (long long)s.window, MOST_WINDOW);
    if (!node->has_backward) return 0;
    node->saved_bytes[ATTENTION_SAVED_LOGS] = (size_t)tokens * sizeof(float);
    node->scratch_bytes[1] = (size_t)(tokens + (node->param_count ? sums_rows(s) * sums_row(s) : 0)) * sizeof(float);
    return 0;
}

/* The first channel of a part: in its tensor, and in the projection's bias, which q may not have. */
template <class T> AttentionPart<T> part_of(const Node *node, int part, bool gradient)
{
    const Attention *a = (const Attention *)node->attr;
    const Tensor *t = node->in[part != PART_Q];
    const int64_t c = node->in[0]->shape.c;
    const int from = part - (3 - a->biased);
    T *start = (T *)(gradient ? t->grad : t->data);
    return {start ? start + (part == PART_V ? c : 0) : NULL, t->pitch,
            a->biased && from >= 0 ? node->param[ATTENTION_BIAS] + from * c : NULL};
}

template <class T> AttentionPart<T> output_of(const Node *node, bool gradient)
{
    const Tensor *y = node->out[0];
    return {(T *)(gradient ? y->grad : y->data), y->pitch, NULL};
}

const float *table_of(const Node *node) { return node->param_count ? node->param[ATTENTION_TABLE] : NULL; }

template <class T> void forward(Node *node, const Step *)
{
    AttentionForward<T> f = {};
    f.s = shape_of(node);
    f.q = part_of<const T>(node, PART_Q, false);
    f.k = part_of<const T>(node, PART_K, false);
    f.v = part_of<const T>(node, PART_V, false);
    f.y = output_of<T>(node, false);
    f.table = table_of(node);
    f.logs = node->has_backward ? (float *)node->saved[ATTENTION_SAVED_LOGS] : NULL;
    attention_forward_launch(f);
}

void give_params(const Node *node, const AttentionShape &s, const float *sums)
{
    const Attention *a = (const Attention *)node->attr;
    const int64_t rows = sums_rows(s), row = sums_row(s), c = node->in[0]->shape.c;
    const int64_t table = s.table_rows() * s.heads;
    gpu_sum_rows(node->param_grad[ATTENTION_TABLE], 0, sums, rows, row, table, 1);
    gpu_sum_rows(node->param_grad[ATTENTION_BIAS], 0, sums + table + (3 - a->biased) * c, rows, row, a->biased * c, 1);
}

template <class T> void backward(Node *node, const Step *)
{
    AttentionBackward<T> b = {};
    b.s = shape_of(node);
    b.q = part_of<const T>(node, PART_Q, false);
    b.k = part_of<const T>(node, PART_K, false);
    b.v = part_of<const T>(node, PART_V, false);
    b.y = output_of<const T>(node, false);
    b.dy = output_of<const T>(node, true);
    if (node->wants_grad[0]) b.dq = part_of<T>(node, PART_Q, true);
    if (node->wants_grad[1]) b.dk = part_of<T>(node, PART_K, true), b.dv = part_of<T>(node, PART_V, true);
    b.add_q = node->accumulate[0];
    b.add_kv = node->accumulate[1];
    b.table = table_of(node);
    b.logs = (const float *)node->saved[ATTENTION_SAVED_LOGS];
    b.shares = (float *)node->scratch;
    b.sums = b.shares + b.s.grid.count * b.s.heads * b.s.grid.tokens;
    b.sums_row = sums_row(b.s);
    attention_backward_launch(b);
    if (node->param_count) give_params(node, b.s, b.sums);
}
} // namespace

GPU_IMPL(attention, .strided_in = 3, .strided_out = 1, .prepare = prepare, .forward = forward<T>,
         .backward = backward<T>)
