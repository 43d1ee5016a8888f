/* PredictOptions: the options of the program predict (part of inference/predict.c): their list, their parsing and the checks
 * that need no file of the model. Wrong usage ends the program with status 2, as argp does. */
#ifndef INFERENCE_PREDICT_OPTIONS_H
#define INFERENCE_PREDICT_OPTIONS_H

#include "base/program.h"
#include "inference/folds.h"
#include "inference/prediction.h"
#include "inference/series_images.h"
#include "inference/watch.h"

typedef struct PredictOptions {
    CommonOptions common;
    const char **inputs; /* prediction.input_count paths; room for as many as there are arguments */
    const char *model;   /* a results folder, or inference.yaml */
    const char *postprocessing;
    WatchOptions watch; /* folder NULL: the inputs are predicted once */
    FoldList folds;
    PredictionOptions prediction;
    const char **choices; /* of --series; room as inputs */
    SeriesSource series;
    bool is_series;    /* the inputs are DICOM */
    bool writes_dicom; /* the output is a DICOM-SEG file */
    Err fault;         /* a path could not be looked at; the program ends with it (status 1) */
} PredictOptions;

extern const struct argp_option predict_option_list[];
extern const Habit predict_habits[];

/* Of argp, with a PredictOptions as the input. */
error_t predict_parse_option(int key, char *text, struct argp_state *state);

#endif
