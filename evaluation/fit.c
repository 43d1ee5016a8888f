#include "evaluation/fit.h"

/* Sets the error of a prediction that is not on the reference's grid. */
static int say_misfit(const Geometry *reference, const Geometry *prediction, Err *e)
{
    static const char rule[] = "the prediction must be on the reference's grid";
    const int64_t *r = reference->shape_zyx, *p = prediction->shape_zyx;
    const double *a = reference->spacing_zyx_mm, *b = prediction->spacing_zyx_mm;
    const bool flat = reference->dimensions == 2 || prediction->dimensions == 2;
    char text[GEOMETRY_TEXT_BYTES], other[GEOMETRY_TEXT_BYTES];
    if (!geometry_same_shape(reference, prediction) && reference->dimensions != prediction->dimensions) {
        geometry_shape_text(reference, text);
        geometry_shape_text(prediction, other);
        return err_set(e, ERR_SHAPE, "the reference %s (%s), the prediction %s (%s): %s",
                       reference->dimensions == 2 ? "is 2-D" : "has three axes", text,
                       prediction->dimensions == 2 ? "is 2-D" : "has three axes", other, rule);
    }
    if (!geometry_same_shape(reference, prediction))
        return err_set(
            e, ERR_SHAPE, "the reference has the shape (z,y,x) %lldx%lldx%lld, the prediction %lldx%lldx%lld: %s",
            (long long)r[0], (long long)r[1], (long long)r[2], (long long)p[0], (long long)p[1], (long long)p[2], rule);
    if (!grid_same_spacing(prediction, reference) && flat)
        return err_set(e, ERR_VALUE, "the reference has the spacing (y,x) %g, %g mm, the prediction %g, %g mm: %s",
                       a[1], a[2], b[1], b[2], rule);
    if (!grid_same_spacing(prediction, reference))
        return err_set(e, ERR_VALUE,
                       "the reference has the spacing (z,y,x) %g, %g, %g mm, the prediction %g, %g, %g mm: %s", a[0],
                       a[1], a[2], b[0], b[1], b[2], rule);
    char found[GRID_PLACE_BYTES], expected[GRID_PLACE_BYTES];
    grid_place_text(prediction, found);
    grid_place_text(reference, expected);
    return err_set(e, ERR_VALUE,
                   "the reference has %s, the prediction %s: they show different places; resample the prediction "
                   "onto the reference's grid, or correct the header that is wrong",
                   expected, found);
}

int fit_expect(GridMatch match, const Geometry *reference, const Geometry *prediction, Err *e)
{
    return match == GRID_SAME || match == GRID_TURNED ? 0 : say_misfit(reference, prediction, e);
}
