/* Surface distances between two masks, as DeepMind's surface-distance package computes them
 * (Nikolov et al. 2021, "Clinically applicable segmentation of head and neck anatomy").
 *
 * There is a surface element at each corner between voxels whose 8 (in 2D: 4) voxels differ. Its area is that of
 * the marching-cubes patch at the corner (in 2D a length). Its distance is the Euclidean one to the nearest corner
 * of the other mask's surface. Voxels outside of the volume are 0. surface_measure fills a SurfacePair, which owns
 * its lists until surface_free. */
#ifndef EVALUATION_SURFACE_H
#define EVALUATION_SURFACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct Surface {
    double *distance_mm; /* of each element to the other surface; ascending, then by area */
    double *area_mm2;    /* mm in 2D */
    int64_t count;
    double area_sum;
} Surface;

typedef struct SurfacePair {
    Surface reference, prediction;
} SurfacePair;

/* reference and prediction (Z,Y,X) borrowed, 0 or 1. flat: measure in 2D; only for shape_zyx[0] == 1. For speed,
 * crop both to the box that contains them. Uses OpenMP. Fails: ERR_NOMEM, ERR_UNSUPPORTED. */
int surface_measure(SurfacePair *pair, const uint8_t *reference, const uint8_t *prediction, const int64_t shape_zyx[3],
                    const double spacing_mm[3], bool flat, Err *e);
void surface_free(SurfacePair *pair);

/* Share of both surfaces within the tolerance of the other (normalised surface Dice). Both empty: NaN;
 * one empty: 0. */
double surface_dice(const SurfacePair *pair, double tolerance_mm);

/* The distance that `percent` per cent of a surface's area does not exceed, the larger of both directions; 100: the
 * Hausdorff distance. Infinite if any mask is empty. */
double surface_hausdorff(const SurfacePair *pair, double percent);

/* Mean distance of one surface to the other, by area. NaN if this one is empty, infinite if only the
 * other is. */
double surface_mean_distance(const Surface *surface);

/* The area of the patch at a corner by its code: bits 128 … 1 (2D: 8 … 1) are the voxels around it in
 * array order. table (256, in 2D 16) written. */
void surface_area_table(double *table, const double spacing_mm[3], bool flat);

#endif
