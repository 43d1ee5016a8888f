/* One case: reads its two files, checks that they fit, and computes its metrics. */
#ifndef EVALUATION_CASE_H
#define EVALUATION_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "evaluation/instance_case.h"
#include "evaluation/overlap.h"
#include "evaluation/pairs.h"
#include "evaluation/summary.h"

typedef struct Rules {
    const Structures *structures;
    bool only_overlap; /* no surface distances: nnU-Net's metrics only */
    InstanceRules instances;
    Paper paper; /* also score by this convention */
} Rules;

/* Fills result's metrics, `done` and notes (of a case that fails: why). Volumes one voxel thick are measured in 2D.
 * Surface metrics of a structure that is absent in both are NaN; absent in one: NSD 0, distances infinite. A
 * prediction whose axes only have another order or direction is reoriented to the reference's grid, with a note in
 * `result`. Fails: as image_read_labels; ERR_SHAPE or ERR_VALUE where shape, spacing, origin or direction differ
 * otherwise; ERR_VALUE for a pair without a reference. */
int case_evaluate(CaseResult *result, const Pair *pair, const Rules *rules, Err *e);

/* Estimate of the peak memory of case_evaluate for this pair, in bytes, from the files' headers; 0 if they cannot
 * be read. */
int64_t case_bytes(const Pair *pair, const Rules *rules);

#endif
