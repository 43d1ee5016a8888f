/* Augmentation of one training patch: what is drawn, and applying it (nnU-Net 2.8.1's list and
 * probabilities; docs/reference.md, Augmentation).
 *
 * Drawing is apart from applying: a draw can be looked at, repeated and tested. The order of the
 * transforms is: spatial, noise, blur, brightness, contrast, low resolution, gamma of the inverted
 * image, gamma, mirroring. Plain values. */
#ifndef TRAINER_AUGMENT_H
#define TRAINER_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"
#include "plans/plan.h"
#include "trainer/spatial.h"

typedef struct AugmentRules {
    double largest_angle;        /* radians */
    bool mirror_axes[2];         /* which may be mirrored, (y,x) */
    bool older; /* nnU-Net's list before 2.8: other draws around 1, batchgenerators' kernels */
} AugmentRules;

/* Of one channel; a value of 0 stands for "not drawn". */
typedef struct ChannelDraw {
    double blur_sigma_yx[2], brightness, contrast, low_resolution, gamma_inverted, gamma;
} ChannelDraw;

typedef struct AugmentDraw {
    bool spatial;                /* rotated or scaled */
    double angle, scale;         /* radians; above 1 makes things smaller */
    double noise_sigma;          /* 0: none */
    ChannelDraw channel[PLAN_MAX_CHANNELS];
    bool mirror_yx[2];
} AugmentDraw;

/* All choices for one patch. */
AugmentDraw augment_draw(Rng *rng, const AugmentRules *rules, int channels);

/* Noise to gamma, in place. noise: its stream; scratch: one plane of doubles. Fails: ERR_NOMEM, by the
 * older rules only. */
int augment_intensities(Patch *patch, const AugmentDraw *draw, bool older, Rng *noise, double *scratch,
                        Err *e);

/* Writes the patch into a batch: image (height, width, channels), labels (height, width), mirrored as
 * told. mask_channel (channels): such a channel is set to 0 outside (label -1), as it was normalised
 * only inside. Labels of -1 become 0. */
void augment_store(const Patch *patch, const bool mirror_yx[2], const bool *mask_channel, float *image,
                   int16_t *labels);

#endif
