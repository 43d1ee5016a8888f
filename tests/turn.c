/* turn IN OUT CODE [SHIFT_MM [FACTOR]]: stores an image (labels or values) with its axes along CODE, such as LPS or
 * ASL, at the same position in space; SHIFT_MM moves its origin along x, FACTOR multiplies all lengths. For tests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_io.h"

static bool find_axes(GridAxes *axes, const Geometry *g, const char *code)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    char found[GRID_CODE_BYTES];
    for (int n = 0; n < 48; n++) {
        for (int i = 0; i < 3; i++) {
            axes->from[i] = orders[n / 8][i];
            axes->flip[i] = n >> i & 1;
        }
        const Geometry turned = grid_axes_apply(axes, g);
        grid_axes_code(&turned, found);
        if (!strcmp(found, code)) return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    Image image;
    GridAxes axes;
    Err e = {0};
    if (argc < 4) return 2;
    if (image_read(&image, argv[1], &e)) goto failed;
    if (!find_axes(&axes, &image.geometry, argv[3])) return 2;
    if (grid_axes_turn(&axes, &image.voxels, &e)) goto failed;
    Geometry g = grid_axes_apply(&axes, &image.geometry);
    if (argc > 4) {
        g.orientation.sform[0][3] += atof(argv[4]);
        g.orientation.offset_xyz[0] += atof(argv[4]);
    }
    for (int i = 0; i < 12 && argc > 5; i++) g.orientation.sform[i / 4][i % 4] *= atof(argv[5]);
    for (int i = 0; i < 3 && argc > 5; i++) g.spacing_zyx_mm[i] *= atof(argv[5]);
    if (image_write(argv[2], &g, &image.voxels, &e)) goto failed;
    image_free(&image);
    return 0;
failed:
    fprintf(stderr, "turn: %s\n", e.text);
    return 1;
}
