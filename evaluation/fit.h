/* Fit: whether a prediction and its reference lie on one grid, but for the order and direction of their axes. */
#ifndef EVALUATION_FIT_H
#define EVALUATION_FIT_H

#include "base/error.h"
#include "data/grid_axes.h"

/* match: grid_match of the two. Fails: ERR_SHAPE, ERR_VALUE with both values where neither is a turn of the other. */
int fit_expect(GridMatch match, const Geometry *reference, const Geometry *prediction, Err *e);

#endif
