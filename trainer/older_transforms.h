/* Transforms of nnU-Net's older augmentation (batchgenerators; docs/reference.md, Older augmentation) that differ from
 * spatial.h and intensity.h. Used with `compatibility: nnunet_2_1`.
 *
 * Memory is borrowed; only older_low_resolution allocates (a few lines) and can fail. */
#ifndef TRAINER_OLDER_TRANSFORMS_H
#define TRAINER_OLDER_TRANSFORMS_H

#include <stdbool.h>

#include "base/error.h"
#include "trainer/spatial.h"

/* Resamples the image by a cubic B-spline, and labels by their bilinear scores (order 1) or from the nearest pixel (order
 * 0). Patch pixel v is the crop's pixel R(angle)ᵀ v · scale; outside of the crop's outermost pixel centres the image is 0
 * and the label -1. coefficients: working memory, one double per pixel of the crop. */
void older_spatial_transform(const SliceView *slice, Crop crop, double angle, double scale, int label_order,
                             Patch *patch, double *coefficients);

/* Gaussian filter cut at 4 sigma, mirrored at the border with the edge repeated. */
void older_blur(float *plane, int64_t height, int64_t width, double sigma, float *scratch);

/* intensity_gamma with the epsilons of batchgenerators and the biased standard deviation. */
void older_gamma(float *plane, int64_t pixels, double gamma, bool invert, bool retain_stats);

/* Resamples to `zoom` times the size by nearest neighbour, and back by a cubic B-spline clipped to the range. low: working
 * memory, one double per pixel. Fails: ERR_NOMEM. */
int older_low_resolution(float *plane, int64_t height, int64_t width, double zoom, double *low, Err *e);

#endif
