/* Preprocessing of all training cases into PREPROCESSED/2d. */
#ifndef PLANNER_PREPROCESS_CASES_H
#define PLANNER_PREPROCESS_CASES_H

#include "base/processes.h"
#include "base/progress.h"
#include "base/text.h"
#include "data/dataset.h"
#include "planner/origins.h"
#include "plans/plan.h"

typedef struct PreprocessRun {
    const Dataset *dataset;
    const Origins *origins; /* of the dataset; NULL: found for each case */
    const Plan *plan;
    const char *folder; /* exists */
    bool overwrite;     /* process also cases that are up to date */
    int skipped;        /* result: number of cases that were up to date */
} PreprocessRun;

/* Preprocesses every case that does not exist yet, or was made from other files or by another plan. Memory: `threads`
 * cases at a time, and CASE_WRITER_BYTES of finished ones. world: as CaseShare; the others read the plan from the file. Faults of cases are added to `faults`. Fails: ERR_NOMEM,
 * ERR_IO, ERR_VALUE, ERR_SHAPE. */
int preprocess_cases(PreprocessRun *run, int threads, const Process *world, Progress *progress, FaultList *faults,
                     Err *e);

/* The part of another process (planning_share.h), by the plan in the preprocessed folder. preprocess_part_case: from any thread; the result
 * is for rank 0. preprocess_part_end waits for the writing, and frees. Fail: as plan_read, preprocess_cases. */
typedef struct PreprocessPart PreprocessPart;
int preprocess_part_new(PreprocessPart **part, const Dataset *d, const char *preprocessed, const char *parameters,
                        size_t bytes, Err *e);
int preprocess_part_case(PreprocessPart *part, int index, Text *result, Err *e);
int preprocess_part_end(PreprocessPart *part, Text *result, Err *e);

#endif
