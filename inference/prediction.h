/* Prediction: segments image files with one model or several, and writes a folder of label images.
 *
 * The work of the program predict, without its options. First everything is checked that does not need weights: models,
 * cases, existing outputs (OUT/predict.yaml, prediction_record.h). Then cases are predicted one by one; a case that fails
 * is reported once, and the others continue. Several models write their probabilities to OUT/model_1, OUT/model_2 …; the
 * labels follow from their mean. */
#ifndef INFERENCE_PREDICTION_H
#define INFERENCE_PREDICTION_H

#include "base/processes.h"
#include "inference/configuration.h"
#include "inference/inputs.h"
#include "inference/predictor.h"

typedef enum PredictionTell {
    TELL_NOTE, /* not printed with --quiet */
    TELL_WARNING,
    TELL_TABLE /* lines of a table, each with its newline */
} PredictionTell;

/* What a folder that is watched needs besides (inference/watch.c). The functions are called with a case of the round. */
typedef struct PredictionWatch {
    bool is_first;                                                 /* round since the start */
    bool (*begins)(void *context, const Case *c);                  /* false: left to a later round */
    bool (*fails)(void *context, const Case *c, const Err *fault); /* false: no failure yet; left to a later round */
    void (*done)(void *context, const Case *c);                    /* its labels are written and recorded */
    void (*later)(void *context, const Case *c); /* at the end of the round: it was left to a later one */
    void *context;
} PredictionWatch;

typedef struct PredictionOptions {
    const char *const *inputs; /* input_count folders and files */
    int input_count;
    const char *output; /* a folder, or an image if into_file; "": only explain */
    bool into_file;
    const char *overlay;        /* a folder for pictures of the cases (overlays.h), or NULL */
    PredictorOptions predictor; /* folds, progress and context are set by prediction_run, per model */
    bool save_probabilities, explain, overwrite, quiet;
    void (*tell)(void *context, PredictionTell kind, const char *text);
    void (*report)(void *context, const char *id,
                   const Err *fault); /* called for a case that failed; the others continue */
    bool (*stops)(void *context); /* true: no further case is begun; asked also while one is predicted. NULL: never */
    void *context;                /* of these three */
    const Process *world; /* whose processes share the cases of a folder (base/world.h); NULL: this one is alone */
    const PredictionWatch *watch; /* NULL: the inputs are listed once */
} PredictionOptions;

/* Fails: before any case as model_source_open, inputs_list and output_folder_decide; ERR_VALUE at the end if some cases
 * failed. */
int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e);

/* The same in rounds, with the weights loaded once:
 *   Prediction *p;
 *   prediction_open(&p, o, c, e);
 *   inputs_list_names(&list, folder, &names, prediction_dataset(p), e); prediction_round(p, &list, e); …
 *   prediction_close(p);
 * o and c are borrowed until prediction_close. Fails: as prediction_run, without those of cases. */
typedef struct Prediction Prediction;
int prediction_open(Prediction **p, const PredictionOptions *o, const Configuration *c, Err *e);
const DatasetInfo *prediction_dataset(const Prediction *p);

/* inputs: moved, empty afterwards, also on failure. */
int prediction_round(Prediction *p, InputList *inputs, Err *e);
void prediction_close(Prediction *p);

#endif
