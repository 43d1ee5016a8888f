/* Which plan a run follows: the preprocessed folder's with what the command line changes, or, where a
 * run goes on, the one that its results recorded. */
#ifndef TRAINER_TRAINING_PLAN_H
#define TRAINER_TRAINING_PLAN_H

#include "trainer/run_folder.h"
#include "trainer/training.h"

/* Makes the plan, writes RESULTS/plans.yaml and copies dataset.json. A run that goes on, and folds that
 * share one results folder, must follow the same plan but for the number of epochs. Fails: ERR_VALUE
 * where they do not; as plan_read and plan_check; ERR_IO, ERR_NOMEM. */
int training_plan_make(Plan *plan, const TrainingOptions *o, const RunFolder *folder, Err *e);

#endif
