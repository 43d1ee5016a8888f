/* Preprocessing of all training cases into PREPROCESSED/2d. */
#ifndef PLANNER_PREPROCESS_CASES_H
#define PLANNER_PREPROCESS_CASES_H

#include "base/progress.h"
#include "data/dataset.h"
#include "planner/origins.h"
#include "plans/plan.h"

typedef struct PreprocessRun {
    const Dataset *dataset;
    const Origins *origins; /* of the dataset */
    const Plan *plan;
    const char *folder; /* exists */
    bool overwrite;     /* process also cases that are up to date */
    int skipped;        /* result: number of cases that were up to date */
} PreprocessRun;

/* Preprocesses every case that does not exist yet, or was made from other files or by another plan. Memory: `threads`
 * cases at a time, and CASE_WRITER_BYTES of finished ones. Faults of cases are added to `faults`. Fails: ERR_NOMEM,
 * ERR_IO, ERR_VALUE, ERR_SHAPE. */
int preprocess_cases(PreprocessRun *run, int threads, Progress *progress, FaultList *faults, Err *e);

#endif
