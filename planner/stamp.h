/* Stamps: a short text that changes when what a result was made from changes. */
#ifndef PLANNER_STAMP_H
#define PLANNER_STAMP_H

#include "data/dataset.h"
#include "plans/plan.h"
#include "preprocess/case.h"

/* Of a preprocessed case: its files' sizes and times, the labels, and what the plan says on preprocessing. */
int stamp_of_case(char stamp[CASE_STAMP_BYTES], const Case *c, const DatasetInfo *info, const Plan *plan,
                  Err *e);

/* Of a fingerprint: the files of all cases, and the labels. */
int stamp_of_dataset(char stamp[CASE_STAMP_BYTES], const Dataset *d, Err *e);

#endif
