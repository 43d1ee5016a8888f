/* Backward pass of the selective scan (scan.h).
 *
 * With g the gradient of h, running against the scan (a' its decay at the position after):
 *     g = C dy + a' g'        dC = dy h            dB = delta u g
 *     q = g a h_before        d(delta) = Σ_s A_s q + u Σ_s B_s g        dA = Σ delta q
 *     du = Ds dy + delta Σ_s B_s g
 * States are computed again for a chunk at a time, from the one kept at its start. dC, dB and d(dt)
 * are sums over channels: they gather in a vector for each, to which all blocks of an item add; its
 * lanes are summed at the end. */
#include "network/ops/scan_internal.h"

#if defined(__AVX512F__)
enum { TILE = 8 }; /* states whose gradients of h and A are in registers */
#else
enum { TILE = 4 };
#endif

/* A thread's memory (scan_backward_slab). */
typedef struct Slab {
    float u[SCAN_CHUNK * SIMD_LANES];
    float delta[SCAN_CHUNK * SIMD_LANES];
    float slope[SCAN_CHUNK * SIMD_LANES];  /* of softplus */
    float dy[SCAN_CHUNK * SIMD_LANES];
    float dx[SCAN_CHUNK * SIMD_LANES];
    float ddu[SCAN_CHUNK * SIMD_LANES];    /* Σ_s B_s g, gradient of delta · u */
    float ddelta[SCAN_CHUNK * SIMD_LANES]; /* Σ_s A_s q log2(e), later the whole gradient before softplus */
    float vectors[];                       /* the rest: see slab_parts */
} Slab;

typedef struct Parts {
    float *decay;    /* SCAN_CHUNK × S: a */
    float *kept;     /* SCAN_CHUNK × S: a h_before */
    float *gathered; /* SCAN_CHUNK × row: gradients of the projections, lanes not yet summed */
    float *rows;     /* SCAN_CHUNK rows of projections */
} Parts;

static Parts slab_parts(const ScanShape *s, Slab *m)
{
    const int64_t states = (int64_t)SCAN_CHUNK * s->states * SIMD_LANES;
    float *gathered = m->vectors + 2 * states;
    return (Parts){m->vectors, m->vectors + states, gathered,
                   gathered + (SCAN_CHUNK * scan_row(s) + SCAN_LINE) * SIMD_LANES};
}

typedef struct Backward {
    const ScanShape *s;
    const float *packed;
    const ScanValues *values;
    const ScanGradients *gradients;
    Turn *turns;       /* of each image's blocks */
    Turn *group_turns; /* of each image's groups: the gradients of the projections */
    float *carry;      /* N × blocks × S vectors: a' g' from chunk to chunk */
    float *sums;       /* gradients of the parameters, for each image, laid out as packed ones */
    float *slabs;
    atomic_llong ticket;
} Backward;

/* Makes the states n … n + tile - 1 along the chunk again; gathers dC. */
SIMD_INLINE void states_tile(const int tile, const ScanShape *s, const Item *it, const float *block, int n,
                             Slab *m, const float *from)
{
    const Parts p = slab_parts(s, m);
    const float *rate = block + n * SIMD_LANES;
    vf h[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++)
        h[i] = from ? v_load(from + (n + i) * SIMD_LANES) : (vf){0};
    for (int t = 0; t < it->count; t++) {
        const float *B = p.rows + t * scan_row(s) + s->rank + n;
        const vf delta = v_load(m->delta + t * SIMD_LANES), du = delta * v_load(m->u + t * SIMD_LANES);
        const vf dy = v_load(m->dy + t * SIMD_LANES);
        float *decay = p.decay + (t * s->states + n) * SIMD_LANES;
        float *kept = p.kept + (t * s->states + n) * SIMD_LANES;
        float *dC = p.gathered + (t * scan_row(s) + s->rank + s->states + n) * SIMD_LANES;
        SIMD_UNROLL
        for (int i = 0; i < tile; i++) {
            const vf a = v_exp2_product(delta, v_load(rate + i * SIMD_LANES)), ah = a * h[i];
            h[i] = du * B[i] + ah;
            v_store(decay + i * SIMD_LANES, a);
            v_store(kept + i * SIMD_LANES, ah);
            v_store(dC + i * SIMD_LANES, dy * h[i] + v_load(dC + i * SIMD_LANES));
        }
    }
}

/* Runs against the scan: g by `carry`, gathers dB, adds to ddu and ddelta (which the first tile starts),
 * and adds dA to `sums`. */
SIMD_INLINE void gradients_tile(const int tile, const ScanShape *s, const Item *it, const float *block, int n,
                                Slab *m, float *carry, float *sums)
{
    const Parts p = slab_parts(s, m);
    const float *rate = block + n * SIMD_LANES;
    vf ag[TILE], dA[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        ag[i] = v_load(carry + (n + i) * SIMD_LANES);
        dA[i] = v_load(sums + (n + i) * SIMD_LANES);
    }
    for (int t = it->count - 1; t >= 0; t--) {
        const float *B = p.rows + t * scan_row(s) + s->rank + n, *C = B + s->states;
        const vf delta = v_load(m->delta + t * SIMD_LANES), du = delta * v_load(m->u + t * SIMD_LANES);
        const vf dy = v_load(m->dy + t * SIMD_LANES);
        const float *decay = p.decay + (t * s->states + n) * SIMD_LANES;
        const float *kept = p.kept + (t * s->states + n) * SIMD_LANES;
        float *dB = p.gathered + (t * scan_row(s) + s->rank + n) * SIMD_LANES;
        vf ddu = n ? v_load(m->ddu + t * SIMD_LANES) : (vf){0};
        vf ddelta = n ? v_load(m->ddelta + t * SIMD_LANES) : (vf){0};
        SIMD_UNROLL
        for (int i = 0; i < tile; i++) {
            const vf g = dy * C[i] + ag[i], q = g * v_load(kept + i * SIMD_LANES);
            ddu += g * B[i];
            ddelta += q * v_load(rate + i * SIMD_LANES);
            dA[i] += q * delta;
            ag[i] = g * v_load(decay + i * SIMD_LANES);
            v_store(dB + i * SIMD_LANES, g * du + v_load(dB + i * SIMD_LANES));
        }
        v_store(m->ddu + t * SIMD_LANES, ddu);
        v_store(m->ddelta + t * SIMD_LANES, ddelta);
    }
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        v_store(carry + (n + i) * SIMD_LANES, ag[i]);
        v_store(sums + (n + i) * SIMD_LANES, dA[i]);
    }
}

/* Rows r … r + tile - 1 of dt: its gradient is gathered, that of dt_weight added to sums. */
SIMD_INLINE void dt_tile(const int tile, const ScanShape *s, const Item *it, const float *weight, int r,
                         Slab *m, float *sums)
{
    const Parts p = slab_parts(s, m);
    float *gathered = p.gathered + r * SIMD_LANES;
    vf w[TILE], dw[TILE];
    SIMD_UNROLL
    for (int i = 0; i < tile; i++) {
        w[i] = v_load(weight + (r + i) * SIMD_LANES);
        dw[i] = v_load(sums + (r + i) * SIMD_LANES);
    }
    for (int t = 0; t < it->count; t++) {
        const vf d = v_load(m->ddelta + t * SIMD_LANES), d_log2 = d * SIMD_LN2; /* w is in units of log2(e) */
        float *ddt = gathered + t * scan_row(s) * SIMD_LANES;
        SIMD_UNROLL
        for (int i = 0; i < tile; i++) {
            dw[i] += d * p.rows[t * scan_row(s) + r + i];
            v_store(ddt + i * SIMD_LANES, d_log2 * w[i] + v_load(ddt + i * SIMD_LANES));
        }
    }
    SIMD_UNROLL
    for (int i = 0; i < tile; i++)
        v_store(sums + (r + i) * SIMD_LANES, dw[i]);
}

#if defined(__AVX512F__)
#define EACH_TILE(call)                                                                            \
    case 8: call(8); break;                                                                        \
    case 4: call(4); break;                                                                        \
    case 2: call(2); break;                                                                        \
    case 1: call(1); break
#else
#define EACH_TILE(call)                                                                            \
    case 4: call(4); break;                                                                        \
    case 2: call(2); break;                                                                        \
    case 1: call(1); break
#endif

static void make_states(const ScanShape *s, const Item *it, const float *block, Slab *m, const float *from)
{
#define STATES(tile) states_tile(tile, s, it, block, n, m, from)
    for (int n = 0, tile; n < s->states; n += tile)
        switch (tile = tile_of(s->states - n, TILE)) {
            EACH_TILE(STATES);
        }
}

static void make_gradients(const ScanShape *s, const Item *it, const float *block, Slab *m, float *carry,
                           float *sums)
{
#define GRADIENTS(tile) gradients_tile(tile, s, it, block, n, m, carry, sums)
    for (int n = 0, tile; n < s->states; n += tile)
        switch (tile = tile_of(s->states - n, TILE)) {
            EACH_TILE(GRADIENTS);
        }
}

/* From ddu and ddelta to what lies before them: dx, dt and the remaining parameters. */
static void make_inputs(const ScanShape *s, const Item *it, const float *block, Slab *m, float *sums)
{
    const int64_t weight = (int64_t)s->states * SIMD_LANES, bias = weight + (int64_t)s->rank * SIMD_LANES;
    const vf skip = v_load(block + bias + SIMD_LANES);
    vf dbias = v_load(sums + bias), dskip = v_load(sums + bias + SIMD_LANES);
    for (int t = 0; t < it->count * SIMD_LANES; t += SIMD_LANES) {
        const vf u = v_load(m->u + t), dy = v_load(m->dy + t), ddu = v_load(m->ddu + t);
        const vf d = (v_load(m->ddelta + t) * SIMD_LN2 + ddu * u) * v_load(m->slope + t);
        v_store(m->ddelta + t, d);
        v_store(m->dx + t, skip * dy + ddu * v_load(m->delta + t));
        dbias += d;
        dskip += dy * u;
    }
    v_store(sums + bias, dbias);
    v_store(sums + bias + SIMD_LANES, dskip);
#define DT(tile) dt_tile(tile, s, it, block + weight, r, m, sums + weight)
    for (int r = 0, tile; r < s->rank; r += tile)
        switch (tile = tile_of(s->rank - r, TILE)) {
            EACH_TILE(DT);
        }
}

static void backward_block(Backward *b, const Item *it, int64_t block, Slab *m)
{
    const ScanShape *s = b->s;
    const int64_t chunks = scan_chunks(s), offset = scan_block_offset(s, it->direction, block);
    const float *params = b->packed + offset;
    float *carry = b->carry + (it->image * scan_blocks(s) + block) * s->states * SIMD_LANES;
    float *sums = b->sums + it->image * scan_block_offset(s, s->directions, 0) + offset;
    const float *from =
        it->chunk ? scan_saved_state(s, b->values->states, it->image, it->direction, it->chunk, block) : NULL;
    Turn *turn = &b->turns[it->image * scan_blocks(s) + block];

    const Lane x = lane_of(s, b->values->x, block), y = lane_of(s, b->gradients->y, block);
    for (int t = 0; t < it->count; t++) {
        v_store(m->u + t * SIMD_LANES, lane_load(x, it, t));
        v_store(m->dy + t * SIMD_LANES, lane_load(y, it, t));
    }
    chunk_delta(s, it, slab_parts(s, m).rows, params, m->delta, m->slope);
    make_states(s, it, params, m, from);
    turn_wait(turn, it->step);
    if (it->chunk == chunks - 1) {
        memset(carry, 0, (size_t)s->states * sizeof(vf));
        memset(sums, 0, (size_t)scan_block_vectors(s) * sizeof(vf));
    }
    make_gradients(s, it, params, m, carry, sums);
    make_inputs(s, it, params, m, sums);
    const bool add = it->direction > 0 || b->gradients->accumulate_x;
    const Lane dx = lane_of(s, b->gradients->x, block);
    for (int t = 0; b->gradients->x.data && t < it->count; t++)
        lane_store(dx, it, t, v_load(m->dx + t * SIMD_LANES), add);
    turn_pass(turn, it->step);
}

/* Sums the lanes of what the item's blocks have gathered, and adds that after the groups before. */
static void give_projections(Backward *b, const Item *it, Slab *m)
{
    const ScanShape *s = b->s;
    const int64_t row = scan_row(s), count = it->count * row;
    float *gathered = slab_parts(s, m).gathered;
    Turn *turns = b->group_turns + it->image * scan_groups(s);
    /* in place: a sum of SIMD_LANES vectors never lies behind the first of them */
    for (int64_t i = 0; i < count; i += SIMD_LANES)
        v_store(gathered + i, v_sums(gathered + i * SIMD_LANES));
    if (it->group > 0)
        turn_wait(&turns[it->group - 1], it->step + 1);
    for (int t = 0; t < it->count; t++) {
        float *to = b->gradients->projections + (it->pixel[t] * s->directions + it->direction) * row;
        const float *from = gathered + t * row;
        for (int64_t i = 0; i < row; i++)
            to[i] = it->group ? to[i] + from[i] : from[i];
    }
    turn_pass(&turns[it->group], it->step);
}

static void backward_work(Backward *b)
{
    Slab *m = (Slab *)(b->slabs + omp_get_thread_num() * scan_backward_slab(b->s) * SIMD_LANES);
    for (;;) {
        const int64_t ticket = atomic_fetch_add(&b->ticket, 1);
        if (ticket >= item_count(b->s))
            return;
        Item it;
        item_set(b->s, ticket, true, &it);
        item_rows(b->s, &it, b->values->projections, slab_parts(b->s, m).rows);
        memset(slab_parts(b->s, m).gathered, 0, (size_t)(it.count * scan_row(b->s)) * sizeof(vf));
        for (int64_t block = it.block; block < it.block_end; block++)
            backward_block(b, &it, block, m);
        give_projections(b, &it, m);
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
    b.slabs = b.sums + s->batch * scan_block_offset(s, s->directions, 0);
    for (int64_t i = 0; i < blocks + groups; i++)
        atomic_init(&b.turns[i].done, 0);
#pragma omp parallel num_threads(s->threads)
    backward_work(&b);
    SIMD_NAME(scan_unpack)(s, packed, b.sums, &gradients->params);
}
