/* GridAxes: order and direction of one array's axes relative to another's (48 ways in 3-D).
 *
 * The same grid of voxels in space can be stored in 48 ways: the axes in any order, each forwards or backwards.
 * Images that belong together (channels of a case, labels and image, reference and prediction) are brought onto one
 * grid here if that needs no interpolation, and are told apart if it does. Axes are named as arrays have them
 * (Z,Y,X). Plain values. */
#ifndef DATA_GRID_AXES_H
#define DATA_GRID_AXES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/array.h"
#include "base/text.h"
#include "data/geometry.h"
#include "plans/readers.h"

/* Axis i of the result is axis from[i] of the source, read backwards where flip[i]. */
typedef struct GridAxes {
    int from[3];
    bool flip[3];
} GridAxes;

typedef enum GridMatch {
    GRID_SAME,   /* shape, spacing and place are equal, or one has no place */
    GRID_TURNED, /* the same voxels, the axes in another order or direction */
    GRID_MOVED,  /* equal shape, spacing and direction, another origin */
    GRID_DIFFERENT
} GridMatch;

/* Largest distance in voxels between voxels that count as the same: headers are rounded to float32, and qform and
 * sform of one file differ by rounding. */
#define GRID_TOLERANCE 0.1

GridAxes grid_axes_stored(void); /* the stored order */
bool grid_axes_is_stored(const GridAxes *axes);
bool grid_axes_equal(const GridAxes *a, const GridAxes *b);
GridAxes grid_axes_inverse(const GridAxes *axes);

/* Whether g has a place. It has none if both codes are 0 (also of formats without orientation), or if an axis has
 * length 0. */
bool grid_has_place(const Geometry *g);

/* How the grid `found` relates to `expected`. axes: how to bring an array of `found` onto the grid of `expected`
 * (GRID_SAME, GRID_TURNED, GRID_MOVED). Spacings are equal within a thousandth. Without a place, equal shape and
 * spacing are GRID_SAME. Where qform and sform of a file differ, either may match: programs differ in which one they
 * read and write (nibabel the sform; ITK the qform, unless sform_code is 1).
 *
 * A plane may be stored with two axes or with three, its axis of length 1 being any of them. That axis is not
 * compared; axes moves it to its position in `expected` (the order of voxels in memory stays). Planes that differ
 * in their place only are GRID_MOVED. */
GridMatch grid_match(const Geometry *found, const Geometry *expected, GridAxes *axes);

/* The first axis of length 1; -1: none. */
int grid_axis_across(const Geometry *g);

/* Whether spacings are equal within grid_match's tolerance, axis by axis as stored; the depth of a 2-D image is not
 * compared. */
bool grid_same_spacing(const Geometry *found, const Geometry *expected);

/* How to bring an array of g into a reader's order of axes. RAS+ is the nearest of the 48 ways: x to the right, y
 * to the front, z up, as in nibabel (io_orientation, as_closest_canonical). A 2-D image stays as stored. For
 * READER_STORED, the axis of length 1 of a plane stored with three axes is moved to position `across`, the axis
 * across the slices: the plan's transpose_forward[0], or 0 while there is no plan. */
GridAxes grid_axes_read(const Geometry *g, ReaderAxes axes, int across);

/* How to bring an array of g, a volume with a place, as near as the 48 ways allow to the axes that a code such as "LPS" names
 * (grid_axes_code). Fails: ERR_VALUE for a text that is no such code. */
int grid_axes_to_code(GridAxes *axes, const Geometry *g, const char *code, Err *e);

/* The geometry of the reoriented array: shape, spacing, place (as a sform, without a qform). */
Geometry grid_axes_apply(const GridAxes *axes, const Geometry *g);

/* Reorients an array (Z,Y,X) or (C,Z,Y,X) that owns its memory, in place. Allocates the memory of one channel.
 * Fails: ERR_NOMEM. */
int grid_axes_turn(const GridAxes *axes, Array *a, Err *e);

/* "RAS", "LPS" …: the nearest direction of the file's axes x, y and z (nibabel's aff2axcodes); "none" without a
 * place. code: 5 bytes. */
enum { GRID_CODE_BYTES = 5 };
void grid_axes_code(const Geometry *g, char code[GRID_CODE_BYTES]);

/* "origin 1x2x3 mm, direction RAS" for messages; an oblique direction with its numbers. The world's axes are
 * NIfTI's. */
enum { GRID_PLACE_BYTES = 200 };
void grid_place_text(const Geometry *g, char text[GRID_PLACE_BYTES]);

/* Checks a file of a case, image or label: `found` must be on the grid of `expected`, which is that of the file
 * `of`. axes: how to bring it there. note: a warning without a full stop, or nothing. It says that the axes are
 * reoriented, or that the origin differs and the voxels are used as they are stored (as nnU-Net does, also with a
 * warning). Fails: as geometry_expect_grid; ERR_VALUE for another direction, with both places. */
int grid_bring(GridAxes *axes, Text *note, const Geometry *found, const Geometry *expected, const char *of, Err *e);

#endif
