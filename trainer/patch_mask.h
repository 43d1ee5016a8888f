/* The mask of a patch for a network that learns to complete images (Xie et al. 2022, SimMIM): random squares of a grid. */
#ifndef TRAINER_PATCH_MASK_H
#define TRAINER_PATCH_MASK_H

#include <stdint.h>

#include "base/random.h"
#include "plans/plan.h"

/* Writes labels (height, width): 1 in the masked squares, else 0. Of the grid's squares, those cut by the lower and right border included,
 * mask.share are masked, rounded up; every choice is as likely. */
void patch_mask(int16_t *labels, int64_t height, int64_t width, NetworkMask mask, Rng *rng);

#endif
