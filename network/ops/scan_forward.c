/* Forward pass of the selective scan (scan.h). */
#include "network/ops/scan_internal.h"

#if defined(__AVX512F__)
enum { TILE = 16 }; /* states in registers */
#else
enum { TILE = 8 };
#endif

/* A thread's memory (scan_forward_slab). */
typedef struct Slab {
    float delta[SCAN_CHUNK * SIMD_LANES];
    float rows[]; /* SCAN_CHUNK rows of projections, then SCAN_CHUNK × S vectors: see slab_decay */
} Slab;

/* exp(delta A) of a chunk, where they are made before their turn. */
static float *slab_decay(const ScanShape *s, Slab *m)
{
    return m->rows + SCAN_CHUNK * scan_row(s);
}

typedef struct Forward {
    const ScanShape *s;
    const float *packed;
    const ScanValues *values;
    Turn *turns;       /* of each image's blocks */
    float *carry;      /* N × blocks × S vectors: states from chunk to chunk; inference only */
    float *slabs;
    atomic_llong ticket;
} Forward;

static void scan_decays(const ScanShape *s, const Item *it, const float *rate, const float *delta, float *decay)
{
    for (int t = 0; t < it->count; t++)
        for (int n = 0; n < s->states; n++)
            v_store(decay + (t * s->states + n) * SIMD_LANES,
                    v_exp2_product(v_load(delta + t * SIMD_LANES), v_load(rate + n * SIMD_LANES)));
}

/* States n … n + tile - 1 along the chunk: their state from `from` (NULL: 0) to `to` (may be NULL), their
 * share of y written, or added; the first tile brings Ds u with it. */
SIMD_INLINE void scan_tile(const int tile, const bool made, const ScanShape *s, const Item *it, const Lane x,
                           const Lane y, const float *block, int n, Slab *m, const float *from, float *to)
{
    const vf skip = n ? (vf){0} : v_load(block + (s->states + s->rank + 1) * SIMD_LANES);
    const float *rate = block + n * SIMD_LANES;
    const bool add = n || it->direction;
    const float *decay = slab_decay(s, m);
    const int64_t row = scan_row(s);
    const int states = s->states;
    const float *rows = m->rows + s->rank + n;
    vf h[TILE], rates[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++)
        rates[i] = v_load(rate + i * SIMD_LANES);
    SIMD_UNROLL
    for (int i = 0; i < tile; i++)
        h[i] = from ? v_load(from + (n + i) * SIMD_LANES) : (vf){0};
    for (int t = 0; t < it->count; t++) {
        const float *B = rows + t * row, *C = B + states;
        const vf delta = v_load(m->delta + t * SIMD_LANES), u = lane_load(x, it, t), du = delta * u;
        lane_prefetch(x, it, t, 0);
        lane_prefetch(y, it, t, 1);
        vf sum[2] = {skip * u, {0}};
        SIMD_UNROLL
        for (int i = 0; i < tile; i++) {
            const vf a = made ? v_load(decay + (t * states + n + i) * SIMD_LANES)
                              : v_exp2_product(delta, rates[i]);
            h[i] = a * h[i] + du * B[i];
            sum[i % 2] += h[i] * C[i];
        }
        lane_store(y, it, t, sum[0] + sum[1], add);
    }
    if (!to)
        return;
    SIMD_UNROLL
    for (int i = 0; i < tile; i++)
        v_store(to + (n + i) * SIMD_LANES, h[i]);
}

#define SCAN_TILE(size)                                                                            \
    case size:                                                                                     \
        if (made)                                                                                  \
            scan_tile(size, true, s, it, x, y, block, n, m, from, to);                                   \
        else                                                                                       \
            scan_tile(size, false, s, it, x, y, block, n, m, from, to);                                  \
        break

static void scan_states(const ScanShape *s, const Item *it, const Lane x, const Lane y, const float *block,
                        bool made, Slab *m, const float *from, float *to)
{
    for (int n = 0, tile; n < s->states; n += tile) {
        switch (tile = tile_of(s->states - n, TILE)) {
#if defined(__AVX512F__)
        SCAN_TILE(16);
#endif
        SCAN_TILE(8);
        SCAN_TILE(4);
        SCAN_TILE(2);
        SCAN_TILE(1);
        }
    }
}

static void forward_block(Forward *f, const Item *it, int64_t block, Slab *m)
{
    const ScanShape *s = f->s;
    const float *params = f->packed + scan_block_offset(s, it->direction, block);
    Turn *turn = &f->turns[it->image * scan_blocks(s) + block];
    float *states = f->values->states, *from = NULL, *to = NULL;
    if (!states)
        from = to = f->carry + (it->image * scan_blocks(s) + block) * s->states * SIMD_LANES;
    else if (it->chunk + 1 < scan_chunks(s))
        to = scan_saved_state(s, states, it->image, it->direction, it->chunk + 1, block);
    if (it->chunk == 0)
        from = NULL;
    else if (states)
        from = scan_saved_state(s, states, it->image, it->direction, it->chunk, block);

    const Lane x = lane_of(s, f->values->x, block), y = lane_of(s, f->values->y, block);
    chunk_delta(s, it, m->rows, params, m->delta, NULL);
    /* Somebody is still at the chunk before: most of our work can be done meanwhile. */
    const bool early = !turn_has_come(turn, it->step);
    if (early)
        scan_decays(s, it, params, m->delta, slab_decay(s, m));
    turn_wait(turn, it->step);
    scan_states(s, it, x, y, params, early, m, from, to);
    turn_pass(turn, it->step);
}

static void forward_work(Forward *f)
{
    Slab *m = (Slab *)(f->slabs + omp_get_thread_num() * scan_forward_slab(f->s) * SIMD_LANES);
    for (;;) {
        const int64_t ticket = atomic_fetch_add(&f->ticket, 1);
        if (ticket >= item_count(f->s))
            return;
        Item it;
        item_set(f->s, ticket, false, &it);
        item_rows(f->s, &it, f->values->projections, m->rows);
        for (int64_t block = it.block; block < it.block_end; block++)
            forward_block(f, &it, block, m);
    }
}

void SIMD_NAME(scan_forward)(const ScanShape *s, const float *packed, const ScanValues *values, void *scratch)
{
    const int64_t blocks = s->batch * scan_blocks(s);
    Forward f = {.s = s, .packed = packed, .values = values, .turns = scratch};
    f.carry = (float *)(f.turns + blocks);
    f.slabs = f.carry + blocks * s->states * SIMD_LANES;
    for (int64_t i = 0; i < blocks; i++)
        atomic_init(&f.turns[i].done, 0);
#pragma omp parallel num_threads(s->threads)
    forward_work(&f);
}
