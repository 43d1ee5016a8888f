/* Makes a patch from a slice: a copy, or rotated and scaled in one resampling pass.
 *
 * The image is sampled bilinearly. A label's score is its 0/1 map sampled in the same way, times 1000, in half precision;
 * the label with the largest score is taken. Of equal scores the nearest pixel's label is taken if it is among them, else
 * the lowest (batchgeneratorsv2's SpatialTransform; docs/reference.md, Augmentation). Only pixels that are both in the crop
 * and in the slice are read, as if the crop had been copied first; elsewhere the image is 0 and the label -1. Nothing is
 * allocated; all memory is borrowed. */
#ifndef TRAINER_SPATIAL_H
#define TRAINER_SPATIAL_H

#include <stdint.h>

#include "trainer/patch.h"

typedef struct SliceView {
    const float *image;    /* pixels, each with all channels */
    const int16_t *labels; /* one per pixel */
    int64_t height, width;
    int channels;
    int64_t row, column; /* pixels from one row to the next, and from one pixel of a row to the next */
} SliceView;

/* A slice whose rows follow one another: (height, width). */
static inline SliceView slice_view(const float *image, const int16_t *labels, int64_t height, int64_t width,
                                   int channels)
{
    return (SliceView){image, labels, height, width, channels, width, 1};
}

/* The number of a pixel, in image and labels. */
static inline int64_t slice_pixel(const SliceView *s, int64_t y, int64_t x) { return y * s->row + x * s->column; }

/* A patch during augmentation: with a plane per channel, so that intensity transforms process dense rows. */
typedef struct Patch {
    float *planes;   /* (channels, height, width) */
    int16_t *labels; /* (height, width) */
    int64_t height, width;
    int channels;
} Patch;

/* Copies a crop of the patch's size. */
void spatial_copy(const SliceView *slice, Crop crop, Patch *patch);

/* Samples the crop around its centre: patch pixel v (relative to the patch's centre) is the crop's pixel R(angle) · scale ·
 * v. A scale above 1 makes objects smaller. */
void spatial_transform(const SliceView *slice, Crop crop, double angle, double scale, Patch *patch);

#endif
