#include "data/geometry.h"

#include <math.h>
#include <nifti2_io.h>
#include <stdio.h>
#include <string.h>

bool geometry_is_spacing(double mm) { return (float)mm >= 1e-9f && (float)mm <= 1e9f; }

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
        const nifti_dmat44 q =
            nifti_quatern_to_dmat44(b[0], b[1], b[2], at[0], at[1], at[2], spacing[2], spacing[1], depth, o->qfac);
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
    const int first = a->dimensions == 2 || b->dimensions == 2;
    return all_close(a->spacing_zyx_mm + first, b->spacing_zyx_mm + first, 3 - first);
}

double geometry_unit_mm(int xyzt_units, const char **name)
{
    const char *unused;
    if (!name) name = &unused;
    switch (XYZT_TO_SPACE(xyzt_units)) {
    case NIFTI_UNITS_METER: *name = "metre"; return 1000;
    case NIFTI_UNITS_MICRON: *name = "micrometre"; return 1e-3;
    default: *name = "millimetre"; return 1;
    }
}

bool geometry_same_affine(const Geometry *a, const Geometry *b)
{
    double first[3][4], second[3][4];
    geometry_affine(a, first);
    geometry_affine(b, second);
    return all_close(first[0], second[0], 12);
}

void geometry_shape_text(const Geometry *g, char text[GEOMETRY_TEXT_BYTES])
{
    const long long z = g->shape_zyx[0], y = g->shape_zyx[1], x = g->shape_zyx[2];
    if (g->dimensions == 2) snprintf(text, GEOMETRY_TEXT_BYTES, "%lldx%lld", x, y);
    else snprintf(text, GEOMETRY_TEXT_BYTES, "%lldx%lldx%lld", x, y, z);
}

void geometry_spacing_text(const Geometry *g, char text[GEOMETRY_TEXT_BYTES])
{
    const double *s = g->spacing_zyx_mm;
    if (g->dimensions == 2) snprintf(text, GEOMETRY_TEXT_BYTES, "%gx%g", s[2], s[1]);
    else snprintf(text, GEOMETRY_TEXT_BYTES, "%gx%gx%g", s[2], s[1], s[0]);
}

/* The thickness of a plane that is stored with two axes is no real value, so it is not compared. */
static bool spacing_fits(const Geometry *found, const Geometry *expected)
{
    const bool plane = found->dimensions == 2 || expected->dimensions == 2;
    for (int i = 0; i < 3; i++)
        if (!(plane && expected->shape_zyx[i] == 1) &&
            !all_close(&found->spacing_zyx_mm[i], &expected->spacing_zyx_mm[i], 1))
            return false;
    return true;
}

int geometry_expect_grid(const Geometry *found, const Geometry *expected, const char *of, Err *e)
{
    char there[GEOMETRY_TEXT_BYTES], wanted[GEOMETRY_TEXT_BYTES];
    geometry_shape_text(found, there);
    geometry_shape_text(expected, wanted);
    if (!geometry_same_shape(found, expected) && found->dimensions != expected->dimensions)
        return err_set(e, ERR_SHAPE, "is %s (%s): expected the shape of %s, which %s (%s)",
                       found->dimensions == 2 ? "2-D" : "3-D", there, of,
                       expected->dimensions == 2 ? "is 2-D" : "has three axes", wanted);
    if (!geometry_same_shape(found, expected))
        return err_set(e, ERR_SHAPE, "shape %s (x,y,z): expected that of %s, %s", there, of, wanted);
    if (spacing_fits(found, expected)) return 0;
    geometry_spacing_text(found, there);
    geometry_spacing_text(expected, wanted);
    return err_set(e, ERR_VALUE, "spacing %s mm (x,y,z): expected that of %s, %s mm", there, of, wanted);
}
