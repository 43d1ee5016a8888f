/* Choice: chooses the post-processing that improves Dice on cases with known labels (nnU-Net's rule;
 * docs/reference.md, Post-processing).
 *
 * The score is the Dice of each structure, averaged over the cases that have it, and the mean of these over structures.
 * A structure that no case has is left out (nnU-Net's mean is NaN then). Scores are compared by the mean over the same
 * structures. */
#ifndef INFERENCE_CHOICE_H
#define INFERENCE_CHOICE_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "evaluation/structures.h"
#include "inference/postprocess.h"

/* Source of cases: load makes two new int16 arrays (Z,Y,X) of equal shape, owned by the caller; it is called from several
 * threads. */
typedef struct LabelledCases {
    int count;
    int (*load)(void *context, int index, Array *reference, Array *prediction, Err *e);
    void *context;
} LabelledCases;

typedef struct DiceScore {
    double *mean; /* (count) per structure; NaN if no case has it; owned */
    int count;
    double foreground_mean; /* over the structures that have a mean; NaN without one */
} DiceScore;

/* Scores the predictions after post-processing by p. score: new, owned by the caller (dice_score_free). Fails: as load;
 * ERR_NOMEM. */
int dice_score(DiceScore *score, const Structures *s, const LabelledCases *cases, const Postprocessing *p, Err *e);

void dice_score_free(DiceScore *score);

/* Whether a structure has a mean in all scores; only such structures can be compared. */
bool dice_score_common(const DiceScore *const *scores, int count, int structure);

/* The mean of `of`, which must be among scores, over the structures that have a mean in all scores. NaN if there is no
 * such structure. */
double dice_score_mean(const DiceScore *of, const DiceScore *const *scores, int count);

/* Chooses the steps that help: first all labels together, if the foreground mean increases and that of no structure
 * decreases; then each structure, if there are several and its mean increases. p: new, owned by the caller; score: with
 * p. Fails: as dice_score. */
int postprocessing_choose(Postprocessing *p, DiceScore *score, const Structures *s, const LabelledCases *cases, Err *e);

#endif
