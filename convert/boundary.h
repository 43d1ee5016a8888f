/* Instance maps of cells to three classes: 0 background, 1 interior, 2 boundary. */
#ifndef CONVERT_BOUNDARY_H
#define CONVERT_BOUNDARY_H

#include <stdint.h>

#include "base/error.h"

enum {
    BOUNDARY_WIDTH = 2, /* the default: as in the challenge's baseline */
    BOUNDARY_WIDEST = 20,
    INTERIOR_LEAST = 16 /* pixels */
};

/* The boundary of a cell is `width` pixels wide inside, and width - 1 outside: the cell's pixels with another value
 * among their 4 neighbours, dilated by a disk of radius width - 1. Interiors of less than INTERIOR_LEAST pixels
 * (4 neighbours) become background. The edge of the image is no boundary.
 * Source: pre_process_3class.py of the baseline of the NeurIPS 2022 cell segmentation challenge (width 2), by the
 * authors of U-Mamba: skimage's find_boundaries (inner), binary_dilation (disk(1)), remove_small_objects (16).
 * ids (height, width) borrowed: 0 background, else the number of a cell; classes (height, width) written.
 * Fails: ERR_NOMEM. */
int boundary_classes(uint8_t *classes, const float *ids, int64_t height, int64_t width, int boundary_width, Err *e);

#endif
