/* Attention: y_i = Σ_j softmax_j(q_i · k_j / √d + b_ij) v_j for each head of d channels, over all pixels (Vaswani et al.
 * 2017), or over the pixels of windows (Liu et al. 2021, Swin) with a learned bias b by relative position.
 *
 * Windows: the image is padded at the bottom and right to whole windows and rolled by the shift. The padding takes part,
 * with the projection's bias as its key and value (its input is 0). Pixels of a window that are no neighbours in the
 * image, since the roll joined its edges, have b lowered by 100. An axis not longer than the window is one window
 * without shift.
 *
 * The matrix of all pairs is never in memory (Dao et al. 2022, FlashAttention): it is computed in blocks of queries and
 * keys, with running maxima and sums. Saved for backward: the logarithm of each query's sum. Backward, with
 * p_ij the softmax and D_i = dy_i · y_i:
 *   dv_j = Σ_i p_ij dy_i, ds_ij = p_ij (dy_i · v_j - D_i), dq_i = Σ_j ds_ij k_j / √d, dk_j = Σ_i ds_ij q_i / √d.
 * Scores are in units of log(2), so that the exponential is a power of 2. Everything is computed in float32. */
#include <omp.h>

#include "base/memory.h"
#include "network/ops/attention_heads.h"
#include "network/ops/ops.h"

static WindowGrid grid_of(const Node *node)
{
    const Attention *a = node->attr;
    return window_grid(node->in[0]->shape, a->window, a->shift);
}

static int prepare(Node *node, Err *e)
{
    const Attention *a = node->attr;
    PreparedAttention *p = node->state = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    *p = (PreparedAttention){.grid = grid_of(node),
                             .heads = a->heads,
                             .channels = node->in[0]->shape.c / a->heads,
                             .threads = omp_get_max_threads(),
                             .has_table = a->window != 0};
    p->n = padded(p->grid.tokens);
    p->d = padded(p->channels);
    for (int pass = 0; pass < (node->has_backward ? 2 : 1); pass++)
        node->scratch_bytes[pass] = (size_t)p->threads * workspace_bytes(p, pass);
    if (node->has_backward) {
        node->saved_bytes[ATTENTION_SAVED_LOGS] = (size_t)(p->grid.count * a->heads * p->grid.tokens) * sizeof(float);
        node->scratch_bytes[1] += (size_t)(attention_pieces(p).count * piece_floats(node)) * sizeof(float);
    }
    if (!p->has_table) return 0;
    node->packed_bytes = (size_t)(a->heads * p->grid.tokens * p->n) * sizeof(float);
    p->bias = mem_alloc(node->packed_bytes, e);
    return p->bias ? 0 : ERR_NOMEM;
}

static void release(Node *node)
{
    PreparedAttention *p = node->state;
    if (!p) return;
    mem_free(p->bias);
    mem_free(p);
}

static void refresh(Node *node)
{
    const Attention *a = node->attr;
    const PreparedAttention *p = node->state;
    const int64_t tokens = p->grid.tokens;
    if (!p->has_table) return;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < a->heads * tokens; k++) {
        float *row = p->bias + k * p->n;
        memset(row, 0, (size_t)p->n * sizeof *row);
        for (int64_t j = 0; j < tokens; j++)
            row[j] = node->param[ATTENTION_TABLE][window_table_row(a->window, k % tokens, j) * a->heads + k / tokens] *
                     SIMD_LOG2E;
    }
}

OP_IMPL(attention) = {SIMD_HEAD,
                      .strided_in = 3,
                      .strided_out = 1,
                      .prepare = prepare,
                      .refresh = refresh,
                      .forward = SIMD_NAME(attention_forward),
                      .backward = SIMD_NAME(attention_backward),
                      .release = release};

#ifdef SIMD_BASE
OP_LIST(attention);

static int shape(Node *node, Err *e)
{
    const Attention *a = node->attr;
    const Shape q = node->in[0]->shape, kv = node->in[1]->shape;
    if (q.n != kv.n || q.h != kv.h || q.w != kv.w || kv.c != 2 * q.c)
        return err_set(e, ERR_SHAPE, "queries " SHAPE_FORMAT " and keys with values " SHAPE_FORMAT " do not fit",
                       SHAPE_ARGS(q), SHAPE_ARGS(kv));
    if (a->heads < 1 || q.c % a->heads || a->window < 0 || a->shift < 0 || (a->window && a->shift >= a->window))
        return err_set(e, ERR_SHAPE,
                       "%" PRId64 " heads of %" PRId64 " channels, windows of %" PRId64 " with a shift of %" PRId64
                       ": expected channels that the heads divide, and a shift within a window",
                       a->heads, q.c, a->window, a->shift);
    node->out[0]->shape = q;
    node->out[0]->dtype = node->in[0]->dtype;
    return 0;
}

static int64_t product_macs(const Node *node)
{
    const WindowGrid g = grid_of(node);
    return 2 * g.count * g.tokens * g.tokens * node->in[0]->shape.c;
}

/* The official codes also project the windows' padding, to queries, keys and values and after the attention. */
static int64_t macs(const Node *node)
{
    const Attention *a = node->attr;
    const WindowGrid g = grid_of(node);
    const Shape s = node->in[0]->shape;
    return product_macs(node) + (g.count * g.tokens - shape_pixels(s)) * (a->biased + 1) * s.c * s.c;
}

static const OpClass attention_class = {
    .name = "attention",
    .shape = shape,
    .macs = macs,
    .product_macs = product_macs,
    .keeps_inputs = 3,
    .keeps_outputs = 1,
    .on = OP_ON(attention),
};

Ref op_attention(Graph *g, Ref q, Ref kv, int64_t heads)
{
    const Attention attr = {heads, 0, 0, 0};
    return graph_node(g, &attention_class, "attention", &attr, sizeof attr, (const Ref[]){q, kv}, 2, NULL, 0);
}

Ref op_window_attention(Graph *g, Ref q, Ref kv, const WindowAttention *w)
{
    const int64_t c = graph_shape(g, q).c, of_bias = (w->projects_q ? 3 : 2) * c;
    const Attention attr = {w->heads, w->window, w->shift, w->projects_q ? 3 : 2};
    const int64_t table[] = {w->window > 0 ? attention_table_rows(&attr) : 0, w->heads};
    const int params[] = {
        [ATTENTION_BIAS] =
            graph_param(g, w->projects_q ? "qkv.bias" : "kv.bias", 1, &of_bias, graph_policy(g).linear_bias, c),
        [ATTENTION_TABLE] = graph_param(g, "relative_position_bias_table", 2, table, INIT_TRUNC_NORMAL, 0)};
    return graph_node(g, &attention_class, "attention", &attr, sizeof attr, (const Ref[]){q, kv}, 2, params, 2);
}
#endif
