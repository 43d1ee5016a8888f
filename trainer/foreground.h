/* ForegroundIndex: where a case shows which label, so that a patch can be centred on a voxel drawn
 * uniformly among all of a class — without a list of voxels: counts per slice say in which slice the
 * n-th voxel lies, and one look through that slice finds it.
 *
 * foreground_index_new … foreground_index_free; the labels are borrowed by each call. Then immutable,
 * and may be shared by threads. */
#ifndef TRAINER_FOREGROUND_H
#define TRAINER_FOREGROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { FOREGROUND_MAX_LABEL = 1023 };

/* A label, or a region: the union of several. Its own values are borrowed. */
typedef struct ForegroundClass {
    const int *values;     /* -1 … FOREGROUND_MAX_LABEL */
    int value_count;
} ForegroundClass;

typedef struct ForegroundIndex {
    int64_t shape_zyx[3];
    int value_count;       /* label values -1 … value_count - 2 are counted */
    uint32_t *counts;      /* (slices, value_count); owned */
} ForegroundIndex;

/* labels (Z,Y,X). Fails: ERR_VALUE for a label outside -1 … FOREGROUND_MAX_LABEL; ERR_NOMEM. */
int foreground_index_new(ForegroundIndex *index, const int16_t *labels, const int64_t shape_zyx[3], Err *e);
void foreground_index_free(ForegroundIndex *index);

/* Voxels of a class in the whole case. */
int64_t foreground_count(const ForegroundIndex *index, const ForegroundClass *c);

/* The rank-th voxel of a class in C order, 0 <= rank < foreground_count. */
void foreground_voxel(const ForegroundIndex *index, const int16_t *labels, const ForegroundClass *c, int64_t rank,
                      int64_t voxel_zyx[3]);

#endif
