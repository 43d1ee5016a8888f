/* Areas of the patches of a surface at the corners between voxels. */
#include <math.h>

#include "evaluation/surface.h"

/* Each patch consists of triangles of seven kinds, told apart by the absolute values of their normals in eighths of
 * a voxel's faces. A code and its complement have the same patch: the string has the patch of each code below 128
 * ('@': none). From the package's lookup tables. */
enum { CORNER, EDGE_0, EDGE_1, EDGE_2, FACE_0, FACE_1, FACE_2, TRIANGLES };
static const unsigned char patches[27][TRIANGLES] = {
    {0},
    {1},
    {0, 0, 0, 4},
    {0, 0, 4},
    {2},
    {3, 0, 0, 0, 4},
    {0, 0, 0, 0, 8},
    {0, 4},
    {3, 0, 0, 0, 0, 4},
    {3, 0, 0, 0, 0, 0, 4},
    {3},
    {6},
    {1, 4},
    {1, 0, 4},
    {4, 2, 2},
    {1, 0, 0, 4},
    {4, 2, 0, 2},
    {4, 0, 0, 0, 4},
    {0, 0, 0, 0, 0, 8},
    {4, 0, 2, 2},
    {4, 0, 0, 0, 0, 4},
    {0, 0, 0, 8},
    {0, 0, 0, 0, 0, 0, 8},
    {4, 0, 0, 0, 0, 0, 4},
    {0, 0, 8},
    {0, 8},
    {4},
};
static const char patch_of_code[] = "@AABACDEADCEBEEFAGDHDIJKDLMNOPQE"
                                    "ADGHDMLNDJIKOQPEBHHROSTHOTSHUOOB"
                                    "ADDOGILPDJMQHKNECIMSIVWIMWXMSIMC"
                                    "DJLTLWYLJZWJTJLDEKNHPILGQJMDODDA";

static void area_table_flat(double *table, double step_y, double step_x)
{
    const double half_diagonal = 0.5 * hypot(step_y, step_x);
    for (int code = 0; code < 16; code++) {
        const int set = __builtin_popcount((unsigned)code);
        if (set == 0 || set == 4) table[code] = 0;
        else if (set != 2) table[code] = half_diagonal;
        else if (code == 3 || code == 12) table[code] = step_x; /* both in one row */
        else if (code == 5 || code == 10) table[code] = step_y; /* both in one column */
        else table[code] = 2 * half_diagonal;
    }
}

void surface_area_table(double *table, const double spacing_mm[3], bool flat)
{
    if (flat) {
        area_table_flat(table, spacing_mm[1], spacing_mm[2]);
        return;
    }
    /* A normal's component along an axis is in faces spanned by the other two axes. */
    const double face[3] = {spacing_mm[1] * spacing_mm[2], spacing_mm[0] * spacing_mm[2],
                            spacing_mm[0] * spacing_mm[1]};
    const double unit[TRIANGLES] = {
        [CORNER] = sqrt(face[0] * face[0] + face[1] * face[1] + face[2] * face[2]) / 8,
        [EDGE_0] = hypot(face[1], face[2]) / 8,
        [EDGE_1] = hypot(face[0], face[2]) / 8,
        [EDGE_2] = hypot(face[0], face[1]) / 8,
        [FACE_0] = face[0] / 8,
        [FACE_1] = face[1] / 8,
        [FACE_2] = face[2] / 8,
    };
    for (int code = 0; code < 128; code++) {
        double area = 0;
        for (int k = 0; k < TRIANGLES; k++) area += patches[patch_of_code[code] - '@'][k] * unit[k];
        table[code] = table[255 - code] = area;
    }
}
