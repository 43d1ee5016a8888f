/* Prediction: images from files through one model or several, into a folder of label images.
 *
 * What the program predict does, without its options: lists the cases, opens the models, predicts case by
 * case. A bad case is told of and the others go on. Of several models each leaves its probabilities in
 * OUT/model_1, OUT/model_2 …; their mean decides. */
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
    const char *output;            /* a folder; "": only explain */
    PredictorOptions predictor;    /* its folds, progress and context are set here, per model */
    bool save_probabilities, explain, overwrite, quiet;
    void (*tell)(PredictionTell kind, const char *text);
    void (*report)(const char *id, const Err *fault);   /* of a case that failed; the rest goes on */
} PredictionOptions;

/* Fails: ERR_VALUE at the end where some cases failed; before any case as predictor_open and for a list of
 * cases that cannot be made. */
int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e);

#endif
