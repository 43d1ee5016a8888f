/* The forward pass of attention (attention.c). */
#include <omp.h>

#include "network/ops/attention_heads.h"

/* A query's largest score and the sum of the powers of 2 so far. */
typedef struct Running {
    float most, sum;
} Running;

/* Replaces the scores of a row by powers of 2 relative to the row's new maximum, and scales the sums so far. */
static void update_row(Running *r, float *score, int64_t keys, float *sum, int64_t d)
{
    vf most = v_set1(r->most), total = {0};
    for (int64_t j = 0; j < keys; j += SIMD_LANES) most = v_max(most, v_load(score + j));
    const float highest = v_highest(most);
    for (int64_t j = 0; j < keys; j += SIMD_LANES) {
        const vf power = v_exp2_negative(v_load(score + j) - highest);
        v_store(score + j, power);
        total += power;
    }
    if (highest > r->most && r->sum > 0) {
        const float scale = v_exp2_negative(v_set1(r->most - highest))[0];
        for (int64_t c = 0; c < d; c += SIMD_LANES) v_store(sum + c, v_load(sum + c) * scale);
        r->sum *= scale;
    }
    r->most = highest;
    r->sum += v_sum(total);
}

static void put_row(const Tensor *out, int64_t pixel, int64_t at, const float *sum, float scale, int64_t channels)
{
    Elem *y = (Elem *)out->data + pixel * out->pitch + at;
    for (int64_t c = 0; c < channels; c += SIMD_LANES) {
        const int lanes = lanes_left(channels - c);
        v_put(y + c, v_load(sum + c) * scale, lanes);
    }
}

static void attend_queries(const Node *node, const Workspace *w, int64_t head, Block b, float *logs)
{
    const PreparedAttention *p = node->state;
    Running running[QUERIES];
    for (int64_t i = 0; i < b.rows; i++) running[i] = (Running){-1e30f, 0};
    memset(w->sum, 0, (size_t)(b.rows * p->d) * sizeof(float));
    for (b.key = 0; b.key < p->grid.tokens; b.key += KEYS) {
        const int64_t left = p->grid.tokens - b.key;
        b.keys = left < KEYS ? left : KEYS;
        scores(w, p, bias_of_head(p, head), &b);
        for (int64_t i = 0; i < b.rows; i++)
            update_row(&running[i], w->score + i * KEYS, b.keys, w->sum + i * p->d, p->d);
        const SmallProduct product = {
            b.rows, b.keys, p->d / SIMD_LANES, w->score, w->v + b.key * p->d, w->sum, KEYS, 1, p->d, p->d, true};
        small_product(&product);
    }
    for (int64_t i = 0; i < b.rows; i++) {
        const int64_t pixel = w->tokens.pixel[b.first + i];
        if (logs) logs[b.first + i] = running[i].most + log2f(running[i].sum);
        if (pixel >= 0)
            put_row(node->out[0], pixel, head * p->channels, w->sum + i * p->d, 1 / running[i].sum, p->channels);
    }
}

static void attend(const Node *node, const Workspace *w, int64_t window, int64_t head)
{
    const PreparedAttention *p = node->state;
    const HeadRows q = head_rows(node, PART_Q, head, false), k = head_rows(node, PART_K, head, false),
                   v = head_rows(node, PART_V, head, false);
    const int64_t tokens = p->grid.tokens;
    float *logs =
        node->has_backward ? (float *)node->saved[ATTENTION_SAVED_LOGS] + (window * p->heads + head) * tokens : NULL;
    pack_rows(w->v, p->d, &k, w->tokens.pixel, tokens, 1);
    turn_rows(w->k_turned, p->n, w->v, p->d, tokens);
    pack_rows(w->v, p->d, &v, w->tokens.pixel, tokens, 1);
    for (Block b = {0}; next_queries(&b, tokens);) {
        pack_rows(w->q, p->d, &q, w->tokens.pixel + b.first, b.rows, query_scale(p));
        attend_queries(node, w, head, b, logs);
    }
}

void SIMD_NAME(attention_forward)(Node *node, const Step *step)
{
    (void)step;
    const PreparedAttention *p = node->state;
    const int64_t heads = p->heads;
#pragma omp parallel num_threads(p->threads)
    {
        Workspace w = workspace_of_thread(p, node->scratch, false);
        int64_t found = -1;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->grid.count * heads; k++) {
            if (k / heads != found) begin_window(node, &w, k / heads);
            found = k / heads;
            attend(node, &w, found, k % heads);
        }
    }
}
