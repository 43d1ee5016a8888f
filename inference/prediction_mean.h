/* PredictionMean: the labels of several models by the mean of their probabilities (part of inference/prediction.c). */
#ifndef INFERENCE_PREDICTION_MEAN_H
#define INFERENCE_PREDICTION_MEAN_H

#include "inference/output_folder.h"
#include "inference/prediction.h"
#include "inference/prediction_cases.h"

typedef struct PredictionMean {
    const PredictionOptions *o;
    PredictionCases *cases; /* the wanted ones were predicted by every model */
    OutputFolder *output;
    const char *const *folders; /* folder_count, with each model's probabilities */
    int folder_count;
    const Postprocessing *postprocessing;
} PredictionMean;

/* A case that fails is reported and recorded, and the others continue. Fails: as dataset_info_read; ERR_NOMEM. */
int prediction_mean_run(const PredictionMean *mean, Err *e);

#endif
