/* Cutting a patch out of a slice: as it is, or rotated and scaled in one resampling pass.
 *
 * The image is sampled bilinearly; a label's score is its 0/1 map sampled likewise, times 1000, in half
 * precision, and the largest score wins; ties go to the nearest pixel's label if it is among the tied,
 * else to the lowest (batchgeneratorsv2's SpatialTransform; docs/reference.md, Augmentation). Only what lies both in
 * the crop and in the slice is seen, as if the crop had been copied out first; elsewhere the image is 0
 * and the label -1. Nothing is allocated; all memory is borrowed. */
#ifndef TRAINER_SPATIAL_H
#define TRAINER_SPATIAL_H

#include <stdint.h>

#include "trainer/patch.h"

typedef struct SliceView {
    const float *image;      /* (height, width, channels) */
    const int16_t *labels;   /* (height, width) */
    int64_t height, width;
    int channels;
} SliceView;

/* A patch under work: channels apart, so that the intensity transforms run along dense rows. */
typedef struct Patch {
    float *planes;           /* (channels, height, width) */
    int16_t *labels;         /* (height, width) */
    int64_t height, width;
    int channels;
} Patch;

/* Copies a crop of the patch's size. */
void spatial_copy(const SliceView *slice, Crop crop, Patch *patch);

/* Samples the crop around its middle: patch pixel v (from the patch's middle) shows the crop's pixel
 * R(angle) · scale · v. A scale above 1 makes things smaller. */
void spatial_transform(const SliceView *slice, Crop crop, double angle, double scale, Patch *patch);

#endif
