/* Augmentation of one training patch: random parameters, and the transforms (those of nnU-Net 2.8.1, with its
 * probabilities; docs/reference.md, Augmentation).
 *
 * Parameters are drawn separately from applying them, so that they can be tested and repeated. The order of the transforms
 * is: spatial, noise, blur, brightness, contrast, low resolution, gamma of the inverted image, gamma, mirroring. The
 * structs own no memory. */
#ifndef TRAINER_AUGMENT_H
#define TRAINER_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"
#include "plans/plan.h"
#include "trainer/spatial.h"

typedef struct AugmentRules {
    double largest_angle; /* radians */
    double strength;      /* factor of the probabilities, except of mirroring; 1: nnU-Net's */
    bool mirror_axes[2];  /* axes that may be mirrored, (y,x) */
    bool older; /* nnU-Net before 2.8: other distributions of factors around 1, and the transforms of batchgenerators */
} AugmentRules;

/* Parameters for one channel; 0: this transform is not applied. */
typedef struct ChannelDraw {
    double blur_sigma_yx[2], brightness, contrast, low_resolution, gamma_inverted, gamma;
} ChannelDraw;

typedef struct AugmentDraw {
    bool spatial;        /* rotated or scaled */
    double angle, scale; /* radians; above 1 makes objects smaller */
    double noise_sigma;  /* 0: none */
    ChannelDraw channel[PLAN_MAX_CHANNELS];
    bool mirror_yx[2];
} AugmentDraw;

/* Draws all parameters for one patch. */
AugmentDraw augment_draw(Rng *rng, const AugmentRules *rules, int channels);

/* Applies the transforms from noise to gamma, in place. noise: random numbers for the noise; scratch: one plane of doubles.
 * Fails: ERR_NOMEM, only with `older`. */
int augment_intensities(Patch *patch, const AugmentDraw *draw, bool older, Rng *noise, double *scratch, Err *e);

/* Writes the patch into a batch: image (height, width, channels), labels (height, width), mirrored along the axes of
 * mirror_yx. mask_channel (channels): the channel is set to 0 where the label is -1, because it was normalised only
 * elsewhere. Labels of -1 become 0. */
void augment_store(const Patch *patch, const bool mirror_yx[2], const bool *mask_channel, float *image,
                   int16_t *labels);

#endif
