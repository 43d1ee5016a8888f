/* DatasetCases: the cases of a preprocessed folder (PREPROCESSED/cases.yaml).
 *
 * plan_and_preprocess writes it when all of them are preprocessed; train takes its cases from it, not from the
 * files in the folder. Freed with dataset_cases_free. */
#ifndef PLANS_DATASET_CASES_H
#define PLANS_DATASET_CASES_H

#include "plans/name_list.h"

typedef struct DatasetCases {
    char *dataset;    /* absolute path of the raw dataset; NULL: not known; owned */
    char *options;    /* of the last plan_and_preprocess that decide the plan, quoted for a shell; NULL: none; owned */
    NameList present; /* the dataset's cases, sorted */
    NameList removed; /* cases that the dataset had in earlier runs and has no longer, sorted */
} DatasetCases;

/* Fails: ERR_IO where there is no such file, and says what to do; ERR_FORMAT, ERR_NOMEM. */
int dataset_cases_read(DatasetCases *cases, const char *preprocessed, Err *e);
int dataset_cases_write(const DatasetCases *cases, const char *preprocessed, Err *e);
void dataset_cases_free(DatasetCases *cases);

#endif
