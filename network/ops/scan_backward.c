/* Backward pass of the selective scan (scan.h).
 *
 * It runs against the order of the scan. g is the gradient of h, a = exp(delta A) the decay; a' and g' are those of the
 * next position of the scan; h_before is the state of the previous one:
 *     g = C dy + a' g'        dC = dy h            dB = delta u g
 *     q = g a h_before        d(delta) = Σ_s A_s q + u Σ_s B_s g        dA = Σ delta q
 *     du = Ds dy + delta Σ_s B_s g
 * The states of a chunk are recomputed from the saved state at its start. dC, dB and d(dt) are sums over channels: an
 * item sums those of its blocks, and adds the sum to that of the previous groups. */
#include "network/ops/scan_internal.h"

/* The states that are computed at once, and the exponentials. In 32 registers, rates and gradients of A stay there along
 * the chunk; 16 are enough for the rest only. */
enum { IN_REGISTERS = SIMD_REGISTERS == 32, TILE = IN_REGISTERS ? 8 : 4, TOGETHER = IN_REGISTERS ? 1 : 2 };

/* The scratch memory of a thread (scan_backward_slab). */
typedef struct BackwardSlab {
    float u[SCAN_CHUNK * SIMD_LANES];
    float delta[SCAN_CHUNK * SIMD_LANES];
    float slope[SCAN_CHUNK * SIMD_LANES]; /* derivative of softplus */
    float dy[SCAN_CHUNK * SIMD_LANES];
    float ddu[SCAN_CHUNK * SIMD_LANES];    /* Σ_s B_s g, gradient of delta · u */
    float ddelta[SCAN_CHUNK * SIMD_LANES]; /* Σ_s A_s q log2(e), later the gradient of softplus's input */
    float rates[TILE * SIMD_LANES];        /* A log2(e) and gradients of A, if they are not in registers */
    float dA[TILE * SIMD_LANES];
    float rows[]; /* projections of the chunk, then the memory of slab_parts */
} BackwardSlab;

typedef struct Parts {
    float *sums;  /* SCAN_CHUNK rows: gradients of the projections */
    float *decay; /* SCAN_CHUNK × S vectors: a */
    float *state; /* (1 + SCAN_CHUNK) × S vectors: h, first that before the chunk */
} Parts;

static Parts slab_parts(const ScanShape *s, BackwardSlab *m)
{
    float *sums = m->rows + SCAN_CHUNK * scan_row(s), *decay = sums + SCAN_CHUNK * scan_row(s);
    return (Parts){sums, decay, decay + (int64_t)SCAN_CHUNK * s->states * SIMD_LANES};
}

typedef struct Backward {
    const ScanShape *s;
    const float *packed;
    const ScanValues *values;
    const ScanGradients *gradients;
    Turn *turns;       /* of each image's blocks */
    Turn *group_turns; /* of each image's groups: the gradients of the projections */
    float *carry;      /* N × blocks × S vectors: a' g' from chunk to chunk */
    float *sums;       /* gradients of the parameters for each image, in the packed layout */
    float *slabs;
    atomic_llong ticket;
} Backward;

/* The arguments for one block of an item. */
typedef struct BackwardBlock {
    const ScanShape *s;
    const ScanItem *it;
    BackwardSlab *m;
    Lane x, dy;
    SumLane dx;
    bool wants_dx, add_dx;
    const float *params; /* packed */
    const float *from;   /* state at the chunk's start; NULL: 0 */
    float *carry, *sums; /* the block's */
} BackwardBlock;

/* Adds the lane sums of `count` vectors to `to`; pairs: v_add_pairs of two vectors each. */
SIMD_INLINE void add_sums(const int count, const vf *pairs, float *to)
{
    SIMD_UNROLL
    for (int i = 0; i + 4 <= count; i += 4) {
        vf4 before;
        memcpy(&before, to + i, sizeof before);
        before += v_sum_pairs(pairs[i / 2], pairs[i / 2 + 1]);
        memcpy(to + i, &before, sizeof before);
    }
    if (count < 4) {
        const vf4 sums = v_sum_pairs(pairs[0], (vf){0});
        for (int i = 0; i < count; i++) to[i] += sums[i];
    }
}

/* Recomputes the states n … n + tile - 1 of the chunk, and stores them and their decays in the slab after the memory of
 * `place` states. The first tile also loads u and dy. */
SIMD_INLINE void states_tile(const int tile, const BackwardBlock *w, int n, int64_t place)
{
    const ScanShape *s = w->s;
    const ScanItem *it = w->it;
    BackwardSlab *m = w->m;
    const Parts p = slab_parts(s, m);
    const int64_t row = scan_row(s);
    const Lane x = w->x, y = w->dy;
    float *decay = p.decay + place * SCAN_CHUNK * SIMD_LANES;
    float *state = p.state + place * (SCAN_CHUNK + 1) * SIMD_LANES;
    float registers[TILE * SIMD_LANES], *const rates = IN_REGISTERS ? registers : m->rates;
    vf h[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        v_store(rates + i * SIMD_LANES, v_load(w->params + (n + i) * SIMD_LANES));
        h[i] = w->from ? v_load(w->from + (n + i) * SIMD_LANES) : (vf){0};
        v_store(state + i * SIMD_LANES, h[i]);
    }
    for (int t = 0; t < it->count; t++) {
        if (n == 0) {
            lane_prefetch(x, it, t);
            lane_prefetch(y, it, t);
            v_store(m->u + t * SIMD_LANES, lane_load(x, it, t));
            v_store(m->dy + t * SIMD_LANES, lane_load(y, it, t));
        }
        const float *B = m->rows + t * row + s->rank + n;
        const vf delta = v_load(m->delta + t * SIMD_LANES), du = delta * v_load(m->u + t * SIMD_LANES);
        const int some = tile < TOGETHER ? tile : TOGETHER;
        SIMD_UNROLL
        for (int i = 0; i < tile; i += some) {
            vf a[TOGETHER];
            v_exp2_products(some, delta, rates + i * SIMD_LANES, a);
            SIMD_UNROLL
            for (int k = 0; k < some; k++) {
                const vf before = IN_REGISTERS ? h[i + k] : v_load(state + (t * tile + i + k) * SIMD_LANES);
                h[i + k] = v_fma(a[k], before, du * B[i + k]);
                v_store(decay + (t * tile + i + k) * SIMD_LANES, a[k]);
                v_store(state + ((t + 1) * tile + i + k) * SIMD_LANES, h[i + k]);
            }
        }
    }
}

/* Computes the gradients of these states, from the chunk's end to its start: dB, dC, dA, and a' g' in the block's
 * carry. Adds to ddu and ddelta; the first tile sets them. */
SIMD_INLINE void gradients_tile(const int tile, const BackwardBlock *w, int n, int64_t place)
{
    const ScanShape *s = w->s;
    const ScanItem *it = w->it;
    BackwardSlab *m = w->m;
    const Parts p = slab_parts(s, m);
    const int64_t row = scan_row(s);
    const SumLane dx = w->dx;
    float registers[2][TILE * SIMD_LANES];
    float *const rates = IN_REGISTERS ? registers[0] : m->rates, *const dA = IN_REGISTERS ? registers[1] : m->dA;
    vf ag[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        v_store(rates + i * SIMD_LANES, v_load(w->params + (n + i) * SIMD_LANES));
        v_store(dA + i * SIMD_LANES, v_load(w->sums + (n + i) * SIMD_LANES));
        ag[i] = v_load(w->carry + (n + i) * SIMD_LANES);
    }
    for (int t = it->count - 1; t >= 0; t--) {
        const float *B = m->rows + t * row + s->rank + n, *C = B + s->states;
        const vf delta = v_load(m->delta + t * SIMD_LANES), du = delta * v_load(m->u + t * SIMD_LANES);
        const vf dy = v_load(m->dy + t * SIMD_LANES);
        const float *decay = p.decay + (place * SCAN_CHUNK + t * tile) * SIMD_LANES;
        const float *before = p.state + (place * (SCAN_CHUNK + 1) + t * tile) * SIMD_LANES;
        const float *h = before + tile * SIMD_LANES;
        vf ddu = {0}, ddelta = {0}, dB[TILE], dC[TILE]; /* dB[i], dC[i]: later pairs of them */
        if (n) {
            ddu = v_load(m->ddu + t * SIMD_LANES);
            ddelta = v_load(m->ddelta + t * SIMD_LANES);
        } else {
            __builtin_prefetch(dx.data + it->pixel[t] * dx.pitch, 1);
        }
        SIMD_UNROLL
        for (int i = 0; i < tile; i++) {
            const vf g = dy * C[i] + ag[i];
            ag[i] = g * v_load(decay + i * SIMD_LANES);
            const vf q = ag[i] * v_load(before + i * SIMD_LANES);
            ddu += g * B[i];
            ddelta += q * v_load(rates + i * SIMD_LANES);
            v_store(dA + i * SIMD_LANES, v_load(dA + i * SIMD_LANES) + q * delta);
            const vf to_B = g * du, to_C = dy * v_load(h + i * SIMD_LANES);
            dB[i / 2] = i % 2 ? v_add_pairs(dB[i / 2], to_B) : to_B;
            dC[i / 2] = i % 2 ? v_add_pairs(dC[i / 2], to_C) : to_C;
        }
        if (tile == 1) {
            dB[0] = v_add_pairs(dB[0], (vf){0});
            dC[0] = v_add_pairs(dC[0], (vf){0});
        }
        v_store(m->ddu + t * SIMD_LANES, ddu);
        v_store(m->ddelta + t * SIMD_LANES, ddelta);
        add_sums(tile, dB, p.sums + t * row + s->rank + n);
        add_sums(tile, dC, p.sums + t * row + s->rank + s->states + n);
    }
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        v_store(w->carry + (n + i) * SIMD_LANES, ag[i]);
        v_store(w->sums + (n + i) * SIMD_LANES, v_load(dA + i * SIMD_LANES));
    }
}

/* Computes the gradients of the components r … r + tile - 1 of dt, and adds those of dt_weight to sums. */
SIMD_INLINE void dt_tile(const int tile, const BackwardBlock *w, int r)
{
    const Parts p = slab_parts(w->s, w->m);
    const int64_t row = scan_row(w->s), first = (int64_t)(w->s->states + r) * SIMD_LANES;
    vf weight[TILE], dweight[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        weight[i] = v_load(w->params + first + i * SIMD_LANES);
        dweight[i] = v_load(w->sums + first + i * SIMD_LANES);
    }
    for (int t = 0; t < w->it->count; t++) {
        const float *dt = w->m->rows + t * row + r;
        const vf d = v_load(w->m->ddelta + t * SIMD_LANES);
        const vf d_log2 = d * SIMD_LN2; /* packed weights are multiplied by log2(e) */
        vf ddt[TILE];
        SIMD_UNROLL
        for (int i = 0; i < tile; i++) {
            dweight[i] += d * dt[i];
            const vf to_dt = d_log2 * weight[i];
            ddt[i / 2] = i % 2 ? v_add_pairs(ddt[i / 2], to_dt) : to_dt;
        }
        if (tile == 1) ddt[0] = v_add_pairs(ddt[0], (vf){0});
        add_sums(tile, ddt, p.sums + t * row + r);
    }
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) v_store(w->sums + first + i * SIMD_LANES, dweight[i]);
}

#if SIMD_REGISTERS == 32
#define EACH_TILE(call)     \
    case 8: call(8); break; \
    case 4: call(4); break; \
    case 2: call(2); break; \
    case 1:                 \
        call(1);            \
        break
#else
#define EACH_TILE(call)     \
    case 4: call(4); break; \
    case 2: call(2); break; \
    case 1:                 \
        call(1);            \
        break
#endif

static void make_states(const BackwardBlock *w, int n, int64_t place)
{
#define STATES(tile) states_tile(tile, w, n, place)
    switch (tile_of(w->s->states - n, TILE)) {
        EACH_TILE(STATES);
    }
}

static void make_gradients(const BackwardBlock *w, int n, int64_t place)
{
#define GRADIENTS(tile) gradients_tile(tile, w, n, place)
    switch (tile_of(w->s->states - n, TILE)) {
        EACH_TILE(GRADIENTS);
    }
}

/* Computes from ddu and ddelta the gradients of x, dt and the other parameters. */
static void make_inputs(const BackwardBlock *w)
{
    const ScanShape *s = w->s;
    BackwardSlab *m = w->m;
    const int64_t bias = (int64_t)(s->states + s->rank) * SIMD_LANES;
    const vf skip = v_load(w->params + bias + SIMD_LANES);
    vf dbias = v_load(w->sums + bias), dskip = v_load(w->sums + bias + SIMD_LANES);
    for (int t = 0; t < w->it->count; t++) {
        const int i = t * SIMD_LANES;
        const vf u = v_load(m->u + i), dy = v_load(m->dy + i), ddu = v_load(m->ddu + i);
        const vf d = (v_load(m->ddelta + i) * SIMD_LN2 + ddu * u) * v_load(m->slope + i);
        v_store(m->ddelta + i, d);
        if (w->wants_dx) {
            const vf dx = skip * dy + ddu * v_load(m->delta + i);
            sum_lane_store(w->dx, w->it, t, w->add_dx ? dx + sum_lane_load(w->dx, w->it, t) : dx);
        }
        dbias += d;
        dskip += dy * u;
    }
    v_store(w->sums + bias, dbias);
    v_store(w->sums + bias + SIMD_LANES, dskip);
#define DT(tile) dt_tile(tile, w, r)
    for (int r = 0, tile; r < s->rank; r += tile) switch (tile = tile_of(s->rank - r, TILE)) {
            EACH_TILE(DT);
        }
}

static void backward_block(Backward *b, const ScanItem *it, int64_t block, BackwardSlab *m)
{
    const ScanShape *s = b->s;
    const int64_t offset = scan_block_offset(s, it->direction, block);
    const BackwardBlock w = {
        .s = s,
        .it = it,
        .m = m,
        .x = lane_of(s, b->values->x, block),
        .dy = lane_of(s, b->gradients->y, block),
        .dx = sum_lane_of(s, b->gradients->x, block),
        .wants_dx = b->gradients->x.data != NULL,
        .add_dx = it->direction > 0 || b->gradients->accumulate_x,
        .params = b->packed + offset,
        .from = scan_saved_state(s, b->values->states, it, block, it->chunk),
        .carry = b->carry + (it->image * scan_blocks(s) + block) * s->states * SIMD_LANES,
        .sums = b->sums + it->image * scan_block_offset(s, s->directions.count, 0) + offset,
    };
    Turn *turn = &b->turns[it->image * scan_blocks(s) + block];

    for (int n = 0; w.from && n < s->states; n++) __builtin_prefetch(w.from + n * SIMD_LANES);
    chunk_delta(s, it, m->rows, w.params, m->delta, m->slope);
    /* If another thread still works on the next chunk of the scan, recompute all states before waiting for it. Else
     * recompute those of one tile at a time, so that they are still in the cache when they are used. */
    const bool early = !turn_has_come(turn, it->step);
    for (int n = 0; early && n < s->states; n += tile_of(s->states - n, TILE)) make_states(&w, n, n);
    turn_wait(turn, it->step);
    if (it->chunk == scan_chunks(s) - 1) {
        memset(w.carry, 0, (size_t)s->states * sizeof(vf));
        memset(w.sums, 0, (size_t)scan_block_vectors(s) * sizeof(vf));
    }
    for (int n = 0; n < s->states; n += tile_of(s->states - n, TILE)) {
        if (!early) make_states(&w, n, 0);
        make_gradients(&w, n, early ? n : 0);
    }
    make_inputs(&w);
    turn_pass(turn, it->step);
}

/* Adds the sums over the item's blocks to the gradients of the projections, after the previous groups have done so. */
static void give_projections(Backward *b, const ScanItem *it, const float *sums)
{
    const int64_t row = scan_row(b->s);
    Turn *turns = b->group_turns + it->image * scan_groups(b->s);
    if (it->group > 0) turn_wait(&turns[it->group - 1], it->step + 1);
    for (int t = 0; t < it->count; t++) {
        float *to = b->gradients->projections + (it->pixel[t] * b->s->directions.count + it->direction) * row;
        for (int64_t i = 0; i < row; i++) to[i] = (it->group ? to[i] : 0.0f) + sums[t * row + i];
    }
    if (it->group + 1 == scan_groups(b->s)) return;
    /* turn_pass(step) means that all earlier steps are finished, too: so wait for them. */
    turn_wait(&turns[it->group], it->step);
    turn_pass(&turns[it->group], it->step);
}

static void backward_work(Backward *b)
{
    BackwardSlab *m = (BackwardSlab *)(b->slabs + omp_get_thread_num() * scan_backward_slab(b->s, SIMD_LANES));
    float *sums = slab_parts(b->s, m).sums;
    for (;;) {
        ScanItem it;
        item_set(b->s, atomic_fetch_add(&b->ticket, 1), true, &it);
        if (!it.count) return;
        item_rows(b->s, &it, b->values->projections, m->rows);
        memset(sums, 0, (size_t)(it.count * scan_row(b->s)) * sizeof *sums);
        for (int64_t block = it.block; block < it.block_end; block++) backward_block(b, &it, block, m);
        give_projections(b, &it, sums);
    }
}

void SIMD_NAME(scan_backward)(const ScanShape *s, const float *packed, const ScanValues *values,
                              const ScanGradients *gradients, void *scratch)
{
    const int64_t blocks = s->batch * scan_blocks(s), groups = s->batch * scan_groups(s);
    Backward b = {.s = s, .packed = packed, .values = values, .gradients = gradients, .turns = scratch};
    b.group_turns = b.turns + blocks;
    b.carry = (float *)(b.group_turns + groups);
    b.sums = b.carry + blocks * s->states * SIMD_LANES;
    b.slabs = b.sums + s->batch * scan_block_offset(s, s->directions.count, 0);
    for (int64_t i = 0; i < blocks + groups; i++) atomic_init(&b.turns[i].done, 0);
#pragma omp parallel num_threads(s->threads)
    backward_work(&b);
    SIMD_NAME(scan_unpack)(s, packed, b.sums, &gradients->params);
}
