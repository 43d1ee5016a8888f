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
#include "network/ops/kernel.h"
#include "network/ops/ops.h"
#include "network/ops/small_product.h"

enum {
    QUERIES = 36, /* of a block: whole tiles of a product */
    KEYS = 128,
    PIECES = 32, /* of the windows, in backward: each has its own sums of parameters */
    BIAS = 0,    /* parameters */
    TABLE = 1,
    SAVED_LOGS = 0
};

typedef struct Attention {
    int64_t heads;
    int64_t window, shift; /* window 0: all pixels */
    int biased;            /* parts with a bias: 3: q, k, v; 2: k, v; 0: none */
} Attention;

/* ---- windows ---- */

typedef struct Axis {
    int64_t length, window, windows, shift;
} Axis;

typedef struct Grid {
    Axis y, x;
    int64_t tokens; /* of a window */
    int64_t count;  /* windows of all images */
} Grid;

static Axis axis_of(int64_t length, const Attention *a)
{
    if (!a->window || length <= a->window) return (Axis){length, length, 1, 0};
    return (Axis){length, a->window, (length + a->window - 1) / a->window, a->shift};
}

static Grid grid_of(const Node *node)
{
    const Shape s = node->in[0]->shape;
    const Axis y = axis_of(s.h, node->attr), x = axis_of(s.w, node->attr);
    return (Grid){y, x, y.window * x.window, s.n * y.windows * x.windows};
}

/* Where position i of the padded and rolled axis comes from; -1: from the padding. */
static int64_t source_of(const Axis *a, int64_t i)
{
    const int64_t at = (i + a->shift) % (a->windows * a->window);
    return at < a->length ? at : -1;
}

/* The part of the rolled axis, 0 … 2, whose pixels are neighbours in the image. */
static int part_of(const Axis *a, int64_t i)
{
    const int64_t padded = a->windows * a->window;
    return !a->shift || i < padded - a->window ? 0 : i < padded - a->shift ? 1 : 2;
}

/* The tokens of a window: their pixels (-1: padding), and the parts of the image that they belong to. */
typedef struct Tokens {
    int64_t *pixel;
    float *part;
    bool mixed; /* several parts */
} Tokens;

static void find_tokens(Tokens *t, const Grid *g, int64_t window)
{
    const int64_t column = window % g->x.windows, row = window / g->x.windows % g->y.windows;
    const int64_t image = window / g->x.windows / g->y.windows;
    t->mixed = false;
    for (int64_t y = 0; y < g->y.window; y++) {
        const int64_t at_y = row * g->y.window + y, from_y = source_of(&g->y, at_y);
        for (int64_t x = 0; x < g->x.window; x++) {
            const int64_t at_x = column * g->x.window + x, from_x = source_of(&g->x, at_x);
            const int64_t token = y * g->x.window + x;
            t->pixel[token] = from_y < 0 || from_x < 0 ? -1 : (image * g->y.length + from_y) * g->x.length + from_x;
            t->part[token] = (float)(3 * part_of(&g->y, at_y) + part_of(&g->x, at_x));
            t->mixed |= t->part[token] != t->part[0];
        }
    }
}

/* ---- preparation ---- */

static int64_t padded(int64_t c) { return (c + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES; }

/* What a thread works with, in floats (pixel: int64_t). n: tokens of a window, padded; d: channels of a head, padded. */
typedef struct Workspace {
    Tokens tokens;
    float *k, *k_turned, *v, *v_turned; /* (n,d), (d,n) */
    float *dk, *dv;                     /* (n,d) */
    float *q, *g, *sum, *score, *slope; /* of a block of queries: (QUERIES,d) thrice, (QUERIES,KEYS) twice */
    float *bias_slope;                  /* (tokens,n): sum of the gradients of b over windows */
} Workspace;

typedef struct PreparedAttention {
    Grid grid;
    int64_t channels; /* of a head */
    int64_t n, d;     /* as in Workspace */
    int threads;
    bool has_table;
    float *bias; /* b, packed: (heads, tokens, n); NULL: none */
} PreparedAttention;

/* Memory that is divided; start NULL: only its size is found. */
typedef struct Room {
    char *start;
    size_t used;
} Room;

static void *take(Room *room, size_t bytes)
{
    void *block = room->start ? room->start + room->used : NULL;
    room->used += (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    return block;
}

static void divide(Workspace *w, const PreparedAttention *p, Room *room, bool backward)
{
    const size_t rows = (size_t)(p->n * p->d) * sizeof(float), block = (size_t)(QUERIES * p->d) * sizeof(float);
    const size_t scores = (size_t)(QUERIES * KEYS) * sizeof(float);
    float **const of_both[] = {&w->k_turned, &w->v}, **const of_backward[] = {&w->k, &w->v_turned, &w->dk, &w->dv};
    float **const of_block[] = {&w->q, &w->g, &w->sum};
    w->tokens.pixel = take(room, (size_t)p->n * sizeof(int64_t));
    w->tokens.part = take(room, (size_t)p->n * sizeof(float));
    for (int i = 0; i < 2; i++) *of_both[i] = take(room, rows);
    for (int i = 0; i < 3; i++) *of_block[i] = take(room, block);
    w->score = take(room, scores);
    if (!backward) return;
    for (int i = 0; i < 4; i++) *of_backward[i] = take(room, rows);
    w->slope = take(room, scores);
    if (p->has_table) w->bias_slope = take(room, (size_t)(p->grid.tokens * p->n) * sizeof(float));
}

static size_t workspace_bytes(const PreparedAttention *p, bool backward)
{
    Workspace w;
    Room room = {NULL, 0};
    divide(&w, p, &room, backward);
    return room.used;
}

static Workspace workspace_of_thread(const Node *node, bool backward)
{
    const PreparedAttention *p = node->state;
    const size_t bytes = workspace_bytes(p, backward);
    Workspace w = {.k = NULL};
    Room room = {(char *)node->scratch + (size_t)omp_get_thread_num() * bytes, 0};
    divide(&w, p, &room, backward);
    return w;
}

static Pieces pieces_of_node(const PreparedAttention *p) { return pieces_of(p->grid.count, 1, PIECES); }

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
    p->threads = omp_get_max_threads();
    p->has_table = a->window != 0;
    p->grid = grid_of(node);
    p->channels = node->in[0]->shape.c / a->heads;
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

/* The row of the table for two tokens. Their places are those in a whole window, also where an axis is shorter: as in
 * MONAI's. */
static int64_t table_row(int64_t window, int64_t i, int64_t j)
{
    return (i / window - j / window + window - 1) * (2 * window - 1) + i % window - j % window + window - 1;
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
            row[j] = node->param[TABLE][table_row(a->window, k % tokens, j) * a->heads + k / tokens] * SIMD_LOG2E;
    }
}

/* ---- packing a head's queries, keys and values ---- */

/* Some channels of a tensor (data or gradient) and the projection's bias on them, NULL: none. */
typedef struct HeadRows {
    Elem *start;
    const float *bias;
    int64_t pitch, channels;
} HeadRows;

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

/* Row i of `to` is that of token i, times factor. */
static void pack_rows(float *to, int64_t row, const HeadRows *h, const int64_t *pixel, int64_t count, float factor)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < h->channels; c += SIMD_LANES) {
            const int lanes = lanes_left(h->channels - c);
            vf x = pixel[i] < 0 ? (vf){0} : v_get(h->start + pixel[i] * h->pitch + c, lanes);
            if (h->bias) x += v_load_first(h->bias + c, lanes);
            v_store(to + i * row + c, x * factor);
        }
}

/* (count, d) → (channels, n): columns after the last token are 0. */
static void turn_rows(float *to, const float *rows, const PreparedAttention *p)
{
    const int64_t count = p->grid.tokens;
    for (int64_t first = 0; first < p->n; first += SIMD_LANES)
        for (int64_t c = 0; c < p->channels; c++) {
            float *at = to + c * p->n + first;
            for (int64_t i = 0; i < SIMD_LANES; i++) at[i] = first + i < count ? rows[(first + i) * p->d + c] : 0;
        }
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
    const int64_t heads = ((const Attention *)node->attr)->heads, tokens = p->grid.tokens;
    float *logs = node->has_backward ? (float *)node->saved[SAVED_LOGS] + (window * heads + head) * tokens : NULL;
    pack_rows(w->v, p->d, &k, w->tokens.pixel, tokens, 1);
    turn_rows(w->k_turned, w->v, p);
    pack_rows(w->v, p->d, &v, w->tokens.pixel, tokens, 1);
    for (Block b = {0}; next_queries(&b, tokens);) {
        pack_rows(w->q, p->d, &q, w->tokens.pixel + b.first, b.rows, query_scale(p));
        attend_queries(node, w, head, b, logs);
    }
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const PreparedAttention *p = node->state;
    const int64_t heads = ((const Attention *)node->attr)->heads;
#pragma omp parallel num_threads(p->threads)
    {
        Workspace w = workspace_of_thread(node, false);
        int64_t found = -1;
#pragma omp for schedule(static)
        for (int64_t k = 0; k < p->grid.count * heads; k++) {
            if (k / heads != found) find_tokens(&w.tokens, &p->grid, k / heads);
            found = k / heads;
            attend(node, &w, found, k % heads);
        }
    }
}

/* ---- backward ---- */

/* The gradients of a head's rows, and the sums of the projection's bias over them (NULL: it has none). */
typedef struct RowGradients {
    HeadRows rows;
    float *bias;
    bool accumulate;
} RowGradients;

static RowGradients row_gradients(const Node *node, int part, int64_t head, float *bias_sums)
{
    const HeadRows rows = head_rows(node, part, head, true);
    const int64_t c = node->in[0]->shape.c;
    return (RowGradients){rows, rows.bias ? bias_sums + part * c + head * rows.channels : NULL,
                          node->accumulate[part != PART_Q]};
}

/* Adds or writes factor · values (rows of d) to the gradients of the tokens. */
static void give_rows(const RowGradients *to, const float *values, int64_t d, const int64_t *pixel, int64_t count,
                      float factor)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < to->rows.channels; c += SIMD_LANES) {
            const int lanes = lanes_left(to->rows.channels - c);
            vf x = v_load(values + i * d + c) * factor;
            if (to->bias) v_store_first(to->bias + c, v_load_first(to->bias + c, lanes) + x, lanes);
            if (pixel[i] < 0 || !to->rows.start) continue;
            Elem *at = to->rows.start + pixel[i] * to->rows.pitch + c;
            v_put(at, to->accumulate ? x + v_get(at, lanes) : x, lanes);
        }
}

/* dy of the block's queries to w->g, and D of each. */
static void pack_gradients(const Node *node, const Workspace *w, int64_t head, const Block *b, float *shares)
{
    const PreparedAttention *p = node->state;
    const Tensor *out = node->out[0];
    const int64_t *pixel = w->tokens.pixel + b->first;
    const HeadRows rows = {(Elem *)out->grad + head * p->channels, NULL, out->pitch, p->channels};
    pack_rows(w->g, p->d, &rows, pixel, b->rows, 1);
    for (int64_t i = 0; i < b->rows; i++) {
        vf sum = {0};
        for (int64_t c = 0; pixel[i] >= 0 && c < p->channels; c += SIMD_LANES)
            sum += v_load(w->g + i * p->d + c) *
                   v_get((const Elem *)out->data + pixel[i] * out->pitch + head * p->channels + c,
                         lanes_left(p->channels - c));
        shares[i] = v_sum(sum);
    }
}

/* score: from q · k + b to the softmax; slope: from dy · v to ds. Adds ds to the sum for the table. */
static void softmax_slopes(const Workspace *w, const PreparedAttention *p, const Block *b, const float *logs,
                           const float *shares)
{
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t j = 0; j < b->keys; j += SIMD_LANES) {
            float *score = w->score + i * KEYS + j, *slope = w->slope + i * KEYS + j;
            /* rounding may put a score above its logarithm */
            const vf power = v_exp2_negative(v_min(v_load(score) - logs[b->first + i], v_set1(0)));
            const vf ds = power * (v_load(slope) - shares[i]);
            v_store(score, power);
            v_store(slope, ds);
            if (!w->bias_slope) continue;
            float *sum = w->bias_slope + (b->first + i) * p->n + b->key + j;
            v_store(sum, v_load(sum) + ds);
        }
}

/* A block of queries and one of keys: adds to dq (w->sum), dk and dv. */
static void backward_block(const Workspace *w, const PreparedAttention *p, const float *bias, const Block *b,
                           const float *logs, const float *shares)
{
    const int64_t d = p->d, vectors = d / SIMD_LANES;
    const SmallProduct of_v = {
        b->rows, p->channels, padded(b->keys) / SIMD_LANES, w->g, w->v_turned + b->key, w->slope, d, 1, p->n,
        KEYS,    false};
    const SmallProduct dv = {b->keys, b->rows, vectors, w->score, w->g, w->dv + b->key * d, 1, KEYS, d, d, true};
    const SmallProduct dk = {b->keys, b->rows, vectors, w->slope, w->q, w->dk + b->key * d, 1, KEYS, d, d, true};
    const SmallProduct dq = {b->rows, b->keys, vectors, w->slope, w->k + b->key * d, w->sum, KEYS, 1, d, d, true};
    scores(w, p, bias, b);
    small_product(&of_v);
    softmax_slopes(w, p, b, logs, shares);
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
    turn_rows(w->k_turned, w->k, p);
    turn_rows(w->v_turned, w->v, p);
    memset(w->dk, 0, bytes);
    memset(w->dv, 0, bytes);
}

static void backward_window(const Node *node, const Workspace *w, int64_t window, int64_t head, float *bias_sums)
{
    const PreparedAttention *p = node->state;
    const int64_t heads = ((const Attention *)node->attr)->heads, tokens = p->grid.tokens;
    const float *logs = (const float *)node->saved[SAVED_LOGS] + (window * heads + head) * tokens;
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
            backward_block(w, p, bias_of_head(p, head), &b, logs, shares);
        }
        give_rows(&dq, w->sum, p->d, w->tokens.pixel + b.first, b.rows, query_scale(p) * SIMD_LN2);
    }
    give_rows(&dk, w->dk, p->d, w->tokens.pixel, tokens, SIMD_LN2);
    give_rows(&dv, w->dv, p->d, w->tokens.pixel, tokens, 1);
}

/* Adds the sums over windows of the gradients of b to a head's column of the table. */
static void fold_table(const Node *node, const Workspace *w, int64_t head, float *table)
{
    const Attention *a = node->attr;
    const PreparedAttention *p = node->state;
    for (int64_t i = 0; i < p->grid.tokens; i++)
        for (int64_t j = 0; j < p->grid.tokens; j++)
            table[table_row(a->window, i, j) * a->heads + head] += w->bias_slope[i * p->n + j];
}

/* A head in all windows of a piece. sums: the piece's. */
static void backward_piece(const Node *node, const Workspace *w, const Pieces *pieces, int64_t piece, int64_t head,
                           float *sums)
{
    const Attention *a = node->attr;
    const PreparedAttention *p = node->state;
    const int64_t table = p->has_table ? table_rows(a) * a->heads : 0;
    Workspace mine = *w;
    if (p->has_table) memset(w->bias_slope, 0, (size_t)(p->grid.tokens * p->n) * sizeof(float));
    for (int64_t window = piece * pieces->size; window < piece_end(pieces, piece); window++) {
        find_tokens(&mine.tokens, &p->grid, window);
        backward_window(node, &mine, window, head, sums + table);
    }
    if (p->has_table) fold_table(node, w, head, sums);
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
    const int64_t stride = piece_floats(node), heads = ((const Attention *)node->attr)->heads;
    float *sums = (float *)(void *)((char *)node->scratch + (size_t)p->threads * workspace_bytes(p, true));
    memset(sums, 0, (size_t)(pieces.count * stride) * sizeof *sums);
#pragma omp parallel num_threads(p->threads)
    {
        const Workspace w = workspace_of_thread(node, true);
#pragma omp for schedule(static)
        for (int64_t k = 0; k < pieces.count * heads; k++)
            backward_piece(node, &w, &pieces, k / heads, k % heads, sums + k / heads * stride);
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
    const Grid g = grid_of(node);
    return 2 * g.count * g.tokens * g.tokens * node->in[0]->shape.c;
}

/* The official codes also project the windows' padding, to queries, keys and values and after the attention. */
static int64_t macs(const Node *node)
{
    const Attention *a = node->attr;
    const Grid g = grid_of(node);
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
