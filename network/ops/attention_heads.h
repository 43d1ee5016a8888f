/* What both passes of attention share: a node's heads, its blocks of queries and keys, and their scores. Only for
 * attention.c, attention_forward.c and attention_backward.c: compiled once for each SIMD level. */
#ifndef NETWORK_OPS_ATTENTION_HEADS_H
#define NETWORK_OPS_ATTENTION_HEADS_H

#include <math.h>

#include "network/ops/attention.h"
#include "network/ops/attention_rows.h"
#include "network/ops/attention_workspace.h"
#include "network/ops/small_product.h"

void SIMD_NAME(attention_forward)(Node *node, const Step *step);
void SIMD_NAME(attention_backward)(Node *node, const Step *step);

/* Backward sums the gradients of the parameters over pieces of the windows. The sums of a piece: of the table's gradient,
 * then of the bias's three parts. */
static inline Pieces attention_pieces(const PreparedAttention *p)
{
    enum { LEAST_WINDOWS = 4, PIECES = 64 };
    return pieces_of(p->grid.count, p->has_table ? LEAST_WINDOWS : 1, PIECES);
}

static inline int64_t piece_floats(const Node *node)
{
    const Attention *a = node->attr;
    return (a->window ? attention_table_rows(a) * a->heads : 0) + 3 * node->in[0]->shape.c;
}

/* ---- a head ---- */

static inline HeadRows head_rows(const Node *node, int part, int64_t head, bool grad)
{
    const Attention *a = node->attr;
    const Tensor *t = node->in[part != PART_Q];
    const int64_t c = node->in[0]->shape.c, d = c / a->heads, at = head * d + (part == PART_V ? c : 0);
    const int from = part - (3 - a->biased);
    Elem *start = grad ? t->grad : t->data;
    return (HeadRows){start ? start + at : NULL,
                      a->biased && from >= 0 ? node->param[ATTENTION_BIAS] + from * c + head * d : NULL, t->pitch, d};
}

static inline float query_scale(const PreparedAttention *p) { return SIMD_LOG2E / sqrtf((float)p->channels); }

static inline const float *bias_of_head(const PreparedAttention *p, int64_t head)
{
    return p->bias ? p->bias + head * p->grid.tokens * p->n : NULL;
}

/* Finds the window's tokens and prefetches the next window, if several windows make a row of the image. */
static inline void begin_window(const Node *node, Workspace *w, int64_t window)
{
    const PreparedAttention *p = node->state;
    window_find(&w->tokens, &p->grid, window);
    if (p->grid.x.windows == 1) return;
    for (int i = 0; i < 2; i++) window_prefetch(node->in[i], node->in[i]->data, &p->grid, window + 1);
}

/* ---- scores ---- */

/* A block of queries and a block of keys. */
typedef struct Block {
    int64_t first, rows, key, keys; /* first query, first key, and their numbers */
} Block;

/* The next block of queries; false after the last. b->rows is 0 before the first. */
static inline bool next_queries(Block *b, int64_t tokens)
{
    b->first += b->rows;
    b->rows = tokens - b->first < QUERIES ? tokens - b->first : QUERIES;
    return b->rows > 0;
}

static inline vi lane_numbers(void)
{
    vi numbers;
    for (int i = 0; i < SIMD_LANES; i++) numbers[i] = i;
    return numbers;
}

/* score (rows, KEYS) = q · k + b, in units of log 2; -1e9 after the last key. */
static inline void scores(const Workspace *w, const PreparedAttention *p, const float *bias, const Block *b)
{
    const SmallProduct product = {
        b->rows, p->channels, padded(b->keys) / SIMD_LANES, w->q, w->k_turned + b->key, w->score, p->d, 1, p->n,
        KEYS,    false};
    small_product(&product);
    const vi lanes = lane_numbers();
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->keys; j += SIMD_LANES) {
            float *at = w->score + i * KEYS + j;
            vf s = v_load(at);
            if (bias) s += v_load(bias + (b->first + i) * p->n + b->key + j);
            if (w->tokens.mixed) {
                const vf other = v_load(w->tokens.part + b->key + j);
                s -= v_select(other == w->tokens.part[b->first + i], v_set1(0), v_set1(100 * SIMD_LOG2E));
            }
            v_store(at, v_select(lanes < (int32_t)(b->keys - j), s, v_set1(-1e9f)));
        }
}

#endif
