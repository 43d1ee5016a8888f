#include "data/lps.h"

#include <math.h>
#include <string.h>

enum { MILLIMETRES = 2 }; /* NIfTI's code */

static const double to_ras[3] = {-1, -1, 1}; /* and back */

LpsPlace lps_plain(void)
{
    return (LpsPlace){.spacing_xyz = {1, 1, 1}, .direction = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
}

static int check(const LpsPlace *p, int dimensions, Err *e)
{
    for (int i = 0; i < dimensions; i++)
        if (!geometry_is_spacing(p->spacing_xyz[i]))
            return err_set(e, ERR_VALUE, "the spacing of axis %d is %g: expected " GEOMETRY_SPACINGS, i,
                           p->spacing_xyz[i]);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            if (!isfinite((float)p->direction[i][k]) || !isfinite((float)p->origin[k]))
                return err_set(e, ERR_VALUE, "its direction or origin has a number that is not finite in float32");
    return 0;
}

/* The vector perpendicular to the first two. */
static void across(double out[3], const double a[3], const double b[3])
{
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        out[i] = a[j] * b[k] - a[k] * b[j];
    }
}

int lps_to_geometry(Geometry *g, int dimensions, const int64_t shape_zyx[3], const LpsPlace *place, Err *e)
{
    LpsPlace p = *place;
    if (dimensions == 2) {
        across(p.direction[2], p.direction[0], p.direction[1]);
        p.spacing_xyz[2] = 1;
    }
    TRY(check(&p, dimensions, e));
    *g = (Geometry){.dimensions = dimensions};
    memcpy(g->shape_zyx, shape_zyx, sizeof g->shape_zyx);
    for (int i = 0; i < 3; i++) g->spacing_zyx_mm[2 - i] = p.spacing_xyz[i];
    if (dimensions == 2) g->spacing_zyx_mm[0] = 999 * fmax(p.spacing_xyz[0], p.spacing_xyz[1]);
    g->orientation = (Orientation){.units = MILLIMETRES, .sform_code = p.given, .qfac = 1, .depth = 1};
    for (int world = 0; world < 3 && p.given; world++) {
        for (int axis = 0; axis < 3; axis++)
            g->orientation.sform[world][axis] = to_ras[world] * p.direction[axis][world] * p.spacing_xyz[axis] + 0.0;
        g->orientation.sform[world][3] = to_ras[world] * p.origin[world] + 0.0;
    }
    return 0;
}

LpsPlace lps_from_geometry(const Geometry *g)
{
    double affine[3][4];
    LpsPlace p = lps_plain();
    p.given = g->orientation.qform_code > 0 || g->orientation.sform_code > 0;
    geometry_affine(g, affine);
    for (int axis = 0; axis < 3; axis++) {
        double length = 0;
        p.spacing_xyz[axis] = g->spacing_zyx_mm[2 - axis];
        for (int world = 0; world < 3; world++) length += affine[world][axis] * affine[world][axis];
        length = sqrt(length);
        for (int world = 0; world < 3 && p.given && length > 0; world++)
            p.direction[axis][world] = to_ras[world] * affine[world][axis] / length + 0.0;
    }
    for (int world = 0; world < 3 && p.given; world++)
        p.origin[world] = to_ras[world] * affine[world][3] + 0.0; /* no -0 */
    return p;
}
