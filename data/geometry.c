#include "data/geometry.h"

#include <math.h>
#include <nifti2_io.h>
#include <string.h>

Geometry geometry_plane(int64_t height, int64_t width)
{
    return (Geometry){.dimensions = 2,
                      .shape_zyx = {1, height, width},
                      .spacing_zyx_mm = {999, 1, 1},
                      .orientation = {.qfac = 1, .depth = 1}};
}

void geometry_affine(const Geometry *g, double affine[3][4])
{
    const Orientation *o = &g->orientation;
    const double *b = o->quatern_bcd, *at = o->offset_xyz, *spacing = g->spacing_zyx_mm;
    const double depth = g->dimensions == 2 ? o->depth : spacing[0];
    if (o->sform_code > 0) {
        memcpy(affine, o->sform, sizeof o->sform);
    } else if (o->qform_code > 0) {
        const nifti_dmat44 q = nifti_quatern_to_dmat44(b[0], b[1], b[2], at[0], at[1], at[2], spacing[2],
                                                       spacing[1], depth, o->qfac);
        memcpy(affine, q.m, sizeof o->sform);
    } else {
        const double plain[3][4] = {{spacing[2], 0, 0, 0}, {0, spacing[1], 0, 0}, {0, 0, depth, 0}};
        memcpy(affine, plain, sizeof plain);
    }
}

bool geometry_same_shape(const Geometry *a, const Geometry *b)
{
    return !memcmp(a->shape_zyx, b->shape_zyx, sizeof a->shape_zyx);
}

static bool all_close(const double *a, const double *b, int count)
{
    for (int i = 0; i < count; i++)
        if (!(fabs(a[i] - b[i]) <= 1e-8 + 1e-5 * fabs(b[i]))) return false;
    return true;
}

bool geometry_same_spacing(const Geometry *a, const Geometry *b)
{
    return all_close(a->spacing_zyx_mm, b->spacing_zyx_mm, 3);
}

bool geometry_same_affine(const Geometry *a, const Geometry *b)
{
    double first[3][4], second[3][4];
    geometry_affine(a, first);
    geometry_affine(b, second);
    return all_close(first[0], second[0], 12);
}

int geometry_expect_grid(const Geometry *found, const Geometry *expected, const char *of, Err *e)
{
    const int64_t *n = found->shape_zyx, *m = expected->shape_zyx;
    const double *s = found->spacing_zyx_mm, *t = expected->spacing_zyx_mm;
    if (!geometry_same_shape(found, expected))
        return err_set(e, ERR_SHAPE, "shape %lldx%lldx%lld (x,y,z): expected that of %s, %lldx%lldx%lld",
                       (long long)n[2], (long long)n[1], (long long)n[0], of, (long long)m[2],
                       (long long)m[1], (long long)m[0]);
    if (!geometry_same_spacing(found, expected))
        return err_set(e, ERR_VALUE, "spacing %gx%gx%g mm (x,y,z): expected that of %s, %gx%gx%g mm", s[2],
                       s[1], s[0], of, t[2], t[1], t[0]);
    return 0;
}
