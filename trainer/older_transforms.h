/* The transforms as nnU-Net's older augmentation has them (batchgenerators; docs/reference.md, Older
 * augmentation), where they differ from spatial.h and intensity.h: under `compatibility: nnunet_2_1`.
 *
 * Memory is borrowed; older_low_resolution alone allocates (a few lines) and can fail. */
#ifndef TRAINER_OLDER_TRANSFORMS_H
#define TRAINER_OLDER_TRANSFORMS_H

#include <stdbool.h>

#include "base/error.h"
#include "trainer/spatial.h"

/* The image by a cubic B-spline, labels (order 1) by their bilinear scores or (order 0) from the nearest
 * pixel; patch pixel v shows the crop's pixel R(angle)ᵀ v · scale, and what lies beyond the crop's outermost
 * pixel centres is 0, label -1. coefficients: one double per pixel of the crop, working memory. */
void older_spatial_transform(const SliceView *slice, Crop crop, double angle, double scale, int label_order,
                             Patch *patch, double *coefficients);

/* Gaussian cut at 4 sigma, the edge repeated by mirroring. */
void older_blur(float *plane, int64_t height, int64_t width, double sigma, float *scratch);

/* intensity_gamma with batchgenerators' small constants and the biased standard deviation. */
void older_gamma(float *plane, int64_t pixels, double gamma, bool invert, bool retain_stats);

/* Down by nearest neighbour, up by a cubic B-spline clipped to the range. low: working memory for as many
 * doubles as there are pixels. Fails: ERR_NOMEM. */
int older_low_resolution(float *plane, int64_t height, int64_t width, double zoom, double *low, Err *e);

#endif
