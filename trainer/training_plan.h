/* Which plan a run follows: the preprocessed folder's with what the command line changes, or, where a
 * run goes on, the one that its results recorded. */
#ifndef TRAINER_TRAINING_PLAN_H
#define TRAINER_TRAINING_PLAN_H

#include "trainer/run_folder.h"
#include "trainer/training.h"

/* Makes the plan. A run that goes on, and folds that share one results folder, must follow the same plan
 * but for the number of epochs; is_bound tells that there is such a plan: minutes then count no more.
 * Fails: ERR_VALUE where they do not; as plan_read and plan_check; ERR_IO, ERR_NOMEM. */
int training_plan_make(Plan *plan, bool *is_bound, const TrainingOptions *o, const RunFolder *folder, Err *e);

/* Writes RESULTS/plans.yaml and copies dataset.json beside it. Fails: ERR_IO, ERR_NOMEM. */
int training_plan_record(const Plan *plan, const TrainingOptions *o, Err *e);

#endif
