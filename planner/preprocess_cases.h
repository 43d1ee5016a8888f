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
    bool overwrite;     /* also what is up to date */
    int skipped;        /* written: cases that were up to date */
} PreprocessRun;

/* Writes every case that is not there yet, or was made from other files or by another plan. Memory:
 * `threads` cases at a time, and CASE_WRITER_BYTES of finished ones. Faults of cases are added to `faults`.
 * Fails: ERR_NOMEM, ERR_IO, ERR_VALUE, ERR_SHAPE. */
int preprocess_cases(PreprocessRun *run, int threads, Progress *progress, FaultList *faults, Err *e);

#endif
