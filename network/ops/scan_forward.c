/* Forward pass of the selective scan (scan.h). */
#include "network/ops/scan_internal.h"

/* The states that are computed at once. In AVX-512's 32 registers they stay there along the chunk. 16 registers are just
 * enough for the exponentials: there, each state is loaded and stored at each position. So it is with NEON, whose
 * multiply-add overwrites the addend: the polynomial's constants and their copies take the registers. */
enum { TILE = SCAN_TILE_MOST, IN_REGISTERS = SIMD_BYTES == 64, TOGETHER = IN_REGISTERS ? 1 : 2 };

/* The scratch memory of a thread (scan_forward_slab). */
typedef struct ForwardSlab {
    float delta[SCAN_CHUNK * SIMD_LANES];
    float h[TILE * SIMD_LANES], rates[TILE * SIMD_LANES];
    float rows[]; /* SCAN_CHUNK rows of projections, then SCAN_CHUNK × S vectors: see slab_decay */
} ForwardSlab;

/* Memory for exp(delta A) of a chunk, if it is computed before the block's turn. */
static float *slab_decay(const ScanShape *s, ForwardSlab *m) { return m->rows + SCAN_CHUNK * scan_row(s); }

typedef struct Forward {
    const ScanShape *s;
    const float *packed;
    const ScanValues *values;
    Turn *turns;  /* of each image's blocks */
    float *carry; /* N × blocks × S vectors: states at the ends of chunks; inference only */
    float *slabs;
    atomic_llong ticket;
} Forward;

/* The arguments for one block of an item. */
typedef struct ForwardBlock {
    const ScanShape *s;
    const ScanItem *it, *next; /* next: this thread's next item, whose rows are prefetched */
    const float *projections;  /* of the whole batch */
    ForwardSlab *m;
    Lane x, y;
    SumLane sums;        /* of y */
    const float *params; /* packed */
    const float *from;   /* state at the chunk's start; NULL: 0 */
    float *to;           /* memory for the state at the chunk's end; NULL: not stored */
} ForwardBlock;

static void make_decays(const ForwardBlock *w)
{
    float *decay = slab_decay(w->s, w->m);
    for (int t = 0; t < w->it->count; t++) {
        const vf delta = v_load(w->m->delta + t * SIMD_LANES);
        for (int n = 0; n < w->s->states; n++, decay += SIMD_LANES)
            v_store(decay, v_exp2_product(delta, v_load(w->params + n * SIMD_LANES)));
    }
}

/* Computes the states n … n + tile - 1 along the chunk. made: the decays were computed before. Their contribution to y
 * is added to sums (or written, if it is the first); the last tile writes y. The first tile adds Ds u. */
SIMD_INLINE void scan_tile(const int tile, const bool made, const ForwardBlock *w, int n)
{
    const ScanShape *s = w->s;
    const ScanItem *it = w->it;
    const ForwardSlab *m = w->m;
    const Lane x = w->x, y = w->y;
    const SumLane sums = w->sums;
    const int64_t row = scan_row(s), states = s->states;
    const float *rows = m->rows + s->rank + n, *decay = slab_decay(s, w->m) + n * SIMD_LANES;
    const vf skip = n ? (vf){0} : v_load(w->params + (s->states + s->rank + 1) * SIMD_LANES);
    const bool add = n || it->direction;
    const bool last = n + tile == s->states && it->direction + 1 == s->directions.count;
    float *const held = w->m->h, *const held_rates = w->m->rates;
    vf h[TILE], rates[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        rates[i] = v_load(w->params + (n + i) * SIMD_LANES);
        if (!IN_REGISTERS) v_store(held_rates + i * SIMD_LANES, rates[i]);
        h[i] = w->from ? v_load(w->from + (n + i) * SIMD_LANES) : (vf){0};
        if (!IN_REGISTERS) v_store(held + i * SIMD_LANES, h[i]);
    }
    for (int t = 0; t < it->count; t++) {
        const float *B = rows + t * row, *C = B + states;
        const vf delta = v_load(m->delta + t * SIMD_LANES), u = lane_load(x, it, t), du = delta * u;
        lane_prefetch(x, it, t);
        sum_lane_prefetch(sums, it, t);
        if (n == 0) item_prefetch(s, w->next, w->projections, t);
        vf sum[2] = {skip * u, {0}};
        const int some = tile < TOGETHER ? tile : TOGETHER;
        SIMD_UNROLL
        for (int i = 0; i < tile; i += some) {
            vf a[TOGETHER];
            if (!made && !IN_REGISTERS) v_exp2_products(some, delta, held_rates + i * SIMD_LANES, a);
            SIMD_UNROLL
            for (int k = 0; k < some; k++) {
                if (made) a[k] = v_load(decay + (t * states + i + k) * SIMD_LANES);
                else if (IN_REGISTERS) a[k] = v_exp2_product(delta, rates[i + k]);
                const vf before = IN_REGISTERS ? h[i + k] : v_load(held + (i + k) * SIMD_LANES);
                h[i + k] = v_fma(a[k], before, du * B[i + k]);
                if (!IN_REGISTERS) v_store(held + (i + k) * SIMD_LANES, h[i + k]);
                sum[(i + k) % 2] += h[i + k] * C[i + k];
            }
        }
        vf total = sum[0] + sum[1];
        if (add) total += sum_lane_load(sums, it, t);
        if (last) lane_store(y, it, t, total);
        else sum_lane_store(sums, it, t, total);
    }
    if (!w->to) return;
    SIMD_UNROLL
    for (int i = 0; i < tile; i++)
        v_store(w->to + (n + i) * SIMD_LANES, IN_REGISTERS ? h[i] : v_load(held + i * SIMD_LANES));
}

#define SCAN_TILE(size)                        \
    case size:                                 \
        if (made) scan_tile(size, true, w, n); \
        else scan_tile(size, false, w, n);     \
        break

static void scan_states(const ForwardBlock *w, bool made)
{
    for (int n = 0, tile; n < w->s->states; n += tile) {
        switch (tile = tile_of(w->s->states - n, TILE)) {
            SCAN_TILE(16);
            SCAN_TILE(8);
            SCAN_TILE(4);
            SCAN_TILE(2);
            SCAN_TILE(1);
        }
    }
}

static void forward_block(Forward *f, const ScanItem *it, int64_t block, const ScanItem *next, ForwardSlab *m)
{
    const ScanShape *s = f->s;
    float *states = f->values->states;
    float *carry = f->carry + (it->image * scan_blocks(s) + block) * s->states * SIMD_LANES;
    const ForwardBlock w = {
        .s = s,
        .it = it,
        .next = next,
        .projections = f->values->projections,
        .m = m,
        .x = lane_of(s, f->values->x, block),
        .y = lane_of(s, f->values->y, block),
        .sums = sum_lane_of(s, f->values->sums, block),
        .params = f->packed + scan_block_offset(s, it->direction, block),
        .from = states      ? scan_saved_state(s, states, it, block, it->chunk)
                : it->chunk ? carry
                            : NULL,
        .to = states ? scan_saved_state(s, states, it, block, it->chunk + 1) : carry,
    };
    Turn *turn = &f->turns[it->image * scan_blocks(s) + block];

    for (int n = 0; states && w.to && n < s->states; n++) /* they are written at the end of the chunk */
        __builtin_prefetch(w.to + n * SIMD_LANES, 1);
    chunk_delta(s, it, m->rows, w.params, m->delta, NULL);
    /* If another thread still works on the previous chunk, compute the decays, most of the work, before waiting. */
    const bool early = !turn_has_come(turn, it->step);
    if (early) make_decays(&w);
    turn_wait(turn, it->step);
    scan_states(&w, early);
    turn_pass(turn, it->step);
}

static void forward_work(Forward *f)
{
    ForwardSlab *m = (ForwardSlab *)(f->slabs + omp_get_thread_num() * scan_forward_slab(f->s, SIMD_LANES));
    ScanItem items[2];
    item_set(f->s, atomic_fetch_add(&f->ticket, 1), false, &items[0]);
    for (int i = 0; items[i].count; i = !i) {
        const ScanItem *it = &items[i];
        item_set(f->s, atomic_fetch_add(&f->ticket, 1), false, &items[!i]);
        item_rows(f->s, it, f->values->projections, m->rows);
        for (int64_t block = it->block; block < it->block_end; block++) forward_block(f, it, block, &items[!i], m);
    }
}

void SIMD_NAME(scan_forward)(const ScanShape *s, const float *packed, const ScanValues *values, void *scratch)
{
    const int64_t blocks = s->batch * scan_blocks(s);
    Forward f = {.s = s, .packed = packed, .values = values, .turns = scratch};
    f.carry = (float *)(f.turns + blocks);
    f.slabs = f.carry + blocks * s->states * SIMD_LANES;
    for (int64_t i = 0; i < blocks; i++) atomic_init(&f.turns[i].done, 0);
#pragma omp parallel num_threads(s->threads)
    forward_work(&f);
}
