/* The cases of a preprocessed folder: their list (plans/dataset_cases.h), and removal of files of other cases. */
#ifndef PLANNER_CASE_REGISTER_H
#define PLANNER_CASE_REGISTER_H

#include "data/dataset.h"
#include "plans/dataset_cases.h"

/* Lists the present cases of the dataset, and as `removed` those of the folder's list that are no longer in the dataset.
 * Free by dataset_cases_free. Fails: ERR_FORMAT, ERR_IO, ERR_NOMEM. */
int case_register_make(DatasetCases *cases, const Dataset *d, const char *preprocessed, Err *e);

/* Adds an error for ids whose files would have the same name: CASE_seg.npy holds the labels of CASE and would also be
 * the image of a case CASE_seg. */
void case_register_check(FaultList *faults, const Dataset *d);

/* Removes the files of cases that are not present from PREPROCESSED/2d and gt_segmentations. *gone: ids of those cases,
 * owned by the caller. Other files are kept. Fails: ERR_IO, ERR_NOMEM. */
int case_register_clean(NameList *gone, const DatasetCases *cases, const char *preprocessed, Err *e);

#endif
