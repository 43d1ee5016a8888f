/* Choice: which post-processing helps on cases whose labels are known (nnU-Net's rule;
 * docs/reference.md, Post-processing).
 *
 * Only Dice decides: per structure the mean over the cases that have it, and the plain mean of those. A structure
 * that no case has counts nowhere (nnU-Net's mean is NaN then); what is compared is the mean over the same
 * structures. */
#ifndef INFERENCE_CHOICE_H
#define INFERENCE_CHOICE_H

#include <stdbool.h>

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

typedef struct DiceScore {
    double *mean;                /* (count structures) NaN where no case has it; owned */
    int count;
    double foreground_mean;      /* over the structures that have a mean; NaN without one */
} DiceScore;

/* The predictions' score once p is applied to them: new, the caller's (dice_score_free). Fails: as load;
 * ERR_NOMEM. */
int dice_score(DiceScore *score, const Structures *s, const LabelledCases *cases, const Postprocessing *p,
               Err *e);

void dice_score_free(DiceScore *score);

/* Whether a structure has a mean in all scores; those by which they can be compared. */
bool dice_score_common(const DiceScore *const *scores, int count, int structure);

/* The mean over the structures that have a mean in all scores; one of them is `of`. NaN without such a
 * structure. */
double dice_score_mean(const DiceScore *of, const DiceScore *const *scores, int count);

/* The steps that help: all labels together, if the foreground mean grows and no structure loses; then each
 * structure, if there are several and its mean grows. p is new, the caller's; score is with it. Fails as
 * dice_score. */
int postprocessing_choose(Postprocessing *p, DiceScore *score, const Structures *s,
                          const LabelledCases *cases, Err *e);

#endif
