/* Resampling to a shape, as nnU-Net does it (FACTS section 6; scikit-image's resize and scipy's splines).
 *
 * Every axis is resized for itself, voxel centres aligned (output k samples t = (k + 0.5) n / m - 0.5), in
 * double precision; results are rounded once, to the output's type. Order 0 takes the nearest voxel, 1 is
 * linear, 3 a cubic B-spline that interpolates, with the edge value continued beyond the edge. Orders above
 * 0 are clipped to the range of the input. Anisotropic volumes are resized slice by slice, and then along
 * the remaining axis with an order of its own ("separate z"). One pass over each axis that changes; besides
 * the result, memory for one slice, and for one volume of doubles where the slice axis is interpolated. */
#ifndef PREPROCESS_RESAMPLE_H
#define PREPROCESS_RESAMPLE_H

#include <stdbool.h>

#include "preprocess/volume.h"

typedef enum SeparateZ { SEPARATE_NEVER, SEPARATE_ALWAYS, SEPARATE_BY_SPACING } SeparateZ;

typedef struct Resampling {
    int order;             /* 0, 1 or 3; labels: 0 or 1 */
    int order_z;           /* along the separated axis: 0, 1 or 3; labels: 0 or 1 */
    SeparateZ separate_z;
    bool labels_at_half;   /* labels: the rule of earlier releases, a label wherever its score reaches 0.5 */
} Resampling;

/* The axis that is handled apart, or -1: by spacing, the axis of the largest spacing where the largest is
 * more than 3 times the smallest (the current one decides, else the new one) and occurs only once. */
int resample_separate_axis(SeparateZ separate_z, const double current_mm[3], const double new_mm[3]);

/* Intensities or probabilities: in and out are float16, float32 or float64, each of any layout; out's shape
 * says what is asked for. An unchanged shape is copied. axis: of resample_separate_axis.
 * Fails: ERR_NOMEM, ERR_VALUE (an order that we don't have). */
int resample_values(const Volume *in, const Volume *out, const Resampling *how, int axis, Err *e);

/* Labels: int16, dense along x. The label with the largest score wins, the score being its 0/1 map
 * resized; exact ties go to the nearest voxel's label if it takes part, else to the lowest.
 * Fails as resample_values. */
int resample_labels(const Volume *in, const Volume *out, const Resampling *how, int axis, Err *e);

/* nnU-Net's rounding of a new shape: old_mm / new_mm * shape, half to even. */
void resample_shape(int64_t out[3], const int64_t shape[3], const double old_mm[3], const double new_mm[3]);

#endif
