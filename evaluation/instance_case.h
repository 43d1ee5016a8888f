/* Instances of one case: reads its map and counts found, missed and invented instances. */
#ifndef EVALUATION_INSTANCE_CASE_H
#define EVALUATION_INSTANCE_CASE_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "data/geometry.h"
#include "evaluation/instances.h"
#include "evaluation/pairs.h"

enum { INSTANCE_THRESHOLDS = 5, INSTANCE_METRICS = 4 };
extern const double instance_thresholds[INSTANCE_THRESHOLDS];    /* IoU 0.5, 0.6 … 0.9 */
extern const char *const instance_metric_keys[INSTANCE_METRICS]; /* precision, recall, F1, AP */

typedef struct InstanceRules {
    bool wanted;
    bool components;   /* U-Mamba's rule, components of the interior; else grown over the boundary */
    bool count_border; /* keep the instances at the border of a plane (evaluation/instances.h) */
} InstanceRules;

typedef struct InstanceResult {
    InstanceScore at[INSTANCE_THRESHOLDS];
} InstanceResult;

double instance_metric(const InstanceScore *s, int metric);

/* Scores the instances of a predicted label map against the pair's instance map or, without one, against the
 * instances of the reference's label map by the same rule. Labels int16 (Z,Y,X) borrowed, on the reference's
 * `grid`, to which the map is reoriented. Fails: as image_read; ERR_SHAPE for another shape; ERR_VALUE for another
 * place, and for a file that is no instance map. */
int instance_case(InstanceResult *result, const Pair *pair, const Geometry *grid, const Array *reference,
                  const Array *prediction, const InstanceRules *rules, Err *e);

#endif
