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
#include <math.h>
#include <omp.h>

#include "base/memory.h"
#include "network/ops/attention_rows.h"
#include "network/ops/attention_workspace.h"
#include "network/ops/ops.h"
#include "network/ops/small_product.h"

enum {
    LEAST_WINDOWS = 4,
    PIECES = 64, /* of the windows, in backward: each has its own sums of parameters */
    BIAS = 0,    /* parameters */
    TABLE = 1,
    SAVED_LOGS = 0
};

typedef struct Attention {
    int64_t heads;
    int64_t window, shift; /* window 0: all pixels */
    int biased;            /* parts with a bias: 3: q, k, v; 2: k, v; 0: none */
} Attention;

static WindowGrid grid_of(const Node *node)
{
    const Attention *a = node->attr;
    return window_grid(node->in[0]->shape, a->window, a->shift);
}

/* ---- preparation ---- */

static Pieces pieces_of_node(const PreparedAttention *p)
{
    return pieces_of(p->grid.count, p->has_table ? LEAST_WINDOWS : 1, PIECES);
}

/* Sums of a piece: of the table's gradient, then of the bias's three parts. */
static int64_t table_rows(const Attention *a) { return (2 * a->window - 1) * (2 * a->window - 1); }
static int64_t piece_floats(const Node *node)
{
    const Attention *a = node->attr;
    return (a->window ? table_rows(a) * a->heads : 0) + 3 * node->in[0]->shape.c;
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
        node->saved_bytes[SAVED_LOGS] = (size_t)(p->grid.count * a->heads * p->grid.tokens) * sizeof(float);
        node->scratch_bytes[1] += (size_t)(pieces_of_node(p).count * piece_floats(node)) * sizeof(float);
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
            row[j] =
                node->param[TABLE][window_table_row(a->window, k % tokens, j) * a->heads + k / tokens] * SIMD_LOG2E;
    }
}

/* ---- a head ---- */

enum { PART_Q, PART_K, PART_V };

static HeadRows head_rows(const Node *node, int part, int64_t head, bool grad)
{
    const Attention *a = node->attr;
    const Tensor *t = node->in[part != PART_Q];
    const int64_t c = node->in[0]->shape.c, d = c / a->heads, at = head * d + (part == PART_V ? c : 0);
    const int from = part - (3 - a->biased);
    Elem *start = grad ? t->grad : t->data;
    return (HeadRows){start ? start + at : NULL,
                      a->biased && from >= 0 ? node->param[BIAS] + from * c + head * d : NULL, t->pitch, d};
}

static RowGradients row_gradients(const Node *node, int part, int64_t head, float *bias_sums)
{
    const HeadRows rows = head_rows(node, part, head, true);
    const int64_t c = node->in[0]->shape.c;
    return (RowGradients){rows, rows.bias ? bias_sums + part * c + head * rows.channels : NULL,
                          node->accumulate[part != PART_Q]};
}

/* ---- scores ---- */

/* A block of queries and a block of keys. */
typedef struct Block {
    int64_t first, rows, key, keys; /* first query, first key, and their numbers */
} Block;

static vi lane_numbers(void)
{
    vi numbers;
    for (int i = 0; i < SIMD_LANES; i++) numbers[i] = i;
    return numbers;
}

/* score (rows, KEYS) = q · k + b, in units of log 2; -1e9 after the last key. */
static void scores(const Workspace *w, const PreparedAttention *p, const float *bias, const Block *b)
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

/* ---- forward ---- */

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

static float query_scale(const PreparedAttention *p) { return SIMD_LOG2E / sqrtf((float)p->channels); }

static const float *bias_of_head(const PreparedAttention *p, int64_t head)
{
    return p->bias ? p->bias + head * p->grid.tokens * p->n : NULL;
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

/* The next block of queries; false after the last. b->rows is 0 before the first. */
static bool next_queries(Block *b, int64_t tokens)
{
    b->first += b->rows;
    b->rows = tokens - b->first < QUERIES ? tokens - b->first : QUERIES;
    return b->rows > 0;
}

static void attend(const Node *node, const Workspace *w, int64_t window, int64_t head)
{
    const PreparedAttention *p = node->state;
    const HeadRows q = head_rows(node, PART_Q, head, false), k = head_rows(node, PART_K, head, false),
                   v = head_rows(node, PART_V, head, false);
    const int64_t tokens = p->grid.tokens;
    float *logs = node->has_backward ? (float *)node->saved[SAVED_LOGS] + (window * p->heads + head) * tokens : NULL;
    pack_rows(w->v, p->d, &k, w->tokens.pixel, tokens, 1);
    turn_rows(w->k_turned, p->n, w->v, p->d, tokens, p->channels);
    pack_rows(w->v, p->d, &v, w->tokens.pixel, tokens, 1);
    for (Block b = {0}; next_queries(&b, tokens);) {
        pack_rows(w->q, p->d, &q, w->tokens.pixel + b.first, b.rows, query_scale(p));
        attend_queries(node, w, head, b, logs);
    }
}

/* Finds the window's tokens and prefetches the next window, if several windows make a row of the image. */
static void begin_window(const Node *node, Workspace *w, int64_t window)
{
    const PreparedAttention *p = node->state;
    window_find(&w->tokens, &p->grid, window);
    if (p->grid.x.windows == 1) return;
    for (int i = 0; i < 2; i++) window_prefetch(node->in[i], node->in[i]->data, &p->grid, window + 1);
}

static void forward(Node *node, const Step *step)
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

/* ---- backward ---- */

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
    turn_rows(w->k_turned, p->n, w->k, p->d, p->grid.tokens, p->channels);
    turn_rows(w->v_turned, p->n, w->v, p->d, p->grid.tokens, p->channels);
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
}

static void backward_window(const Node *node, const Workspace *w, int64_t window, int64_t head, float *bias_sums)
{
    const PreparedAttention *p = node->state;
    const int64_t tokens = p->grid.tokens;
    const float *logs = (const float *)node->saved[SAVED_LOGS] + (window * p->heads + head) * tokens;
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
    const int64_t table = p->has_table ? table_rows(a) * p->heads : 0;
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
    const int64_t table = p->has_table ? table_rows(a) * a->heads : 0;
    if (p->has_table) sum_pieces(node->param_grad[TABLE], sums, pieces, stride, table);
    if (a->biased)
        sum_pieces(node->param_grad[BIAS], sums + table + (3 - a->biased) * c, pieces, stride, a->biased * c);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    const PreparedAttention *p = node->state;
    const Pieces pieces = pieces_of_node(p);
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

OP_IMPL(attention) = {SIMD_HEAD,          .strided_in = 3,    .strided_out = 1,     .prepare = prepare,
                      .refresh = refresh, .forward = forward, .backward = backward, .release = release};

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
    .on = {attention_list},
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
    const int64_t table[] = {w->window > 0 ? table_rows(&attr) : 0, w->heads};
    const int params[] = {
        [BIAS] = graph_param(g, w->projects_q ? "qkv.bias" : "kv.bias", 1, &of_bias, graph_policy(g).linear_bias, c),
        [TABLE] = graph_param(g, "relative_position_bias_table", 2, table, INIT_TRUNC_NORMAL, 0)};
    return graph_node(g, &attention_class, "attention", &attr, sizeof attr, (const Ref[]){q, kv}, 2, params, 2);
}
#endif
