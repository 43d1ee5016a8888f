/* Intensity transforms of one channel of a patch, in place, with given parameters (those of batchgeneratorsv2 as called by
 * nnU-Net 2.8.1; docs/reference.md, Augmentation).
 *
 * A plane is dense (height, width); scratch has the size of one plane. Sums are computed in double, in a fixed order. The
 * functions allocate nothing and cannot fail. */
#ifndef TRAINER_INTENSITY_H
#define TRAINER_INTENSITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

/* Adds normal noise of standard deviation sigma. */
void intensity_noise(float *plane, int64_t pixels, double sigma, Rng *rng);

/* Gaussian filter of intensity_blur_length per axis, mirrored at the border without repeating the edge. */
void intensity_blur(float *plane, int64_t height, int64_t width, const double sigma_yx[2], float *scratch);

int intensity_blur_length(double sigma); /* the odd number nearest to 6 sigma + 0.5 */

void intensity_brightness(float *plane, int64_t pixels, double factor);

/* Multiplies the differences to the mean by factor; preserve_range: clipped to the original range. */
void intensity_contrast(float *plane, int64_t pixels, double factor, bool preserve_range);

/* Resamples to `scale` times the size by nearest neighbour and back by linear interpolation. */
void intensity_low_resolution(float *plane, int64_t height, int64_t width, double scale, float *scratch);

/* Scales the range to 0 … 1, raises it to the power of gamma and scales back; `invert`: of the negated image;
 * retain_stats: mean and (unbiased) standard deviation are restored. */
void intensity_gamma(float *plane, int64_t pixels, double gamma, bool invert, bool retain_stats);

#endif
