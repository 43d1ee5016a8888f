/* AxisMap: the input samples and weights of each output sample along one axis.
 *
 * Made once per axis and volume (axis_map_new … axis_map_free), then used for every line. */
#ifndef PREPROCESS_AXIS_MAP_H
#define PREPROCESS_AXIS_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Lines that are resized together, so that the recursions along them run in vector registers. */
enum { AXIS_LANES = 16, AXIS_MARGIN = 2 };

typedef struct AxisMap {
    int order;
    int taps;        /* order + 1 */
    int64_t in, out; /* lengths */
    int32_t *first;  /* out: index of the first tap; taps may lie beyond the edges */
    double *weights; /* out * taps */
    bool identity;   /* in == out: nothing to do */
} AxisMap;

/* Fails: ERR_NOMEM; ERR_VALUE for an order other than 0, 1, 3. */
int axis_map_new(AxisMap *m, int64_t in, int64_t out, int order, Err *e);
void axis_map_free(AxisMap *m);

/* The sample that a tap reads: the edge sample if it is beyond the edge. */
static inline int64_t axis_clamp(const AxisMap *m, int64_t tap) { return tap < 0 ? 0 : tap < m->in ? tap : m->in - 1; }

/* Number of doubles of a block of lines: (in + 2 * AXIS_MARGIN) * AXIS_LANES; the samples follow the first margin. */
int64_t axis_block_size(const AxisMap *m);

/* Resizes AXIS_LANES lines. block: sample i of lane l at (AXIS_MARGIN + i) * AXIS_LANES + l; overwritten.
 * out: sample k of lane l at k * AXIS_LANES + l. */
void axis_resize(const AxisMap *m, double *block, double *out);

#endif
