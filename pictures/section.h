/* Section: how a volume is cut into slices for pictures.
 *
 * Slices lie across the axis of length 1, or the one with the largest spacing (the first of several). Volumes with a
 * place are shown as radiologists do: up is superior, else anterior; left is the patient's right, else anterior. Others
 * are shown as stored. A plain value. */
#ifndef PICTURES_SECTION_H
#define PICTURES_SECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "data/grid_axes.h"

typedef struct Section {
    int64_t shape_zyx[3];
    int axis, rows, columns; /* of Z, Y, X: across the slices, down and along them */
    bool flip_rows, flip_columns;
    char up, left; /* what the picture's upper and left side show: 'S', 'A' or 'R'; 0: without a place */
    int64_t slices, height, width;
    double row_mm, column_mm; /* size of a voxel, down and along */
} Section;

Section section_of(const Geometry *g);

/* The index in an array (Z,Y,X) of a slice's voxel. */
static inline int64_t section_voxel(const Section *s, int64_t slice, int64_t row, int64_t column)
{
    int64_t at[3];
    at[s->axis] = slice;
    at[s->rows] = s->flip_rows ? s->height - 1 - row : row;
    at[s->columns] = s->flip_columns ? s->width - 1 - column : column;
    return (at[0] * s->shape_zyx[1] + at[1]) * s->shape_zyx[2] + at[2];
}

/* A voxel of a label image: int16, uint8 or uint16. */
static inline int section_label(const Array *labels, int64_t index)
{
    if (labels->dtype == DTYPE_I16) return ((const int16_t *)labels->data)[index];
    return labels->dtype == DTYPE_U8 ? ((const uint8_t *)labels->data)[index] : ((const uint16_t *)labels->data)[index];
}

/* Labels are counted and shown from 1 to this. */
enum { SECTION_LARGEST_LABEL = 65535 };

/* Chooses at most `most` slices that show most, in ascending order; returns their number, or a failure. The first has the
 * largest sum of its labels' shares: its voxels of a label over all of them (the rule of nnU-Net's plot_overlay_pngs,
 * select_slice_to_plot2, which divides by slightly more from the second label on). The next have the largest sum over the
 * labels that are not shown yet: so small labels are shown too. Then slices follow that are not close to the chosen
 * ones. Without foreground it is the middle one; labels may be an empty array. Fails: ERR_NOMEM. */
int section_choose(int64_t *slices, int most, const Section *s, const Array *labels, Err *e);

#endif
