/* Intensities of a dataset's foreground, as nnU-Net samples them (docs/reference.md, Fingerprint).
 *
 * A fixed number of foreground voxels of each case and channel is drawn with replacement; the statistics are over all
 * drawn values. Not the values are stored, but how often each voxel was drawn: the memory for a case depends on its
 * foreground, and that for the dataset is a table of 65536 counts and a bounded list of the distinct values.
 *
 *   pass 1: draw_begin, draw_counts and pool_add for every case; pool_needs_second_pass?
 *   pass 2: pool_begin_second_pass, then the same again: the same numbers are drawn
 *   pool_percentiles
 * There is one PoolChannel per channel; only one thread at a time may call pool_add. */
#ifndef PLANNER_INTENSITIES_H
#define PLANNER_INTENSITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"

enum { DRAW_BLOCK = 16 * 624 };

/* NumPy's RandomState(1234); it starts anew for every case, so that all cases draw the same random numbers. */
typedef struct DrawStream {
    Mt19937 generator;
    uint32_t block[DRAW_BLOCK];
    int next;
} DrawStream;

void draw_begin(DrawStream *s);

/* Counts how often each of n values (1 <= n <= 2^32 - 1) is drawn in `draws` draws with replacement. counts: its length
 * is n rounded up to a power of 2, zeroed by the caller; entries from n on are not draws. */
void draw_counts(DrawStream *s, int64_t n, int64_t draws, uint32_t *counts);

/* Count, mean and sum of squared differences to the mean; joined by the formula of Chan, Golub and LeVeque (1979). */
typedef struct Moments {
    double count, mean, squares;
    float low, high;
} Moments;

Moments moments_of_draws(const float *values, const uint32_t *counts, int64_t n);
Moments moments_join(Moments a, Moments b);

typedef struct ValueCount {
    uint32_t key, count; /* the value's bits, in ascending order of values */
} ValueCount;

typedef struct PoolChannel {
    uint64_t *table;    /* 65536: draws by the upper half of the key */
    ValueCount *values; /* distinct values, sorted up to `sorted` */
    int64_t count, sorted, capacity;
    uint64_t draws;
    bool overflowed; /* more distinct values than the list may hold: from then on only the table was updated */
    bool selective;  /* second pass: only values near a percentile are listed */
    bool *wanted;    /* 65536, second pass */
} PoolChannel;

int pool_new(PoolChannel *p, Err *e);
void pool_free(PoolChannel *p);

/* Fails: ERR_NOMEM. */
int pool_add(PoolChannel *p, const float *values, const uint32_t *counts, int64_t n, Err *e);

bool pool_needs_second_pass(const PoolChannel *p);
void pool_begin_second_pass(PoolChannel *p);

/* For other processes of this program, each with pools of its own: what a pool holds, as bytes; joining it to another pool of the same
 * pass. *at: the bytes, moved behind the pool. Fails: ERR_NOMEM. */
void pool_pack(Text *bytes, const PoolChannel *p);
int pool_join(PoolChannel *p, const char **at, Err *e);

/* Which values the second pass takes: POOL_WANTED_BYTES. take: begins the second pass of a new pool. */
enum { POOL_WANTED_BYTES = 65536 };
void pool_pack_wanted(Text *bytes, const PoolChannel *p);
void pool_take_wanted(PoolChannel *p, const char *wanted);

/* The 0.5th, 50th and 99.5th percentile of all draws (at least one). as_float: differences of two values are rounded to
 * float32, as NumPy does for float32 arrays. */
void pool_percentiles(PoolChannel *p, bool as_float, double percentiles[3]);

#endif
