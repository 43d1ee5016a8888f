/* Intensity normalisation of one channel (nnU-Net's schemes; docs/reference.md, Preprocessing).
 *
 * Works in place on the cropped channel, in float32 as nnU-Net does; sums are taken in double. */
#ifndef PREPROCESS_NORMALIZE_H
#define PREPROCESS_NORMALIZE_H

#include "plans/plan.h"
#include "preprocess/volume.h"

/* v: float32, changed in place. dataset: the channel's foreground over the whole dataset (its mean and std, its
 * percentiles to clip to), used by NORMALIZE_CT only. inside (may be NULL, used by NORMALIZE_ZSCORE only): int16,
 * of v's shape; voxels where it is below 0 are not used and not changed. Fails: ERR_VALUE for values outside 0 …
 * 255 with NORMALIZE_RGB_0_1, and for values that differ by more than float32 holds. */
int normalize_channel(Volume *v, PlanNormalization scheme, const IntensityProperties *dataset, const Volume *inside,
                      Err *e);

#endif
