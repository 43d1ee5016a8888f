/* paint IN OUT RULE…: changes the voxels or the grid of an image (labels or values). For tests. The rules, in their order:
 *   crop Z Y X        keeps the first voxels along each axis
 *   fill VALUE        all voxels
 *   scale FACTOR      multiplies all voxels
 *   replace A B       voxels of the value A
 *   ramp N            1, 2 … N, 1, 2 … in the order of memory
 *   set Z Y X VALUE   one voxel
 *   spacing Z Y X     the sizes of a voxel in mm; the position in space is left out */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_io.h"

static float *voxel(Image *image, int64_t z, int64_t y, int64_t x)
{
    const int64_t *shape = image->voxels.shape;
    return (float *)image->voxels.data + (z * shape[2] + y) * shape[3] + x;
}

static int crop(Image *image, char **at, Err *e)
{
    Array cropped;
    Geometry *g = &image->geometry;
    int64_t shape[4] = {1};
    for (int i = 0; i < 3; i++) shape[i + 1] = g->shape_zyx[i] = atoll(at[i]);
    TRY(array_new(&cropped, DTYPE_F32, 4, shape, e));
    float *to = cropped.data;
    for (int64_t z = 0; z < shape[1]; z++)
        for (int64_t y = 0; y < shape[2]; y++, to += shape[3])
            memcpy(to, voxel(image, z, y, 0), (size_t)shape[3] * sizeof *to);
    array_free(&image->voxels);
    image->voxels = cropped;
    return 0;
}

static void set_spacing(Geometry *g, char **at)
{
    for (int i = 0; i < 3; i++) g->spacing_zyx_mm[i] = atof(at[i]);
    g->orientation = (Orientation){.qfac = 1, .depth = g->spacing_zyx_mm[0]};
}

/* Returns the number of its words, 0 for an unknown rule, negative on failure. */
static int apply(Image *image, char **rule, int left, Err *e)
{
    float *values = image->voxels.data;
    const int64_t count = array_count(&image->voxels);
    if (left >= 4 && !strcmp(*rule, "crop")) return crop(image, rule + 1, e) ? -1 : 4;
    if (left >= 2 && !strcmp(*rule, "fill")) {
        for (int64_t i = 0; i < count; i++) values[i] = strtof(rule[1], NULL);
        return 2;
    }
    if (left >= 2 && !strcmp(*rule, "scale")) {
        for (int64_t i = 0; i < count; i++) values[i] = (float)(values[i] * strtod(rule[1], NULL));
        return 2;
    }
    if (left >= 3 && !strcmp(*rule, "replace")) {
        for (int64_t i = 0; i < count; i++)
            if (values[i] == strtof(rule[1], NULL)) values[i] = strtof(rule[2], NULL);
        return 3;
    }
    if (left >= 2 && !strcmp(*rule, "ramp")) {
        for (int64_t i = 0; i < count; i++) values[i] = (float)(1 + i % atoll(rule[1]));
        return 2;
    }
    if (left >= 5 && !strcmp(*rule, "set")) {
        *voxel(image, atoll(rule[1]), atoll(rule[2]), atoll(rule[3])) = strtof(rule[4], NULL);
        return 5;
    }
    if (left >= 4 && !strcmp(*rule, "spacing")) {
        set_spacing(&image->geometry, rule + 1);
        return 4;
    }
    return 0;
}

int main(int argc, char **argv)
{
    Image image = {0};
    Err e = {0};
    int failed = argc < 3 ? -1 : image_read(&image, argv[1], &e);
    for (int at = 3, words; at < argc && !failed; at += words) {
        words = apply(&image, argv + at, argc - at, &e);
        if (words <= 0) failed = -1;
    }
    Array volume = image.voxels; /* (Z,Y,X) of the one channel */
    volume.rank = 3;
    memmove(volume.shape, volume.shape + 1, 3 * sizeof *volume.shape);
    if (!failed) failed = image_write(argv[2], &image.geometry, &volume, &e);
    image_free(&image);
    if (failed) fprintf(stderr, "paint: %s\n", *e.text ? e.text : "wrong usage");
    return failed ? 1 : 0;
}
