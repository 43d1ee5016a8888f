/* Choice: which post-processing helps on cases whose labels are known (nnU-Net's rule; FACTS section 13).
 *
 * Only Dice decides: per structure the mean over the cases that have it, and the plain mean of those. */
#ifndef INFERENCE_CHOICE_H
#define INFERENCE_CHOICE_H

#include "base/array.h"
#include "base/error.h"
#include "evaluation/structures.h"
#include "inference/postprocess.h"

/* Where the cases come from: load gives two new int16 arrays (Z,Y,X) of one shape, the caller's; it is called
 * from several threads. */
typedef struct LabelledCases {
    int count;
    int (*load)(void *context, int index, Array *reference, Array *prediction, Err *e);
    void *context;
} LabelledCases;

enum { CHOICE_STRUCTURES = 1024 };

typedef struct DiceScore {
    double mean[CHOICE_STRUCTURES];   /* per structure; NaN where no case has it */
    double foreground_mean;           /* NaN if a structure's is */
} DiceScore;

/* The predictions' score once p is applied to them. Fails: as load; ERR_VALUE for more structures than
 * CHOICE_STRUCTURES; ERR_NOMEM. */
int dice_score(DiceScore *score, const Structures *s, const LabelledCases *cases, const Postprocessing *p,
               Err *e);

/* The steps that help: all labels together, if the foreground mean grows and no structure loses; then each
 * structure, if there are several and its mean grows. p is new, the caller's; score is with it. Fails as
 * dice_score. */
int postprocessing_choose(Postprocessing *p, DiceScore *score, const Structures *s,
                          const LabelledCases *cases, Err *e);

#endif
