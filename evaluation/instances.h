/* Instances: single objects (cells) of a segmentation, and how well they were found.
 *
 * A three-class segmentation has background, interior and boundary. Its instances are the components of the
 * interior (U-Mamba's evaluation); a boundary one pixel thick then costs small cells their overlap, so that perfect
 * labels reach a mean F1 of 0.89 only on the cell dataset. Growing each component back over the boundary reaches
 * 0.995. Maps are int32, 0 is background, instances are 1 … count; all arrays are owned by the caller. */
#ifndef EVALUATION_INSTANCES_H
#define EVALUATION_INSTANCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { INSTANCE_INTERIOR = 1, INSTANCE_BOUNDARY = 2, INSTANCE_FRAME = 2 };

/* Components of the interior (full connectivity) of labels (Z,Y,X); with grow, each boundary voxel that is
 * connected to a component through boundary voxels is added to the component with the fewest steps (the lowest
 * number on ties). Fails: ERR_NOMEM. */
int instances_from_labels(int32_t *map, int32_t *count, const int16_t *labels, const int64_t shape_zyx[3], bool grow,
                          Err *e);

/* Renumbers the values above 0 of a map to 1 … *count in ascending order. Fails: ERR_NOMEM. */
int instances_renumber(int32_t *map, int32_t *count, int64_t voxels, Err *e);

/* Removes the instances that touch the outer `frame` pixels of a plane (x and y only), as U-Mamba's evaluation does
 * with 2, and renumbers the rest. Fails: ERR_NOMEM. */
int instances_drop_at_frame(int32_t *map, int32_t *count, const int64_t shape_zyx[3], int frame, Err *e);

typedef struct InstanceScore {
    int64_t tp, fp, fn; /* instances */
} InstanceScore;

/* Matches at IoU >= threshold (each at least 0.5), as many pairs as possible, each instance in one. scores
 * (threshold_count) written. From 0.5 on, an instance can only have two possible partners if one overlap is exactly
 * one half; so no assignment problem has to be solved. Fails: ERR_NOMEM. */
int instances_match(InstanceScore *scores, const double *thresholds, int threshold_count, const int32_t *reference,
                    int32_t reference_count, const int32_t *prediction, int32_t prediction_count, int64_t voxels,
                    Err *e);

/* TP/(TP+FP), TP/(TP+FN), 2TP/(2TP+FP+FN), and the average precision of cell challenges TP/(TP+FP+FN) (Schmidt et
 * al. 2018, StarDist). 0 without a match; NaN if neither map has an instance. */
double instance_precision(const InstanceScore *s);
double instance_recall(const InstanceScore *s);
double instance_f1(const InstanceScore *s);
double instance_ap(const InstanceScore *s);

#endif
