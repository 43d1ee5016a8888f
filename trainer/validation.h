/* Validation at the end of a training: its validation cases (split_record.h), predicted whole with the final
 * weights by the sliding window, into FOLDER/validation, and compared with their labels there. */
#ifndef TRAINER_VALIDATION_H
#define TRAINER_VALIDATION_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "network/device/device.h"
#include "plans/fold_cases.h"

typedef struct ValidationOptions {
    const char *preprocessed, *results;
    int fold;                       /* SPLITS_FOLD_ALL for `all` */
    const Device *device;           /* where to compute; NULL: the CPU */
    DType precision;                /* of the network's arithmetic (network/executor/precision.h) */
    bool save_probabilities;        /* CASE.npy and CASE.yaml too (inference/probabilities.h) */
    void (*begin)(void *context, const FoldCases *cases); /* tells which cases; may be NULL */
    void (*progress)(void *context, int done, int total, const char *case_name); /* may be NULL */
    int (*interrupted)(void);       /* not 0: stop after this case; NULL: never */
    void *context;
} ValidationOptions;

/* What must be said of fold `all`, on the terminal, in the log and in summary.json. */
#define VALIDATION_OF_ALL \
    "fold all is validated on the cases that it was trained on: the scores say nothing about other images"

typedef struct ValidationResult {
    double mean_dice;               /* of the foreground */
    int cases, kept;                /* kept: predictions that the very same weights had made before */
} ValidationResult;

/* Writes RESULTS/fold_F/validation/CASE + ending, and summary.json by nnU-Net's rules. References are those of
 * PREPROCESSED/gt_segmentations. predict.yaml there (inference/prediction_record.h) says from what each prediction
 * was made: one that stands there already is kept only if these very weights made it from this very case, by
 * content; whatever else is there is made anew, and predictions of cases that the fold no longer has are removed.
 * Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM; ERR_VALUE, also where another run is writing into the fold's folder or the
 * preprocessed cases are not of the weights' plan (case_check.h); ERR_INTERRUPTED. */
int validation_run(const ValidationOptions *o, ValidationResult *result, Err *e);

#endif
