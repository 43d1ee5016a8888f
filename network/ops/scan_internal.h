/* What the two passes of the scan share: layout of its memory, order of its work, a chunk's inputs.
 *
 * Lanes are channels: a block is SIMD_LANES of them. The unit of work (ScanItem) is a group of blocks
 * along one chunk of one direction of one image. Threads draw items in one fixed order; whatever
 * depends on the item before — the state, sums — waits for its turn (Turn), so that every sum has one
 * order for any number of threads. An item depends on earlier ones only: no deadlock. */
#ifndef NETWORK_OPS_SCAN_INTERNAL_H
#define NETWORK_OPS_SCAN_INTERNAL_H

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>

#include "network/ops/scan.h"
#include "network/ops/simd.h"

enum {
    SCAN_LINE = 16,   /* channels that share a cache line; all sizes count whole lines */
    SCAN_GROUP = 192, /* channels of an item: many, since rows of projections are copied for each */
    SCAN_BATCH = 8    /* positions whose projections are done together; divides SCAN_CHUNK */
};

static inline int64_t scan_length(const ScanShape *s)
{
    return s->height * s->width;
}

static inline int64_t scan_chunks(const ScanShape *s)
{
    return (scan_length(s) + SCAN_CHUNK - 1) / SCAN_CHUNK;
}

static inline int64_t scan_blocks(const ScanShape *s)
{
    return (s->channels + SIMD_LANES - 1) / SIMD_LANES;
}

static inline int64_t scan_groups(const ScanShape *s)
{
    return (s->channels + SCAN_GROUP - 1) / SCAN_GROUP;
}

/* Vectors of a block's parameters: A (S), dt_weight (R), dt_bias, these times log2(e), and Ds; likewise, but
 * without that factor, of their gradients. */
static inline int64_t scan_block_vectors(const ScanShape *s)
{
    return s->states + s->rank + 2;
}

static inline int64_t scan_block_offset(const ScanShape *s, int64_t direction, int64_t block)
{
    return (direction * scan_blocks(s) + block) * scan_block_vectors(s) * SIMD_LANES;
}

/* ---- each level's parts (scan.c, scan_forward.c, scan_backward.c) ---- */

void SIMD_NAME(scan_forward)(const ScanShape *s, const float *packed, const ScanValues *v, void *scratch);
void SIMD_NAME(scan_backward)(const ScanShape *s, const float *packed, const ScanValues *v,
                              const ScanGradients *g, void *scratch);

/* The parameters in the order in which the kernels read them. */
void SIMD_NAME(scan_pack)(const ScanShape *s, const ScanParams *params, float *packed);

/* Gradients laid out as packed parameters, one set for each image, to their sums in PyTorch's layout.
 * The first set is overwritten. */
void SIMD_NAME(scan_unpack)(const ScanShape *s, const float *packed, float *sets,
                            const ScanParamGradients *params);

/* A thread's memory: floats, where vectors have so many lanes. */
static inline int64_t scan_forward_slab(const ScanShape *s, int64_t lanes)
{
    return SCAN_CHUNK * ((1 + s->states) * lanes + scan_row(s));
}

static inline int64_t scan_backward_slab(const ScanShape *s, int64_t lanes)
{
    const int64_t states = (2 * SCAN_CHUNK + 1) * s->states;
    return (6 * SCAN_CHUNK + states) * lanes + 2 * SCAN_CHUNK * scan_row(s);
}

/* ---- turns ---- */

typedef struct Turn {
    _Alignas(64) atomic_int done; /* steps that are finished */
} Turn;

static inline bool turn_has_come(Turn *t, int step)
{
    return atomic_load_explicit(&t->done, memory_order_acquire) >= step;
}

/* Leaves the core to its other hardware thread for a moment. */
static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Who is waited for draws no other work before its turn is passed: so it runs, or is ready to run. */
static inline void turn_wait(Turn *t, int step)
{
    for (int tries = 0; !turn_has_come(t, step); tries++)
        if (tries < 300) /* some microseconds: an item or two */
            pause_briefly();
        else
            sched_yield();
}

static inline void turn_pass(Turn *t, int step)
{
    atomic_store_explicit(&t->done, step + 1, memory_order_release);
}

/* ---- items ---- */

typedef struct ScanItem {
    int64_t image, direction, chunk;
    int step;                            /* number of the chunk in the whole pass over the image */
    int64_t group, block, block_end;
    int count;                           /* positions, 1 … SCAN_CHUNK */
    int64_t pixel[SCAN_CHUNK];           /* in the order of the scan; beyond count: some pixel */
} ScanItem;

/* Pixels of positions first … first + count - 1 along a direction. */
static inline void item_pixels(const ScanShape *s, ScanOrder order, int64_t image, int64_t first, ScanItem *it)
{
    const bool back = order == SCAN_ROW_MAJOR_REVERSED || order == SCAN_COLUMN_MAJOR_REVERSED;
    const bool columns = order == SCAN_COLUMN_MAJOR || order == SCAN_COLUMN_MAJOR_REVERSED;
    const int64_t inner = columns ? s->height : s->width;
    const int64_t inner_stride = columns ? s->width : 1, outer_stride = columns ? 1 : s->width;
    const int64_t length = scan_length(s), start = back ? length - 1 - first : first;
    int64_t o = start / inner, i = start % inner;

    for (int t = 0; t < SCAN_CHUNK; t++) {
        it->pixel[t] = image * length + o * outer_stride + i * inner_stride;
        if (t + 1 >= it->count)
            continue;
        i += back ? -1 : 1;
        if (i < 0) {
            i = inner - 1;
            o--;
        } else if (i == inner) {
            i = 0;
            o++;
        }
    }
}

/* The ticket-th item, of count 0 if there are not so many: groups change fastest, then images, chunks
 * (backwards if so asked), directions. */
static inline void item_set(const ScanShape *s, int64_t ticket, bool backwards, ScanItem *it)
{
    const int64_t chunks = scan_chunks(s), groups = scan_groups(s), blocks = scan_blocks(s);
    it->count = 0;
    if (ticket >= s->directions.count * chunks * s->batch * groups)
        return;
    it->group = ticket % groups;
    it->image = ticket / groups % s->batch;
    it->step = (int)(ticket / groups / s->batch);
    it->direction = it->step / chunks;
    it->chunk = backwards ? chunks - 1 - it->step % chunks : it->step % chunks;
    it->block = it->group * (SCAN_GROUP / SIMD_LANES);
    it->block_end = it->group + 1 < groups ? it->block + SCAN_GROUP / SIMD_LANES : blocks;

    const int64_t first = it->chunk * SCAN_CHUNK, left = scan_length(s) - first;
    it->count = left < SCAN_CHUNK ? (int)left : SCAN_CHUNK;
    item_pixels(s, s->directions.order[it->direction], it->image, first, it);
}

/* Copies the projections of the item's positions together: SCAN_CHUNK rows. */
static inline void item_rows(const ScanShape *s, const ScanItem *it, const float *projections, float *rows)
{
    const int64_t row = scan_row(s);
    for (int t = 0; t < SCAN_CHUNK; t++)
        memcpy(rows + t * row, projections + (it->pixel[t] * s->directions.count + it->direction) * row,
               (size_t)row * sizeof *rows);
}

/* Asks for the t-th of these rows, if there is such an item. */
SIMD_INLINE void item_prefetch(const ScanShape *s, const ScanItem *it, const float *projections, int t)
{
    if (t >= it->count)
        return;
    const int64_t row = scan_row(s);
    const float *p = projections + (it->pixel[t] * s->directions.count + it->direction) * row;
    for (int64_t i = 0; i < row; i += SCAN_LINE)
        __builtin_prefetch(p + i);
}

/* ---- a chunk's inputs for one block ---- */

/* Where the state (S vectors) is kept with which `chunk` of the item's direction starts; NULL for the first,
 * which starts from 0, and behind the last. */
static inline float *scan_saved_state(const ScanShape *s, float *states, const ScanItem *it, int64_t block,
                                      int64_t chunk)
{
    const int64_t chunks = scan_chunks(s);
    if (chunk == 0 || chunk == chunks)
        return NULL;
    const int64_t row = (it->image * s->directions.count + it->direction) * (chunks - 1) + chunk - 1;
    return states + (row * scan_blocks(s) + block) * s->states * SIMD_LANES;
}

/* One block's channels of an image. */
typedef struct Lane {
    Elem *data;
    int64_t pitch;
    int count; /* channels, at most SIMD_LANES */
} Lane;

/* Likewise, of a float32 image in which something is added up. */
typedef struct SumLane {
    float *data;
    int64_t pitch;
    int count;
} SumLane;

static inline int lane_count(const ScanShape *s, int64_t block)
{
    const int64_t left = s->channels - block * SIMD_LANES;
    return left < SIMD_LANES ? (int)left : SIMD_LANES;
}

static inline Lane lane_of(const ScanShape *s, ScanImage image, int64_t block)
{
    return (Lane){(Elem *)image.data + block * SIMD_LANES, image.pitch, lane_count(s, block)};
}

static inline SumLane sum_lane_of(const ScanShape *s, ScanImage image, int64_t block)
{
    return (SumLane){(float *)image.data + block * SIMD_LANES, image.pitch, lane_count(s, block)};
}

SIMD_INLINE vf lane_load(Lane l, const ScanItem *it, int t)
{
    return v_get(l.data + it->pixel[t] * l.pitch, l.count);
}

SIMD_INLINE void lane_store(Lane l, const ScanItem *it, int t, vf value)
{
    v_put(l.data + it->pixel[t] * l.pitch, value, l.count);
}

SIMD_INLINE vf sum_lane_load(SumLane l, const ScanItem *it, int t)
{
    return v_load_first(l.data + it->pixel[t] * l.pitch, l.count);
}

SIMD_INLINE void sum_lane_store(SumLane l, const ScanItem *it, int t, vf value)
{
    v_store_first(l.data + it->pixel[t] * l.pitch, value, l.count);
}

/* Asks for a position some steps ahead, at the chunk's end for the next block's first ones: a scan's steps
 * through memory are no prefetcher's. */
SIMD_INLINE int64_t element_ahead(const ScanItem *it, int t, int64_t pitch)
{
    const int ahead = t + 8;
    return it->pixel[ahead % SCAN_CHUNK] * pitch + (ahead < it->count ? 0 : SIMD_LANES);
}

SIMD_INLINE void lane_prefetch(Lane l, const ScanItem *it, int t)
{
    __builtin_prefetch(l.data + element_ahead(it, t, l.pitch), 0);
}

SIMD_INLINE void sum_lane_prefetch(SumLane l, const ScanItem *it, int t)
{
    __builtin_prefetch(l.data + element_ahead(it, t, l.pitch), 1);
}

/* delta = softplus(dt_weight · dt + dt_bias); slope, if asked for, its derivative there. */
SIMD_INLINE void chunk_delta(const ScanShape *s, const ScanItem *it, const float *rows, const float *block,
                             float *delta, float *slope)
{
    const float *weight = block + (int64_t)s->states * SIMD_LANES;
    for (int t = 0; t < it->count; t += SCAN_BATCH) {
        const float *dt = rows + t * scan_row(s);
        vf sum[SCAN_BATCH];
        SIMD_UNROLL
        for (int i = 0; i < SCAN_BATCH; i++)
            sum[i] = v_load(weight + s->rank * SIMD_LANES);
        for (int r = 0; r < s->rank; r++) {
            const vf w = v_load(weight + r * SIMD_LANES);
            SIMD_UNROLL
            for (int i = 0; i < SCAN_BATCH; i++)
                sum[i] += w * dt[i * scan_row(s) + r];
        }
        SIMD_UNROLL
        for (int i = 0; i < SCAN_BATCH; i++) {
            vf derivative;
            v_store(delta + (t + i) * SIMD_LANES, v_softplus_log2(sum[i], slope ? &derivative : NULL));
            if (slope)
                v_store(slope + (t + i) * SIMD_LANES, derivative);
        }
    }
}

/* The largest of `most`, most/2 … 1 that is not above `left`: states that are done at once. */
static inline int tile_of(int left, int most)
{
    while (most > left)
        most /= 2;
    return most;
}

#endif
