/* PredictionCases: the cases of a prediction and the state of each (part of inference/prediction.c).
 *
 * `PredictionCases c`; prediction_cases_new … prediction_cases_free. */
#ifndef INFERENCE_PREDICTION_CASES_H
#define INFERENCE_PREDICTION_CASES_H

#include "base/hash.h"
#include "inference/inputs.h"
#include "inference/prediction_record_file.h"

typedef enum CaseFate {
    CASE_WANTED,
    CASE_KEPT,   /* its output exists already */
    CASE_FAILED, /* reported; skipped by all later steps, so that it is counted once */
    CASE_LATER,  /* of a watched folder: left to a later round */
    CASE_PAST    /* of a watched folder: failed in an earlier run, and nothing has changed since */
} CaseFate;

typedef struct PredictionCases {
    InputList inputs;
    RecordTexts *orientations; /* with a warning already: only the first case of each gets one; borrowed */
    CaseFate *fates;           /* of inputs.cases[i]; owned, as all below */
    bool *renewed;             /* it was reported that the case is predicted again: once for several models */
    RecordedFiles *hashes;     /* of the case's files, after the first prediction_cases_inputs */
} PredictionCases;

/* inputs: moved, empty afterwards, also on failure. Fails: ERR_NOMEM. */
int prediction_cases_new(PredictionCases *c, InputList *inputs, RecordTexts *orientations, Err *e);
void prediction_cases_free(PredictionCases *c);
/* The names of all cases (base/crew.h), the wanted ones and others. */
void prediction_cases_hash(char hash[HASH_BYTES], const PredictionCases *c);
int prediction_cases_count(const PredictionCases *c, CaseFate fate);

/* Lists names and content hashes of a case's files: a new list, owned by the caller. The files are read only by the first
 * call. Fails: ERR_IO, ERR_NOMEM. */
int prediction_cases_inputs(MadeFrom *inputs, PredictionCases *c, int index, Err *e);

/* Finds outputs that would replace a file of an input image of any case. Made once for many paths. */
typedef struct InputPlaces {
    struct InputPlace *places; /* sorted; owned */
    int count;
} InputPlaces;

int input_places_new(InputPlaces *p, const PredictionCases *c, Err *e);
bool input_places_have(const InputPlaces *p, const char *path);
void input_places_free(InputPlaces *p);

#endif
