/* JointHistogram: the number of voxels for each pair of a reference's and a prediction's label.
 *
 * Labels that were added by histogram_name have a slot each; slot 0 is for all others. Up to HISTOGRAM_DENSE slots the
 * counts are a square table; beyond, a hash table of the pairs that occur, so that thousands of labels need no more
 * memory than their pairs.
 *   histogram_new, histogram_name …, histogram_fill, histogram_next …, histogram_free */
#ifndef EVALUATION_JOINT_HISTOGRAM_H
#define EVALUATION_JOINT_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

enum { HISTOGRAM_OTHER = 0, HISTOGRAM_DENSE = 256 };

typedef struct HistogramCell {
    uint32_t reference, prediction; /* slots */
    int64_t count;                  /* voxels */
} HistogramCell;

typedef struct JointHistogram {
    uint16_t *slot_of; /* (65536), by label - INT16_MIN; owned, as all */
    int slots;
    Box *boxes;           /* (slots): of the label in reference or prediction; all 0 if it is in neither */
    int64_t *dense;       /* (slots, slots) by reference and prediction, or NULL */
    HistogramCell *cells; /* (capacity, a power of two) hash table; count 0: free */
    int64_t capacity, used;
} JointHistogram;

/* h must be freed by the caller, also on failure (histogram_free). Fails: ERR_NOMEM. */
int histogram_new(JointHistogram *h, Err *e);
void histogram_name(JointHistogram *h, int16_t label); /* before the fill; no effect if called again */
void histogram_free(JointHistogram *h);

int histogram_slot(const JointHistogram *h, int16_t label); /* HISTOGRAM_OTHER for a label without a slot */

/* reference and prediction (Z,Y,X) borrowed. Fails: ERR_NOMEM. */
int histogram_fill(JointHistogram *h, const int16_t *reference, const int16_t *prediction, const int64_t shape_zyx[3],
                   Err *e);

/* The next pair of slots that occurs; start with *at = 0. false after the last. */
bool histogram_next(const JointHistogram *h, int64_t *at, HistogramCell *cell);

/* Makes box the smallest that holds both; one whose past[0] is 0 is empty. */
void box_join(Box *box, const Box *more);

#endif
