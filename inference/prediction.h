/* Prediction: images from files through one model or several, into a folder of label images.
 *
 * What the program predict does, without its options. First everything that can be known without reading weights:
 * models, cases, what is in the output folder already (OUT/predict.yaml, prediction_record.h). Then case by case; a
 * bad one is told of once and the others go on. Of several models each leaves its probabilities in OUT/model_1,
 * OUT/model_2 …; their mean decides. */
#ifndef INFERENCE_PREDICTION_H
#define INFERENCE_PREDICTION_H

#include "inference/configuration.h"
#include "inference/predictor.h"

typedef enum PredictionTell {
    TELL_NOTE,      /* not with --quiet */
    TELL_WARNING,
    TELL_TABLE      /* lines of a table, each with its end */
} PredictionTell;

typedef struct PredictionOptions {
    const char *const *inputs;     /* input_count folders and files */
    int input_count;
    const char *output;            /* a folder, or with into_file an image; "": only explain */
    bool into_file;
    PredictorOptions predictor;    /* its folds, progress and context are set here, per model */
    bool save_probabilities, explain, overwrite, quiet;
    void (*tell)(PredictionTell kind, const char *text);
    void (*report)(const char *id, const Err *fault);   /* of a case that failed; the rest goes on */
} PredictionOptions;

/* Fails: ERR_VALUE at the end where some cases failed; before any case as model_source_open, inputs_list and
 * output_folder_decide. */
int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e);

#endif
