/* MaskRuns: the runs of equal voxels along the rows of a mask, joined to components by union-find.
 *
 * The runs of a component form a tree, whose root is its earliest run. Run 0 is no run of the mask: it has no voxels
 * and is earlier than all others (data/components.c leaves it alone; preprocess/crop.c joins what is outside with it).
 *   MaskRuns r;
 *   TRY(mask_runs_new(&r, mask, shape_zyx, 1, e));
 *   … mask_runs_join_rows(&r, row, row - 1, 0); … mask_runs_root(&r, i) …
 *   mask_runs_free(&r); */
#ifndef DATA_MASK_RUNS_H
#define DATA_MASK_RUNS_H

#include <stdint.h>

#include "base/error.h"

typedef struct MaskRun {
    int32_t first, past; /* along x; past excluded */
    int64_t parent;      /* index of a run that is not later; itself in a root */
} MaskRun;

typedef struct MaskRuns {
    MaskRun *runs;       /* (count), by row, then by x; owned */
    int64_t *row_first;  /* (rows + 1): the first run of each row; owned */
    int64_t count, rows; /* run 0 included; row (z,y) is z * height + y */
} MaskRuns;

/* Finds the runs of ones (value 1) or of zeros (value 0) in a mask (Z,Y,X) of ones and zeros; each is its own root.
 * Fails, with nothing owned: ERR_UNSUPPORTED for rows of 2^31 voxels and more; ERR_NOMEM. */
int mask_runs_new(MaskRuns *r, const uint8_t *mask, const int64_t shape_zyx[3], uint8_t value, Err *e);
void mask_runs_free(MaskRuns *r);

int64_t mask_runs_root(MaskRuns *r, int64_t run);
void mask_runs_join(MaskRuns *r, int64_t a, int64_t b);

/* Joins runs of two rows that touch. reach 0: they share an x; 1: diagonal neighbours touch as well. */
void mask_runs_join_rows(MaskRuns *r, int64_t row, int64_t other, int reach);

/* Upper bound of the memory that a MaskRuns of any mask of that shape needs, in bytes. */
int64_t mask_runs_bytes(const int64_t shape_zyx[3]);

#endif
