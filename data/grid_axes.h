/* GridAxes: how the axes of one array lie in another, up to their order and direction (48 ways in 3-D).
 *
 * The same grid of voxels in space can be stored in 48 ways: the axes in any order, each forwards or backwards.
 * What meets in space (channels of a case, labels and image, reference and prediction) is brought onto one grid
 * here where that needs no interpolation, and told apart where it does. Axes are named as arrays have them
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
    GRID_SAME,      /* shape, spacing and place are equal, or a place is not given */
    GRID_TURNED,    /* the same voxels, the axes in another order or direction */
    GRID_MOVED,     /* equal shape, spacing and direction, another origin */
    GRID_DIFFERENT
} GridMatch;

/* Voxels at the same place are at most so far apart, in voxels: headers pass through float32, and qform and
 * sform of one file differ by rounding. */
#define GRID_TOLERANCE 0.1

GridAxes grid_axes_stored(void);                      /* as it is stored: nothing changes */
bool grid_axes_is_stored(const GridAxes *axes);
bool grid_axes_equal(const GridAxes *a, const GridAxes *b);
GridAxes grid_axes_inverse(const GridAxes *axes);

/* Whether g says where its voxels are: not a format without orientation, both codes 0, or an axis of length 0. */
bool grid_has_place(const Geometry *g);

/* How `found` lies to `expected`. axes: what brings an array of `found` onto the grid of `expected`
 * (GRID_SAME, GRID_TURNED, GRID_MOVED). Spacings are equal within a thousandth. Without a place, equal shape
 * and spacing are GRID_SAME. Where qform and sform of a file say different places, either will do: programs differ in
 * which one they take and write (nibabel the sform; ITK the qform, unless sform_code is 1).
 *
 * A plane is one whether it is stored with two axes or with three, and wherever its axis of length 1 stands: the axis
 * across it is left out of the comparison and is put where `expected` has it (axes; no voxel moves). Planes that fit
 * but for their place are GRID_MOVED. */
GridMatch grid_match(const Geometry *found, const Geometry *expected, GridAxes *axes);

/* The axis of length 1 (the first one); -1 where there is none. */
int grid_axis_across(const Geometry *g);

/* Spacings equal as grid_match takes them, axis by axis as stored; the depth of a 2-D image is made up. */
bool grid_same_spacing(const Geometry *found, const Geometry *expected);

/* What brings an array of g into the order of axes that a reader gives. RAS+ is the nearest of the 48: x to the
 * right, y to the front, z up, as nibabel does it (io_orientation, as_closest_canonical). A 2-D image stays as it is
 * stored. Of READER_STORED, a plane stored with three axes gets its axis of length 1 where `across` says, the axis that
 * slices lie across: the plan's transpose_forward[0], or 0 where there is no plan yet. */
GridAxes grid_axes_read(const Geometry *g, ReaderAxes axes, int across);

/* The geometry of the array after that: shape, spacing, place (then in the sform, without a qform). */
Geometry grid_axes_apply(const GridAxes *axes, const Geometry *g);

/* Turns an array (Z,Y,X) or (C,Z,Y,X) that owns its memory, in place. Takes the memory of one channel besides.
 * Fails: ERR_NOMEM. */
int grid_axes_turn(const GridAxes *axes, Array *a, Err *e);

/* "RAS", "LPS" …: where the file's axes x, y and z run to, each the nearest (nibabel's aff2axcodes); "none"
 * where no place is given. code: 5 bytes. */
enum { GRID_CODE_BYTES = 5 };
void grid_axes_code(const Geometry *g, char code[GRID_CODE_BYTES]);

/* "origin 1x2x3 mm, direction RAS" for messages; an oblique direction with its numbers. The world's axes are
 * NIfTI's. */
enum { GRID_PLACE_BYTES = 200 };
void grid_place_text(const Geometry *g, char text[GRID_PLACE_BYTES]);

/* What all files of a case go through, images and label: `found` must lie on the grid of `expected`, which belongs
 * to the file `of`. axes: what brings it there. note: what the user must know, a clause without a full stop, or
 * nothing: the axes are turned; or the origin is another one, and the voxels are taken to lie on each other as they
 * are stored (nnU-Net's rule, which warns likewise). Fails: as geometry_expect_grid; ERR_VALUE where the direction
 * is another one, with both places. */
int grid_bring(GridAxes *axes, Text *note, const Geometry *found, const Geometry *expected, const char *of, Err *e);

#endif
