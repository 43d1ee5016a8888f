/* Where training patches lie: nnU-Net's 2D sampling geometry (docs/reference.md, Patch sampling).
 *
 * A patch of the final size is cut from an enlarged initial crop, so that rotating and scaling find
 * image content behind the corners. Crops may reach over the border of a slice; what lies outside is
 * 0 in the image and -1 in the labels. Plain values; axes are (y,x). */
#ifndef TRAINER_PATCH_H
#define TRAINER_PATCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct PatchGeometry {
    int64_t final_yx[2];     /* what the network sees */
    int64_t initial_yx[2];   /* what is cut out for the spatial transform */
    double largest_angle;    /* of the rotation, radians */
} PatchGeometry;

/* A rectangle of a slice, first pixel (y,x); may reach over the slice's border. */
typedef struct Crop {
    int64_t y, x, height, width;
} Crop;

/* Rotation by any angle where the sides differ by at most 1.5, else by 15 degrees; the initial crop
 * holds the patch rotated by up to a right angle and enlarged by 1 / 0.85. */
PatchGeometry patch_geometry(const int64_t final_yx[2]);

/* The first and last (inclusive) corner that a random crop of `crop_size` may have along one axis. */
void patch_corner_range(int64_t image_size, int64_t final_size, int64_t crop_size, int64_t *low,
                        int64_t *high);

/* The corner of a crop that shows a chosen pixel: centred on it, but not left of `low`. */
int64_t patch_corner_around(int64_t pixel, int64_t crop_size, int64_t low);

/* Whether an item must show foreground: the last `share` of the batch. Both numbers are of the global batch. */
bool patch_is_forced(int item, int batch_size, double share);

/* The crop of the final size in the middle of an initial one. */
Crop patch_center(Crop initial, const int64_t final_yx[2]);

#endif
