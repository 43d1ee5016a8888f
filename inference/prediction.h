/* Prediction: segments image files with one model or several, and writes a folder of label images.
 *
 * The work of the program predict, without its options. First everything is checked that does not need weights: models,
 * cases, existing outputs (OUT/predict.yaml, prediction_record.h). Then cases are predicted one by one; a case that fails
 * is reported once, and the others continue. Several models write their probabilities to OUT/model_1, OUT/model_2 …; the
 * labels follow from their mean. */
#ifndef INFERENCE_PREDICTION_H
#define INFERENCE_PREDICTION_H

#include "inference/configuration.h"
#include "inference/predictor.h"

typedef enum PredictionTell {
    TELL_NOTE, /* not printed with --quiet */
    TELL_WARNING,
    TELL_TABLE /* lines of a table, each with its newline */
} PredictionTell;

typedef struct PredictionOptions {
    const char *const *inputs; /* input_count folders and files */
    int input_count;
    const char *output; /* a folder, or an image if into_file; "": only explain */
    bool into_file;
    const char *overlay;        /* a folder for pictures of the cases (overlays.h), or NULL */
    PredictorOptions predictor; /* folds, progress and context are set by prediction_run, per model */
    bool save_probabilities, explain, overwrite, quiet;
    void (*tell)(PredictionTell kind, const char *text);
    void (*report)(const char *id, const Err *fault); /* called for a case that failed; the others continue */
} PredictionOptions;

/* Fails: before any case as model_source_open, inputs_list and output_folder_decide; ERR_VALUE at the end if some cases
 * failed. */
int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e);

#endif
