/* Validation at the end of a training: predicts the whole validation cases (split_record.h) with the final weights by the
 * sliding window, writes them to FOLDER/validation, and scores them against their labels. */
#ifndef TRAINER_VALIDATION_H
#define TRAINER_VALIDATION_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "network/device/device.h"
#include "plans/fold_cases.h"

typedef struct ValidationOptions {
    const char *preprocessed, *results;
    int fold;                /* SPLITS_FOLD_ALL for `all` */
    const Device *device;    /* that computes; NULL: the CPU */
    const char *precision;   /* fp32 or bf16 (network/executor/precision.h); NULL: that of RESULTS/plans.yaml */
    bool save_probabilities; /* write CASE.npy and CASE.yaml too (inference/probabilities.h) */
    void (*begin)(void *context, const FoldCases *cases); /* called with the cases; may be NULL */
    void (*progress)(void *context, int done, int total, const char *case_name); /* may be NULL */
    int (*interrupted)(void); /* returns not 0 to stop after this case; may be NULL */
    void *context;
} ValidationOptions;

/* A warning for fold `all`: on the terminal, in the log and in summary.json. */
#define VALIDATION_OF_ALL \
    "fold all is validated on the cases that it was trained on: the scores are not valid for other images"

typedef struct ValidationResult {
    double mean_dice; /* of the foreground */
    int cases, kept;  /* kept: predictions that the same weights had made before */
} ValidationResult;

/* Writes RESULTS/fold_F/validation/CASE + ending, and summary.json by nnU-Net's rules. References are those of
 * PREPROCESSED/gt_segmentations. predict.yaml there (inference/prediction_record.h) records the inputs of each prediction by
 * content: an existing one is kept only if the same weights made it from the same case. Others are predicted again, and
 * predictions of cases that are no longer in the fold are removed. Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM; ERR_VALUE, also if
 * another run is writing to the fold's folder, or the preprocessed cases were not made by the weights' plan (case_check.h);
 * ERR_INTERRUPTED. */
int validation_run(const ValidationOptions *o, ValidationResult *result, Err *e);

#endif
