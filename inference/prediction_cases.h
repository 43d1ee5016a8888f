/* PredictionCases: the cases of a prediction and how far each has come (part of inference/prediction.c).
 *
 * `PredictionCases c`; prediction_cases_list … prediction_cases_free. */
#ifndef INFERENCE_PREDICTION_CASES_H
#define INFERENCE_PREDICTION_CASES_H

#include "inference/inputs.h"
#include "inference/prediction_record_file.h"

typedef enum CaseFate {
    CASE_WANTED,
    CASE_KEPT,       /* its output is there already */
    CASE_FAILED      /* told of; every later step passes it over, so that it counts once */
} CaseFate;

typedef struct PredictionCases {
    InputList inputs;
    CaseFate *fates;          /* of inputs.cases[i]; owned, as all below */
    RecordTexts orientations; /* codes that were told not to be those of training: of each the first case is told */
    bool *renewed;            /* told that it is made anew: in the folders of several models that is said once */
    RecordedFiles *hashes;    /* of the case's files, once prediction_cases_inputs was asked */
} PredictionCases;

/* As inputs_list. */
int prediction_cases_list(PredictionCases *c, const char *const *paths, int count, const DatasetInfo *info, Err *e);
void prediction_cases_free(PredictionCases *c);
int prediction_cases_count(const PredictionCases *c, CaseFate fate);

/* The names and contents of a case's files: a new list, the caller's. The files are read for the first call only.
 * Fails: ERR_IO, ERR_NOMEM. */
int prediction_cases_inputs(MadeFrom *inputs, PredictionCases *c, int index, Err *e);

/* Finds outputs that would replace a file of an image of any case. One asks it about many paths. */
typedef struct InputPlaces {
    struct InputPlace *places;    /* sorted; owned */
    int count;
} InputPlaces;

int input_places_new(InputPlaces *p, const PredictionCases *c, Err *e);
bool input_places_have(const InputPlaces *p, const char *path);
void input_places_free(InputPlaces *p);

#endif
