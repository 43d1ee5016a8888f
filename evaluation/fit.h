/* Fit: whether a prediction and its reference are on the same grid, except for the order and direction of axes. */
#ifndef EVALUATION_FIT_H
#define EVALUATION_FIT_H

#include "base/error.h"
#include "data/grid_axes.h"

/* match: grid_match of the two. Fails: ERR_SHAPE, ERR_VALUE with both values if the grids differ in more than the
 * order and direction of axes. */
int fit_expect(GridMatch match, const Geometry *reference, const Geometry *prediction, Err *e);

#endif
