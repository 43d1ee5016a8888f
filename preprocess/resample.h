/* Resampling to a shape, as nnU-Net does it (docs/reference.md, Resampling; scikit-image's resize
 * and scipy's splines).
 *
 * Every axis is resized separately, with voxel centres aligned (output k samples t = (k + 0.5) n / m - 0.5), in
 * double precision; results are rounded once, to the output's type. Order 0 takes the nearest voxel, 1 is linear, 3
 * a cubic B-spline that interpolates, with the edge value continued beyond the edge. Orders above 0 are clipped to
 * the range of the input. Anisotropic volumes are resized slice by slice, and then along the remaining axis with an
 * order of its own ("separate z"). One pass over each axis that changes; besides the result, memory for one slice,
 * and for one volume of doubles where the slice axis is interpolated. */
#ifndef PREPROCESS_RESAMPLE_H
#define PREPROCESS_RESAMPLE_H

#include <stdbool.h>

#include "plans/plan.h"
#include "preprocess/volume.h"

/* The axis that is resampled separately, or -1. SWITCH_AUTO: the axis of the largest spacing, where the largest is
 * more than 3 times the smallest (the current spacing decides, else the new one) and occurs only once. */
int resample_separate_axis(PlanSwitch force, const double current_mm[3], const double new_mm[3]);

/* Intensities or probabilities: in and out are float16, float32 or float64, each of any layout; out's shape is the
 * new one. An unchanged shape is copied. axis: of resample_separate_axis. Fails: ERR_NOMEM, ERR_VALUE (an order
 * that is not supported). */
int resample_values(const Volume *in, const Volume *out, const PlanResampling *how, int axis, Err *e);

/* Upper bound of the memory of resample_values besides in and out, in bytes. */
int64_t resample_bytes(const int64_t in[3], const int64_t out[3], const PlanResampling *how, int axis);

/* Labels: int16, dense along x. The label with the largest score wins, the score being its 0/1 map resized; exact
 * ties go to the nearest voxel's label if it is among them, else to the lowest. at_half: the rule of earlier
 * releases instead: each label, in ascending order, overwrites where its score is at least 0.5; 0 where none is.
 * order and order_z: 0 or 1. Fails as resample_values. */
int resample_labels(const Volume *in, const Volume *out, const PlanResampling *how, bool at_half, int axis, Err *e);

/* nnU-Net's rounding of a new shape: old_mm / new_mm * shape, half to even. */
void resample_shape(int64_t out[3], const int64_t shape[3], const double old_mm[3], const double new_mm[3]);

#endif
