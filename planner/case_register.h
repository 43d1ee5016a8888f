/* Which cases a preprocessed folder is of: the list (plans/dataset_cases.h), and no files of others. */
#ifndef PLANNER_CASE_REGISTER_H
#define PLANNER_CASE_REGISTER_H

#include "data/dataset.h"
#include "plans/dataset_cases.h"

/* The dataset's cases as they are now; removed: those that the folder's list had, and the dataset has no more.
 * dataset_cases_free takes it back. Fails: ERR_FORMAT, ERR_IO, ERR_NOMEM. */
int case_register_make(DatasetCases *cases, const Dataset *d, const char *preprocessed, Err *e);

/* Names that cannot stand side by side: CASE_seg.npy is the labels of CASE and would be the image of a case CASE_seg. */
void case_register_check(FaultList *faults, const Dataset *d);

/* Removes the files of cases that are not present from PREPROCESSED/2d and gt_segmentations; *gone: which, the
 * caller's. Other files stay. Fails: ERR_IO, ERR_NOMEM. */
int case_register_clean(NameList *gone, const DatasetCases *cases, const char *preprocessed, Err *e);

#endif
