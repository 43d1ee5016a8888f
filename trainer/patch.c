#include "trainer/patch.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

PatchGeometry patch_geometry(const int64_t final_yx[2])
{
    const double h = (double)final_yx[0], w = (double)final_yx[1];
    PatchGeometry g = {.final_yx = {final_yx[0], final_yx[1]}};
    g.largest_angle = fmax(h, w) / fmin(h, w) > 1.5 ? 15.0 / 180 * PI : PI;
    const double angle = fmin(g.largest_angle, PI / 2), c = cos(angle), s = sin(angle);
    g.initial_yx[0] = (int64_t)(fmax(h, fabs(c * h + s * w)) / 0.85);
    g.initial_yx[1] = (int64_t)(fmax(w, fabs(c * w - s * h)) / 0.85);
    return g;
}

static int64_t floor_half(int64_t value) { return value >= 0 ? value / 2 : -((1 - value) / 2); }

void patch_corner_range(int64_t image_size, int64_t final_size, int64_t crop_size, int64_t *low, int64_t *high)
{
    int64_t pad = crop_size - final_size;
    if (image_size + pad < crop_size) pad = crop_size - image_size;
    *low = floor_half(-pad);
    *high = image_size + pad / 2 + pad % 2 - crop_size;
}

int64_t patch_corner_around(int64_t pixel, int64_t crop_size, int64_t low)
{
    const int64_t corner = pixel - crop_size / 2;
    return corner > low ? corner : low;
}

bool patch_is_forced(int item, int batch_size, double share)
{
    return item >= (int)rint(batch_size * (1 - share)); /* half to even, as Python's round */
}

Crop patch_center(Crop initial, const int64_t final_yx[2])
{
    return (Crop){initial.y + initial.height / 2 - final_yx[0] / 2, initial.x + initial.width / 2 - final_yx[1] / 2,
                  final_yx[0], final_yx[1]};
}
