/* Conversion of Geometry from and to ITK's form: spacing, direction and origin in LPS (x to the left, y to the
 * back, z up), while NIfTI and Geometry use RAS (x to the right, y to the front). The same image stored as .nii.gz,
 * .mha and .nrrd has the same geometry_affine. */
#ifndef DATA_LPS_H
#define DATA_LPS_H

#include "data/geometry.h"

/* Axes in the file's order: x, y, z. */
typedef struct LpsPlace {
    bool given;             /* false: spacing only */
    double spacing_xyz[3];  /* of a 2-D image the first two */
    double direction[3][3]; /* direction[i]: the unit vector of axis i */
    double origin[3];       /* of voxel 0 */
} LpsPlace;

LpsPlace lps_plain(void); /* spacing 1, directions as the axes, origin 0, not given */

/* dimensions 2 or 3; for a plane, the third direction is computed, and the third spacing is 999 times the larger
 * one, as in nnU-Net. Fails: ERR_VALUE (a spacing that is not above 0, numbers that are not finite). */
int lps_to_geometry(Geometry *g, int dimensions, const int64_t shape_zyx[3], const LpsPlace *place, Err *e);

LpsPlace lps_from_geometry(const Geometry *g);

#endif
