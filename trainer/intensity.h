/* Intensity transforms of one channel of a patch, in place, each by given parameters
 * (batchgeneratorsv2's kernels as nnU-Net 2.8.1 calls them; docs/reference.md, Augmentation).
 *
 * A plane is dense (height, width); scratch has room for one plane where it is asked for. Sums are
 * taken in double, in a fixed order. Nothing is allocated, nothing fails. */
#ifndef TRAINER_INTENSITY_H
#define TRAINER_INTENSITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

/* Adds normal noise of that standard deviation. */
void intensity_noise(float *plane, int64_t pixels, double sigma, Rng *rng);

/* Gaussian of intensity_blur_length per axis, mirrored at the border without repeating the edge. */
void intensity_blur(float *plane, int64_t height, int64_t width, const double sigma_yx[2], float *scratch);

int intensity_blur_length(double sigma); /* the odd number nearest to 6 sigma + 0.5 */

void intensity_brightness(float *plane, int64_t pixels, double factor);

/* Stretches about the mean; preserve_range: clipped to the range that was there. */
void intensity_contrast(float *plane, int64_t pixels, double factor, bool preserve_range);

/* Down to `scale` of the size by nearest neighbour and up again bilinearly. */
void intensity_low_resolution(float *plane, int64_t height, int64_t width, double scale, float *scratch);

/* The range to the power of gamma, of the negative image if `invert`; retain_stats: mean and (unbiased)
 * standard deviation are restored. */
void intensity_gamma(float *plane, int64_t pixels, double gamma, bool invert, bool retain_stats);

#endif
