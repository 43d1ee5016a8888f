#include "preprocess/spacing_check.h"

#include <math.h>

typedef struct Finding {
    double factor, plane_factor; /* the largest factor over all axes, and over the axes of the plane; at least 1 */
    double median_mm[3];         /* in the order in which axes are read */
    double voxels;               /* of the case after resampling */
    double growth;               /* the same in multiples of its own voxels */
} Finding;

static double ratio(double a, double b) { return a > b ? a / b : b / a; }

static Finding find(const int64_t shape[3], const double spacing_mm[3], const Plan *plan)
{
    const double *target = plan->configuration.spacing_mm, *median = plan->original_median_spacing_mm;
    Finding f = {.factor = 1, .plane_factor = 1, .voxels = 1, .growth = 1};
    for (int i = 0; i < 3; i++) { /* of the plan's order of axes */
        const int axis = plan->transpose_forward[i];
        /* The thickness of a plane is not compared. */
        const bool is_known = median[i] > 0 && (i || plan->original_median_shape[0] != 1);
        const double expected = is_known ? median[i] : i ? target[i - 1] : spacing_mm[axis];
        f.median_mm[axis] = expected;
        f.voxels *= i ? fmax(1, (double)shape[axis] * spacing_mm[axis] / target[i - 1]) : (double)shape[axis];
        f.growth = f.voxels / ((double)shape[0] * (double)shape[1] * (double)shape[2]);
        const double factor = shape[axis] > 1 ? ratio(spacing_mm[axis], expected) : 1;
        f.factor = fmax(f.factor, factor);
        if (i) f.plane_factor = fmax(f.plane_factor, factor);
    }
    return f;
}

int spacing_check(Text *note, const int64_t shape[3], const double spacing_mm[3], const Plan *plan, Err *e)
{
    const Finding f = find(shape, spacing_mm, plan);
    const double *s = spacing_mm, *m = f.median_mm;
    if (f.factor < SPACING_NOTE_FACTOR && f.voxels > SPACING_MOST_VOXELS && f.growth >= SPACING_REFUSED_FACTOR)
        return err_set(e, ERR_VALUE,
                       "at the plan's spacing, %gx%g mm, the case would have %.3g voxels, %.3g times its own "
                       "%lldx%lldx%lld; correct configurations.2d.spacing in the plan",
                       plan->configuration.spacing_mm[1], plan->configuration.spacing_mm[0], f.voxels, f.growth,
                       (long long)shape[2], (long long)shape[1], (long long)shape[0]);
    if (f.factor < SPACING_NOTE_FACTOR) return 0;
    const bool refused = f.plane_factor >= SPACING_REFUSED_FACTOR || f.voxels > SPACING_MOST_VOXELS;
    if (refused)
        return err_set(
            e, ERR_VALUE,
            "spacing %gx%gx%g mm (x,y,z) differs by a factor of %.4g from the training images' %gx%gx%g mm, and "
            "would make %.3g voxels of %lldx%lldx%lld; correct the spacing, or its unit, in the header",
            s[2], s[1], s[0], f.factor, m[2], m[1], m[0], f.voxels, (long long)shape[2], (long long)shape[1],
            (long long)shape[0]);
    text_add(note,
             "spacing %gx%gx%g mm (x,y,z) differs by a factor of %.4g from the training images' %gx%gx%g mm; look "
             "whether the header is right",
             s[2], s[1], s[0], f.factor, m[2], m[1], m[0]);
    return text_check(note, e);
}
