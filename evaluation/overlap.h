/* Overlap of a reference and a predicted segmentation: counts of voxels, Dice, IoU.
 *
 * One pass over both volumes fills a joint histogram of their labels; every structure's counts are sums of it. The
 * rules are nnU-Net v2's compute_metrics: voxels whose reference is the ignore label are not counted; Dice and IoU
 * of a structure that is absent in both are NaN. */
#ifndef EVALUATION_OVERLAP_H
#define EVALUATION_OVERLAP_H

#include <stdint.h>

#include "base/array.h"
#include "evaluation/metrics.h"
#include "evaluation/structures.h"

typedef struct Overlap {
    int64_t tp, fp, fn, tn; /* voxels */
} Overlap;

/* Voxels whose label is neither background (0), nor in a structure, nor the ignore label. */
typedef struct UnknownLabels {
    int64_t in_reference, in_prediction;
} UnknownLabels;

/* Writes one Overlap per structure of s and, where boxes is not NULL, the Box that holds it in reference and
 * prediction (all 0 where it is in neither). reference and prediction (Z,Y,X) are borrowed; unknown may be
 * NULL. Fails: ERR_NOMEM. */
int overlap_count(Overlap *overlaps, Box *boxes, UnknownLabels *unknown, const Structures *s, const int16_t *reference,
                  const int16_t *prediction, const int64_t shape_zyx[3], Err *e);

double overlap_dice(const Overlap *o); /* 2 TP / (2 TP + FP + FN); NaN for 0 / 0 */
double overlap_iou(const Overlap *o);  /* TP / (TP + FP + FN); NaN for 0 / 0 */

/* Sets the metrics of `row` that follow from voxel counts: those of nnU-Net. */
void overlap_metrics(MetricRow row, const Overlap *o);

#endif
