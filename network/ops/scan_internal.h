/* The common part of the two passes of the scan: memory layout, order of work, and inputs of a chunk.
 *
 * The lanes of a vector are channels: a block is SIMD_LANES channels. The unit of work (ScanItem) is a group of blocks
 * of one chunk of one direction of one image. Threads take items in a fixed order from a common counter (ticket). A
 * computation that depends on the previous item (the state, sums) waits until a counter (Turn) shows that this item is
 * finished. So every sum has the same order for any number of threads. There is no deadlock, since an item depends only
 * on earlier items. */
#ifndef NETWORK_OPS_SCAN_INTERNAL_H
#define NETWORK_OPS_SCAN_INTERNAL_H

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>

#include "network/ops/scan.h"
#include "network/ops/simd.h"

enum {
    SCAN_LINE = 16,      /* channels of a cache line; all sizes are multiples of it */
    SCAN_GROUP = 192,    /* channels of an item; many, because each item copies its rows of projections */
    SCAN_TILE_MOST = 16, /* states that are computed at once, at most */
    SCAN_BATCH = 8       /* positions whose delta is computed together; divides SCAN_CHUNK */
};

static inline int64_t scan_length(const ScanShape *s) { return s->height * s->width; }

static inline int64_t scan_chunks(const ScanShape *s) { return (scan_length(s) + SCAN_CHUNK - 1) / SCAN_CHUNK; }

static inline int64_t scan_blocks(const ScanShape *s) { return (s->channels + SIMD_LANES - 1) / SIMD_LANES; }

static inline int64_t scan_groups(const ScanShape *s) { return (s->channels + SCAN_GROUP - 1) / SCAN_GROUP; }

/* Elements of a block's packed parameters, as vectors: A (S), dt_weight (R), dt_bias (all multiplied by log2(e)), and
 * Ds. Their gradients have the same layout, without that factor. */
static inline int64_t scan_block_vectors(const ScanShape *s) { return s->states + s->rank + 2; }

static inline int64_t scan_block_offset(const ScanShape *s, int64_t direction, int64_t block)
{
    return (direction * scan_blocks(s) + block) * scan_block_vectors(s) * SIMD_LANES;
}

/* ---- functions of each SIMD level (scan_pack.c, scan_forward.c, scan_backward.c) ---- */

void SIMD_NAME(scan_forward)(const ScanShape *s, const float *packed, const ScanValues *v, void *scratch);
void SIMD_NAME(scan_backward)(const ScanShape *s, const float *packed, const ScanValues *v, const ScanGradients *g,
                              void *scratch);

/* Copies the parameters to the layout that the kernels read. */
void SIMD_NAME(scan_pack)(const ScanShape *s, const ScanParams *params, float *packed);

/* Sums the gradients of all images (sets, in the packed layout) and writes them in PyTorch's layout. Overwrites the
 * first set. */
void SIMD_NAME(scan_unpack)(const ScanShape *s, const float *packed, float *sets, const ScanParamGradients *params);

/* Scratch memory of a thread, in floats; lanes: of a vector. */
static inline int64_t scan_forward_slab(const ScanShape *s, int64_t lanes)
{
    return (SCAN_CHUNK * (1 + s->states) + 2 * SCAN_TILE_MOST) * lanes + SCAN_CHUNK * scan_row(s);
}

static inline int64_t scan_backward_slab(const ScanShape *s, int64_t lanes)
{
    const int64_t states = (2 * SCAN_CHUNK + 1) * s->states;
    return (6 * SCAN_CHUNK + 2 * SCAN_TILE_MOST + states) * lanes + 2 * SCAN_CHUNK * scan_row(s);
}

/* ---- turns ---- */

typedef struct Turn {
    _Alignas(64) atomic_int done; /* number of finished steps */
} Turn;

static inline bool turn_has_come(Turn *t, int step)
{
    return atomic_load_explicit(&t->done, memory_order_acquire) >= step;
}

/* Briefly yields the core to its other hardware thread. */
static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* "yield" does nothing on most cores */
#endif
}

/* The thread that this waits for takes no other item before turn_pass: so it is running, or ready to run. */
static inline void turn_wait(Turn *t, int step)
{
    for (int tries = 0; !turn_has_come(t, step); tries++)
        if (tries < 300) /* some microseconds: the time of one or two items */
            pause_briefly();
        else sched_yield();
}

static inline void turn_pass(Turn *t, int step) { atomic_store_explicit(&t->done, step + 1, memory_order_release); }

/* ---- items ---- */

typedef struct ScanItem {
    int64_t image, direction, chunk;
    int step; /* index of the chunk in the pass over all directions of the image */
    int64_t group, block, block_end;
    int count;                 /* positions, 1 … SCAN_CHUNK */
    int64_t pixel[SCAN_CHUNK]; /* in the order of the scan; after count: any valid pixel */
} ScanItem;

/* Sets the pixels of the positions first … first + count - 1 along a direction. */
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
        if (t + 1 >= it->count) continue;
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

/* Sets the ticket-th item; count is 0 after the last one. Groups vary fastest, then images, chunks (in reverse order if
 * `backwards`), directions. */
static inline void item_set(const ScanShape *s, int64_t ticket, bool backwards, ScanItem *it)
{
    const int64_t chunks = scan_chunks(s), groups = scan_groups(s), blocks = scan_blocks(s);
    it->count = 0;
    if (ticket >= s->directions.count * chunks * s->batch * groups) return;
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

/* Copies the projections of the item's positions to SCAN_CHUNK contiguous rows. */
static inline void item_rows(const ScanShape *s, const ScanItem *it, const float *projections, float *rows)
{
    const int64_t row = scan_row(s);
    for (int t = 0; t < SCAN_CHUNK; t++)
        memcpy(rows + t * row, projections + (it->pixel[t] * s->directions.count + it->direction) * row,
               (size_t)row * sizeof *rows);
}

/* Prefetches the t-th of these rows, if it exists. */
SIMD_INLINE void item_prefetch(const ScanShape *s, const ScanItem *it, const float *projections, int t)
{
    if (t >= it->count) return;
    const int64_t row = scan_row(s);
    const float *p = projections + (it->pixel[t] * s->directions.count + it->direction) * row;
    for (int64_t i = 0; i < row; i += SCAN_LINE) __builtin_prefetch(p + i);
}

/* ---- a chunk's inputs for one block ---- */

/* The saved state (S vectors) at the start of `chunk` of the item's direction. NULL for the first chunk, which starts
 * from 0, and for the index after the last. */
static inline float *scan_saved_state(const ScanShape *s, float *states, const ScanItem *it, int64_t block,
                                      int64_t chunk)
{
    const int64_t chunks = scan_chunks(s);
    if (chunk == 0 || chunk == chunks) return NULL;
    const int64_t row = (it->image * s->directions.count + it->direction) * (chunks - 1) + chunk - 1;
    return states + (row * scan_blocks(s) + block) * s->states * SIMD_LANES;
}

/* The channels of one block in an image. */
typedef struct Lane {
    Elem *data;
    int64_t pitch;
    int count; /* channels, at most SIMD_LANES */
} Lane;

/* The same in a float32 image of sums. */
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

SIMD_INLINE vf lane_load(Lane l, const ScanItem *it, int t) { return v_get(l.data + it->pixel[t] * l.pitch, l.count); }

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

/* The element to prefetch at step t: that of the position 8 steps ahead, or at the chunk's end of the first positions
 * of the next block. Hardware prefetchers do not predict the accesses of a scan. */
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

/* delta = softplus(dt_weight · dt + dt_bias); slope, if not NULL: the derivative of softplus. */
SIMD_INLINE void chunk_delta(const ScanShape *s, const ScanItem *it, const float *rows, const float *block,
                             float *delta, float *slope)
{
    const float *weight = block + (int64_t)s->states * SIMD_LANES;
    for (int t = 0; t < it->count; t += SCAN_BATCH) {
        const float *dt = rows + t * scan_row(s);
        vf sum[SCAN_BATCH];
        SIMD_UNROLL
        for (int i = 0; i < SCAN_BATCH; i++) sum[i] = v_load(weight + s->rank * SIMD_LANES);
        for (int r = 0; r < s->rank; r++) {
            const vf w = v_load(weight + r * SIMD_LANES);
            SIMD_UNROLL
            for (int i = 0; i < SCAN_BATCH; i++) sum[i] += w * dt[i * scan_row(s) + r];
        }
        SIMD_UNROLL
        for (int i = 0; i < SCAN_BATCH; i++) {
            vf derivative;
            v_store(delta + (t + i) * SIMD_LANES, v_softplus_log2(sum[i], slope ? &derivative : NULL));
            if (slope) v_store(slope + (t + i) * SIMD_LANES, derivative);
        }
    }
}

/* The number of states computed at once: the largest of most, most/2 … 1 that is not above `left`. */
static inline int tile_of(int left, int most)
{
    while (most > left) most /= 2;
    return most;
}

#endif
