/* Chooses the plan of a run.
 *
 * The first fold of a results folder makes the plan: that of the preprocessed folder, with the changes by the command line.
 * From then on RESULTS/plans.yaml is the plan of all folds. A later fold, or a continued run, needs no options: those that
 * are given must agree with it (a continued run may train more epochs). RESULTS/plans_preprocessed.yaml is a copy of the
 * preprocessed folder's plan, so that later changes of it are detected. */
#ifndef TRAINER_TRAINING_PLAN_H
#define TRAINER_TRAINING_PLAN_H

#include "trainer/run_folder.h"
#include "trainer/training.h"

typedef struct PlanChoice {
    Plan plan;
    Plan preprocessed; /* of the preprocessed folder, without the changes by the command line */
    bool is_bound;     /* the plan is that of RESULTS/plans.yaml: --minutes has no effect */
    bool goes_on;      /* bound to the run's own earlier plan, not to another fold's */
    Text notes;        /* lines for the user; text_free */
} PlanChoice;

/* Makes the plan; c is new, the caller frees its notes, on failure too. Fails: ERR_VALUE if options, recorded plan and
 * preprocessed folder do not agree, with the keys and both values; as plan_read and plan_check; ERR_IO, ERR_NOMEM. */
int training_plan_choose(PlanChoice *c, const TrainingOptions *o, const RunFolder *folder, Err *e);

/* The same without a results folder. */
int training_plan_alone(Plan *plan, const TrainingOptions *o, Err *e);

/* Writes RUN_RESULT_FILES into folder: RESULTS, or the folder of a run that replaces another. A bound plan is not written
 * again, except for the number of epochs of a continued run. Fails: ERR_IO, ERR_NOMEM. */
int training_plan_record(const PlanChoice *c, const TrainingOptions *o, const char *folder, Err *e);

/* Fails with ERR_VALUE and the keys if `plan`, RESULTS/plans.yaml, differs from the plan that a checkpoint was trained by
 * (trained_by, as plan_text; empty: not known), except for length and memory. */
int training_plan_check_checkpoint(const Plan *plan, const Text *trained_by, const char *path, const char *results,
                                   Err *e);

/* For a run that replaces the only fold of RESULTS: ERR_VALUE if meanwhile another fold was started with another plan. */
int training_plan_check_still_free(const Plan *plan, const RunFolder *folder, Err *e);

#endif
