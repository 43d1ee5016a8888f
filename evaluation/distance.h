/* Exact Euclidean distances on a grid, at chosen points.
 *
 * Separable: steps to the nearest site along z by two sweeps, then the lower envelope of parabolas along y and
 * along x (Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions"). Time is linear in the
 * number of grid points; planes and rows without a wanted point are skipped. Memory: 2 bytes per grid point. */
#ifndef EVALUATION_DISTANCE_H
#define EVALUATION_DISTANCE_H

#include <stdint.h>

#include "base/error.h"

/* Distances in mm from every wanted point to the nearest site, in the grid's order, infinite without a
 * site. sites and wanted (Z,Y,X) borrowed: a point is one where the byte is not 0. out (number of
 * wanted points) written. Uses OpenMP. Fails: ERR_NOMEM; ERR_UNSUPPORTED beyond 65,534 planes. */
int distance_to_sites(double *out_mm, const uint8_t *sites, const uint8_t *wanted, const int64_t shape_zyx[3],
                      const double spacing_mm[3], Err *e);

#endif
