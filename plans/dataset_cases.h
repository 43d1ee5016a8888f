/* DatasetCases: which cases a preprocessed folder is of (PREPROCESSED/cases.yaml).
 *
 * plan_and_preprocess writes it when all of them are preprocessed; train takes its cases from it, whatever
 * other files there are. dataset_cases_free takes it back. */
#ifndef PLANS_DATASET_CASES_H
#define PLANS_DATASET_CASES_H

#include "plans/name_list.h"

typedef struct DatasetCases {
    char *dataset;       /* the raw dataset's folder, absolute, when it was preprocessed; NULL: not known; owned */
    NameList present;    /* the dataset's cases, sorted */
    NameList removed;    /* those that it had once and has no more, sorted */
} DatasetCases;

/* Fails: ERR_IO where there is no such file, with what to do; ERR_FORMAT, ERR_NOMEM. */
int dataset_cases_read(DatasetCases *cases, const char *preprocessed, Err *e);
int dataset_cases_write(const DatasetCases *cases, const char *preprocessed, Err *e);
void dataset_cases_free(DatasetCases *cases);

#endif
