/* Cropping to the nonzero region (nnU-Net's crop_to_nonzero; docs/reference.md, Cropping).
 *
 * The region is where any channel differs from 0, with its holes filled in three dimensions; the box
 * around it is kept, and inside that box a label of 0 outside the region becomes -1. */
#ifndef PREPROCESS_CROP_H
#define PREPROCESS_CROP_H

#include "preprocess/volume.h"

/* mask: a new uint8 array of the channels' common shape, 1 inside the filled region; the caller frees
 * it. channels: at least one float32 volume. Fails: ERR_NOMEM. */
int nonzero_mask(Array *mask, const Volume *channels, int count, Err *e);

/* Sets to 1 every 0 of mask (uint8, rank 3) that is not connected with the border of the array by zeros that share
 * faces (scipy.ndimage.binary_fill_holes). A voxel on the border is thus never a hole. Fails: ERR_NOMEM;
 * ERR_UNSUPPORTED for rows of 2^31 voxels and more. */
int fill_holes(Array *mask, Err *e);

/* Upper bound of the memory of fill_holes for any mask of that shape, besides the mask, in bytes. */
int64_t fill_holes_bytes(const int64_t shape[3]);

/* The box around the ones of mask (uint8, rank 3); the whole array if there is none. */
Box mask_box(const Array *mask);

/* labels (int16, rank 3, of the box's shape): every 0 that is not in mask becomes -1. */
void mark_outside(Array *labels, const Array *mask, const Box *box);

#endif
