/* Intensity normalisation of one channel (nnU-Net's schemes; FACTS section 5).
 *
 * Works in place on the cropped channel, in float32 as nnU-Net does; sums are taken in double. */
#ifndef PREPROCESS_NORMALIZE_H
#define PREPROCESS_NORMALIZE_H

#include "preprocess/volume.h"

typedef enum Normalization {
    NORMALIZE_CT,           /* clip to the dataset's percentiles, its mean and std */
    NORMALIZE_ZSCORE,       /* the case's own mean and std */
    NORMALIZE_RESCALE,      /* to 0 … 1 by the case's minimum and maximum */
    NORMALIZE_RGB,          /* divided by 255 */
    NORMALIZE_NONE
} Normalization;

/* Foreground intensities of the dataset, from its fingerprint; used by NORMALIZE_CT only. */
typedef struct IntensityRange {
    double mean, std, percentile_00_5, percentile_99_5;
} IntensityRange;

/* v: float32, changed in place. inside (may be NULL, used by NORMALIZE_ZSCORE only): int16, of v's shape;
 * where it is below 0, voxels neither count nor change. Fails: ERR_VALUE if NORMALIZE_RGB meets values
 * outside 0 … 255. */
int normalize_channel(Volume *v, Normalization scheme, const IntensityRange *dataset, const Volume *inside,
                      Err *e);

#endif
