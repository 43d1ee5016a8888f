/* The backward pass of attention (attention.c). */
#include <omp.h>

#include "network/ops/attention_heads.h"

static RowGradients row_gradients(const Node *node, int part, int64_t head, float *bias_sums)
{
    const HeadRows rows = head_rows(node, part, head, true);
    const int64_t c = node->in[0]->shape.c;
    return (RowGradients){rows, rows.bias ? bias_sums + part * c + head * rows.channels : NULL,
                          node->accumulate[part != PART_Q]};
}

/* dy of the block's queries to w->g, and D of each; w->sum is used. */
static void pack_gradients(const Node *node, const Workspace *w, int64_t head, const Block *b, float *shares)
{
    const PreparedAttention *p = node->state;
    const Tensor *out = node->out[0];
    const int64_t *pixel = w->tokens.pixel + b->first;
    const HeadRows rows = {(Elem *)out->grad + head * p->channels, NULL, out->pitch, p->channels};
    const HeadRows outputs = {(Elem *)out->data + head * p->channels, NULL, out->pitch, p->channels};
    pack_rows(w->g, p->d, &rows, pixel, b->rows, 1);
    pack_rows(w->sum, p->d, &outputs, pixel, b->rows, 1);
    for (int64_t i = 0; i < b->rows; i++) {
        vf sum = {0};
        for (int64_t c = 0; c < p->channels; c += SIMD_LANES)
            sum += v_load(w->g + i * p->d + c) * v_load(w->sum + i * p->d + c);
        shares[i] = v_sum(sum);
    }
}

/* score: from q · k + b to the softmax; slope: from dy · v to ds. Adds ds to bias_slope, the head's, NULL: none. */
static void softmax_slopes(const Workspace *w, const PreparedAttention *p, const Block *b, const float *logs,
                           const float *shares, float *bias_slope)
{
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->keys; j += SIMD_LANES) {
            float *score = w->score + i * KEYS + j, *slope = w->slope + i * KEYS + j;
            /* rounding may put a score above its logarithm */
            const vf power = v_exp2_negative(v_min(v_load(score) - logs[b->first + i], v_set1(0)));
            const vf ds = power * (v_load(slope) - shares[i]);
            v_store(score, power);
            v_store(slope, ds);
            if (!bias_slope) continue;
            float *sum = bias_slope + (b->first + i) * p->n + b->key + j;
            v_store(sum, v_load(sum) + ds);
        }
}

/* A block of queries and one of keys: adds to dq (w->sum), dk and dv. */
static void backward_block(const Workspace *w, const PreparedAttention *p, int64_t head, const Block *b,
                           const float *logs, const float *shares)
{
    const int64_t d = p->d, vectors = d / SIMD_LANES;
    const SmallProduct of_v = {
        b->rows, p->channels, padded(b->keys) / SIMD_LANES, w->g, w->v_turned + b->key, w->slope, d, 1, p->n,
        KEYS,    false};
    const SmallProduct dv = {b->keys, b->rows, vectors, w->score, w->g, w->dv + b->key * d, 1, KEYS, d, d, true};
    const SmallProduct dk = {b->keys, b->rows, vectors, w->slope, w->q, w->dk + b->key * d, 1, KEYS, d, d, true};
    const SmallProduct dq = {b->rows, b->keys, vectors, w->slope, w->k + b->key * d, w->sum, KEYS, 1, d, d, true};
    float *bias_slope = w->bias_slope ? w->bias_slope + head * p->grid.tokens * p->n : NULL;
    scores(w, p, bias_of_head(p, head), b);
    small_product(&of_v);
    softmax_slopes(w, p, b, logs, shares, bias_slope);
    small_product(&dv);
    small_product(&dk);
    small_product(&dq);
}

static void pack_window(const Node *node, const Workspace *w, int64_t head)
{
    const PreparedAttention *p = node->state;
    const HeadRows k = head_rows(node, PART_K, head, false), v = head_rows(node, PART_V, head, false);
    const size_t bytes = (size_t)(p->n * p->d) * sizeof(float);
    pack_rows(w->k, p->d, &k, w->tokens.pixel, p->grid.tokens, 1);
    pack_rows(w->v, p->d, &v, w->tokens.pixel, p->grid.tokens, 1);
    turn_rows(w->k_turned, p->n, w->k, p->d, p->grid.tokens);
    turn_rows(w->v_turned, p->n, w->v, p->d, p->grid.tokens);
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
}

static void backward_window(const Node *node, const Workspace *w, int64_t window, int64_t head, float *bias_sums)
{
    const PreparedAttention *p = node->state;
    const int64_t tokens = p->grid.tokens;
    const float *logs = (const float *)node->saved[ATTENTION_SAVED_LOGS] + (window * p->heads + head) * tokens;
    const HeadRows q = head_rows(node, PART_Q, head, false);
    const RowGradients dq = row_gradients(node, PART_Q, head, bias_sums),
                       dk = row_gradients(node, PART_K, head, bias_sums),
                       dv = row_gradients(node, PART_V, head, bias_sums);
    float shares[QUERIES];
    pack_window(node, w, head);
    for (Block b = {0}; next_queries(&b, tokens);) {
        pack_rows(w->q, p->d, &q, w->tokens.pixel + b.first, b.rows, query_scale(p));
        pack_gradients(node, w, head, &b, shares);
        memset(w->sum, 0, (size_t)(b.rows * p->d) * sizeof(float));
        for (b.key = 0; b.key < tokens; b.key += KEYS) {
            b.keys = tokens - b.key < KEYS ? tokens - b.key : KEYS;
            backward_block(w, p, head, &b, logs, shares);
        }
        give_rows(&dq, &(GivenRows){w->sum, p->d, b.rows, w->tokens.pixel + b.first, query_scale(p) * SIMD_LN2});
    }
    give_rows(&dk, &(GivenRows){w->dk, p->d, tokens, w->tokens.pixel, SIMD_LN2});
    give_rows(&dv, &(GivenRows){w->dv, p->d, tokens, w->tokens.pixel, 1});
}

/* Adds the sums over windows of the gradients of b to the table's. The table's rows of a query's keys go downwards. */
static void fold_table(const Node *node, const Workspace *w, float *table)
{
    const PreparedAttention *p = node->state;
    const int64_t window = ((const Attention *)node->attr)->window, tokens = p->grid.tokens;
    for (int64_t k = 0; k < p->heads * tokens; k++) {
        float *at = table + window_table_row(window, k % tokens, 0) * p->heads + k / tokens;
        for (int64_t j = 0, column = 0; j < tokens; j++) {
            *at += w->bias_slope[k * p->n + j];
            column = column + 1 == window ? 0 : column + 1;
            at -= p->heads * (column ? 1 : window);
        }
    }
}

/* Some heads in all windows of a piece. sums: the piece's. */
static void backward_piece(const Node *node, Workspace *w, const Pieces *pieces, int64_t piece, int64_t head,
                           int64_t heads, float *sums)
{
    const Attention *a = node->attr;
    const PreparedAttention *p = node->state;
    const int64_t table = p->has_table ? attention_table_rows(a) * p->heads : 0;
    if (p->has_table) memset(w->bias_slope, 0, (size_t)(p->heads * p->grid.tokens * p->n) * sizeof(float));
    for (int64_t window = piece * pieces->size; window < piece_end(pieces, piece); window++) {
        begin_window(node, w, window);
        if (p->grid.x.windows > 1) window_prefetch(node->out[0], node->out[0]->grad, &p->grid, window + 1);
        for (int64_t k = head; k < head + heads; k++) backward_window(node, w, window, k, sums + table);
    }
    if (p->has_table) fold_table(node, w, sums);
}

static void give_params(const Node *node, const float *sums, int64_t pieces)
{
    const Attention *a = node->attr;
    const PreparedAttention *p = node->state;
    const int64_t stride = piece_floats(node), c = node->in[0]->shape.c;
    const int64_t table = p->has_table ? attention_table_rows(a) * a->heads : 0;
    if (p->has_table) sum_pieces(node->param_grad[ATTENTION_TABLE], sums, pieces, stride, table);
    if (a->biased)
        sum_pieces(node->param_grad[ATTENTION_BIAS], sums + table + (3 - a->biased) * c, pieces, stride, a->biased * c);
}

void SIMD_NAME(attention_backward)(Node *node, const Step *step)
{
    (void)step;
    const PreparedAttention *p = node->state;
    const Pieces pieces = attention_pieces(p);
    /* the pieces of windows have all heads, since a pixel's heads are neighbours in memory; those of images have one */
    const int64_t stride = piece_floats(node), parts = p->has_table ? 1 : p->heads, heads = p->heads / parts;
    float *sums = (float *)(void *)((char *)node->scratch + (size_t)p->threads * workspace_bytes(p, true));
    memset(sums, 0, (size_t)(pieces.count * stride) * sizeof *sums);
#pragma omp parallel num_threads(p->threads)
    {
        Workspace w = workspace_of_thread(p, node->scratch, true);
#pragma omp for schedule(static)
        for (int64_t k = 0; k < pieces.count * parts; k++)
            backward_piece(node, &w, &pieces, k / parts, k % parts * heads, heads, sums + k / parts * stride);
    }
    give_params(node, sums, pieces.count);
}
