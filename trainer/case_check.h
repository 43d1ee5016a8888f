/* Whether preprocessed cases are those that a plan makes: by what their CASE.yaml says, not by times. */
#ifndef TRAINER_CASE_CHECK_H
#define TRAINER_CASE_CHECK_H

#include "plans/dataset_json.h"
#include "plans/plan.h"
#include "preprocess/case.h"
#include "trainer/case_set.h"

typedef struct CaseCheck {
    const char *preprocessed;    /* the folder of plans.yaml and 2d/ */
    const Plan *plan;            /* of the run */
    const DatasetInfo *info;
    const char *override;        /* file of plan keys that changed the preprocessed folder's plan; or NULL */
    const char *results;         /* folder whose plans.yaml is the plan, where it is not the preprocessed one's; or NULL */
} CaseCheck;

/* Each case must have been made by the plan and the labels of dataset.json (preprocess/case_settings.h).
 * names (count) borrowed. Fails: ERR_VALUE with the keys that differ, both values, and what to type; ERR_IO where
 * CASE.yaml is missing; ERR_FORMAT, ERR_NOMEM. */
int case_check_names(const CaseCheck *check, char *const *names, int count, Err *e);

/* The same, and that each of the set's arrays is the one that was written with its CASE.yaml. contents: gets for each
 * case from what files it was made, by content, under the case's name; a case that is there already is passed over. */
int case_check_set(const CaseCheck *check, const CaseSet *set, MadeFrom *contents, Err *e);

/* PREPROCESSED/2d/NAME.npy with its properties, for one case: mapped, the caller's (array_free). Fails: as
 * case_properties_read and npy_read; ERR_SHAPE, ERR_VALUE where the two were not written together. */
int case_check_read(Array *image, CaseProperties *properties, const CaseCheck *check, const char *name, Err *e);

#endif
