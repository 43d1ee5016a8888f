/* Which plan a run follows.
 *
 * The first fold of a results folder makes it: the preprocessed folder's plan with what the command line changes. From
 * then on RESULTS/plans.yaml is the plan of all its folds. A later fold, and a run that goes on, need no options again:
 * those that are given must agree with it (a run that goes on may train more epochs). RESULTS/plans_preprocessed.yaml
 * is the preprocessed folder's plan as it was then: a later change there is not passed over. */
#ifndef TRAINER_TRAINING_PLAN_H
#define TRAINER_TRAINING_PLAN_H

#include "trainer/run_folder.h"
#include "trainer/training.h"

typedef struct PlanChoice {
    Plan plan;
    Plan preprocessed;   /* of the preprocessed folder, without what the command line changes */
    bool is_bound;       /* to RESULTS/plans.yaml: minutes then count no more */
    bool goes_on;        /* as a run that is bound to its own earlier plan, not to another fold's */
    Text notes;          /* for the user, a line each; text_free */
} PlanChoice;

/* Makes the plan; c is new, the caller frees its notes, on failure too. Fails: ERR_VALUE where options, the recorded
 * plan and the preprocessed folder do not agree, with the keys and both values; as plan_read and plan_check; ERR_IO,
 * ERR_NOMEM. */
int training_plan_choose(PlanChoice *c, const TrainingOptions *o, const RunFolder *folder, Err *e);

/* The same for a run of its own, without any results folder. */
int training_plan_alone(Plan *plan, const TrainingOptions *o, Err *e);

/* Writes what a results folder keeps (RUN_RESULT_FILES) into folder: RESULTS, or where a run that replaces another
 * writes first. What is bound stays, but for the number of epochs of a run that goes on. Fails: ERR_IO, ERR_NOMEM. */
int training_plan_record(const PlanChoice *c, const TrainingOptions *o, const char *folder, Err *e);

/* A checkpoint of the results which was trained by this plan (text, as plan_text; empty: not known): ERR_VALUE with the
 * keys where RESULTS/plans.yaml, `plan`, is another one now, but for length and memory. */
int training_plan_check_checkpoint(const Plan *plan, const Text *trained_by, const char *path, const char *results,
                                   Err *e);

/* A run that was to replace the only fold of RESULTS: ERR_VALUE if meanwhile another fold has begun by another plan. */
int training_plan_check_still_free(const Plan *plan, const RunFolder *folder, Err *e);

#endif
