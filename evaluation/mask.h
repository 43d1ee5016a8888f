/* Masks: a structure's voxels within a box of a label map. */
#ifndef EVALUATION_MASK_H
#define EVALUATION_MASK_H

#include <stdint.h>

#include "base/error.h"
#include "evaluation/overlap.h"
#include "evaluation/structures.h"

/* A reference and a predicted label map (Z,Y,X) on one grid; borrowed. */
typedef struct LabelPair {
    const int16_t *reference, *prediction;
    int64_t shape_zyx[3];
    double spacing_zyx_mm[3];
} LabelPair;

/* Both masks of a structure within a box, 0 or 1; owned until masks_free. */
typedef struct Masks {
    uint8_t *reference, *prediction;
    int64_t shape_zyx[3]; /* of the box */
} Masks;

/* ignore: the label of the reference whose voxels belong to neither mask, or NULL. Fails: ERR_NOMEM. */
int masks_cut(Masks *m, const LabelPair *pair, const Structure *structure, const int16_t *ignore, const Box *box,
              Err *e);
void masks_free(Masks *m);

#endif
