/* Geometry: an image's grid and its position in space; enough to write an output on the same grid.
 *
 * A plain value. Axes are named as arrays have them (Z,Y,X); X is the axis that the file stores first. */
#ifndef DATA_GEOMETRY_H
#define DATA_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* NIfTI's position of an image in space, kept as stored, so that an output has the same. Codes of 0 mean "not
 * given"; an image from a format without orientation has both 0. */
typedef struct Orientation {
    int units; /* xyzt_units as stored; all lengths here are in mm (geometry_unit_mm) */
    int qform_code, sform_code;
    double qfac; /* 1 or -1 */
    double quatern_bcd[3], offset_xyz[3];
    double depth;       /* size of a 2-D image's pixels across the plane */
    double sform[3][4]; /* (x,y,z,1) in voxels to x, y, z */
} Orientation;

typedef struct Geometry {
    int dimensions; /* 3; or 2: the extent along Z is 1, and outputs have two axes */
    int64_t shape_zyx[3];
    double spacing_zyx_mm[3]; /* 2-D: Z as nnU-Net sets it (999; NIfTI: 999 * the larger one) */
    Orientation orientation;
} Geometry;

/* Whether a spacing can be used: within what a plan may have, as float32. */
bool geometry_is_spacing(double mm);
#define GEOMETRY_SPACINGS "a number from 1e-9 to 1e9" /* for messages */

/* A 2-D image without spacing or orientation: spacing (999,1,1), as nnU-Net sets it. */
Geometry geometry_plane(int64_t height, int64_t width);

/* Voxel (x,y,z) to world coordinates (x to the right, y to the front, z up): sform, else qform, else
 * the spacing alone. */
void geometry_affine(const Geometry *g, double affine[3][4]);

bool geometry_same_shape(const Geometry *a, const Geometry *b);

/* Equal as by numpy.allclose with its defaults: |a - b| <= 1e-8 + 1e-5 |b| for every number. The depth of a 2-D
 * image is no real value and not compared. */
bool geometry_same_spacing(const Geometry *a, const Geometry *b);

/* The length in mm of the unit in NIfTI's xyzt_units: metre, millimetre, micrometre; 1 where none is given. name
 * (may be NULL): "metre" … */
double geometry_unit_mm(int xyzt_units, const char **name);
bool geometry_same_affine(const Geometry *a, const Geometry *b);

/* "40x40x12" (x,y,z), of a 2-D image "40x40": for messages. */
enum { GEOMETRY_TEXT_BYTES = 80 };
void geometry_shape_text(const Geometry *g, char text[GEOMETRY_TEXT_BYTES]);
void geometry_spacing_text(const Geometry *g, char text[GEOMETRY_TEXT_BYTES]);

/* Shape and spacing of `found` must be those of `expected`, the grid of the file `of`. Fails: ERR_SHAPE, ERR_VALUE,
 * with both values (in the file's order: x,y,z). */
int geometry_expect_grid(const Geometry *found, const Geometry *expected, const char *of, Err *e);

#endif
