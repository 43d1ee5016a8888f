/* Checks that preprocessed cases were made by a plan: by the record in CASE.yaml, not by file times. */
#ifndef TRAINER_CASE_CHECK_H
#define TRAINER_CASE_CHECK_H

#include "plans/dataset_json.h"
#include "plans/plan.h"
#include "preprocess/case.h"
#include "trainer/case_set.h"

typedef struct CaseCheck {
    const char *preprocessed; /* the folder with plans.yaml and 2d/ */
    const Plan *plan;         /* of the run */
    const DatasetInfo *info;
    const char *override; /* file of plan keys that changed the preprocessed folder's plan; or NULL */
    const char *results;  /* folder whose plans.yaml is the plan, if it is not that of `preprocessed`; or NULL */
} CaseCheck;

/* Fails unless each case was made by the plan and for the labels of dataset.json (preprocess/case_settings.h). names
 * (count) borrowed. Fails: ERR_VALUE with the keys that differ, both values, and the command to type; ERR_IO if CASE.yaml
 * is missing; ERR_FORMAT, ERR_NOMEM. */
int case_check_names(const CaseCheck *check, char *const *names, int count, Err *e);

/* The same, and checks that each array of the set was written together with its CASE.yaml. contents: for each case the
 * hashes of the files it was made from are added, with the case's name as key; existing keys are kept. */
int case_check_set(const CaseCheck *check, const CaseSet *set, MadeFrom *contents, Err *e);

/* Maps PREPROCESSED/2d/NAME.npy and reads its properties. image: owned by the caller (array_free). Fails: as
 * case_properties_read and npy_read; ERR_SHAPE, ERR_VALUE if the two were not written together. */
int case_check_read(Array *image, CaseProperties *properties, const CaseCheck *check, const char *name, Err *e);

#endif
