/* Positions of training patches: nnU-Net's 2D sampling geometry (docs/reference.md, Patch sampling).
 *
 * A patch of the final size is made from a larger initial crop, so that rotation and scaling have image content at the
 * corners. Crops may extend beyond the border of a slice; there the image is 0 and the label -1. Axes are (y,x). */
#ifndef TRAINER_PATCH_H
#define TRAINER_PATCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct PatchGeometry {
    int64_t final_yx[2];   /* the network's input */
    int64_t initial_yx[2]; /* the crop for the spatial transform */
    double largest_angle;  /* of the rotation, radians */
} PatchGeometry;

/* A rectangle of a slice, first pixel (y,x); may extend beyond the slice's border. */
typedef struct Crop {
    int64_t y, x, height, width;
} Crop;

/* Rotation by any angle if the ratio of the sides is at most 1.5, else by up to 15 degrees. The initial crop contains the
 * patch rotated by up to a right angle and enlarged by 1 / 0.85. */
PatchGeometry patch_geometry(const int64_t final_yx[2]);

/* The first and last (inclusive) corner that a random crop of `crop_size` may have along one axis. */
void patch_corner_range(int64_t image_size, int64_t final_size, int64_t crop_size, int64_t *low, int64_t *high);

/* The corner of a crop around a chosen pixel: centred on it, but at least `low`. */
int64_t patch_corner_around(int64_t pixel, int64_t crop_size, int64_t low);

/* Whether an item must contain foreground: those in the last `share` of the batch. item and batch_size are those of the
 * global batch. */
bool patch_is_forced(int item, int batch_size, double share);

/* The crop of the final size at the centre of an initial one. */
Crop patch_center(Crop initial, const int64_t final_yx[2]);

#endif
