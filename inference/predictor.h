/* Predictor: opens a results folder, segments volumes in memory.
 *
 *   Predictor *p;
 *   PredictorOptions o = {0};                      // as the plan has it, all existing folds
 *   predictor_open(&p, "results", &o, e);
 *   predictor_predict(p, &image, spacing_zyx_mm, NULL, &labels, NULL, e);
 *   predictor_close(p);
 * Several folds are an ensemble: the mean of their logits. A Predictor may be used by several threads; a lock makes them
 * predict one after another. */
#ifndef INFERENCE_PREDICTOR_H
#define INFERENCE_PREDICTOR_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "inference/model_source.h"
#include "inference/probabilities.h"
#include "inference/sliding_window.h"
#include "network/device/device.h"
#include "plans/made_from.h"
#include "preprocess/case.h"

typedef struct Predictor Predictor;

typedef struct PredictorOptions {
    const int *folds; /* (fold_count), SPLITS_FOLD_ALL for `all`; none: as model_source_open */
    int fold_count;
    const char *checkpoint; /* "final", "best" or "latest"; NULL: final */
    PlanSwitch mirroring;   /* auto: as in the plan */
    double step;            /* of the sliding window; 0: as in the plan */
    const Device *device;   /* of the networks; NULL: the CPU */
    DType precision;        /* of the networks' arithmetic: DTYPE_F32 or DTYPE_BF16 (network/executor/precision.h) */
    int64_t memory;         /* limit for the process in bytes; 0: none */
    bool in_host;           /* memory is the limit of the predictor alone: the process belongs to another program */
    /* Called during each prediction; may be NULL. Ends it by returning a negative code, with e filled. */
    int (*progress)(void *context, int64_t done, int64_t tiles, Err *e);
    void *context;
} PredictorOptions;

/* Refuses a model whose networks the device's memory does not hold (device_expect_room), without reading its weights. As
 * predictor_open_source does. Fails also: as model_define, executor_new. */
int predictor_expect_room(const ModelSource *source, const PredictorOptions *o, Err *e);

/* Reads plan, dataset.json and each fold's checkpoint, from results of train or of an nnU-Net trainer. Fails: ERR_IO,
 * ERR_FORMAT, ERR_VALUE with the file; ERR_NOMEM. */
int predictor_open(Predictor **p, const char *results, const PredictorOptions *o, Err *e);

/* The same for a source from model_source_open, which is moved: it is empty afterwards, also on failure. */
int predictor_open_source(Predictor **p, ModelSource *source, const PredictorOptions *o, Err *e);
void predictor_close(Predictor *p); /* NULL is fine */

const Plan *predictor_plan(const Predictor *p); /* borrowed until predictor_close */
const DatasetInfo *predictor_dataset(const Predictor *p);
const ModelSource *predictor_source(const Predictor *p);
int predictor_fold_count(const Predictor *p);

/* Seconds that the networks have computed so far, in all predictions. May be called while another thread predicts. */
double predictor_network_seconds(const Predictor *p);

/* The sliding window's options by plan and options. */
WindowOptions predictor_window(const Plan *plan, const PredictorOptions *o);

/* Adds all that the predictions of the model depend on: program version, network and plan (without its training part),
 * folds, checkpoint, content hashes of each fold's weights, labels, window, mirroring, precision. Each key begins with
 * `prefix`. Failures are kept in m (made_from_check). */
void predictor_made_from(MadeFrom *m, const char *prefix, const ModelSource *source, const PredictorOptions *o);

/* Adds the differences between the plan and the one that the checkpoint `path` was trained by, if it contains that: "plan
 * normalization: a, now b". Options of training and inference are not compared. Fails: as safetensors_open, plan_parse. */
int predictor_trained_otherwise(Text *differences, const char *path, const Plan *plan, Err *e);

/* The size of a case before it is read; shape and spacing have the axes in the plan's order of reading. */
typedef struct CaseSize {
    int64_t channels, shape_zyx[3];
    double spacing_zyx_mm[3];
    int64_t reading_bytes;   /* needed for reading, besides the image */
    int64_t finishing_bytes; /* needed by the caller for processing the labels, besides them */
} CaseSize;

/* An upper bound for predicting a case; less is needed if the image has a border of zeros, which is cropped. */
typedef struct PredictionCost {
    int64_t tiles;                                         /* mirror images included */
    int batch;                                             /* tiles at a time */
    int64_t reading, preprocessing, predicting, finishing; /* bytes, at most, in each of these phases */
    int64_t networks;                                      /* bytes, in every phase, of the host's memory */
    int64_t peak; /* bytes of the whole process at most; in_host: of the predictor */
} PredictionCost;

/* Reads the weights and runs the networks once, so that the first prediction takes no longer than later ones, if it is of about the
 * size of the training images. Does nothing if the memory that is allowed does not hold these. Fails: as predictor_predict for weights and memory. */
int predictor_warm(Predictor *p, Err *e);

/* Finds the largest batch with which the case fits into options.memory; predictor_predict uses it until predictor_cost is
 * called for another case. Fails: ERR_LIMIT if no batch fits, with the bytes needed; as executor_new. */
int predictor_cost(Predictor *p, const CaseSize *size, PredictionCost *cost, Err *e);

/* image: float32 (C,Z,Y,X) with the axes of its file; it is overwritten, and freed early to save memory. axes: the plan's
 * reading order (grid_axes_read, plan_reader_axes), NULL: as stored. labels: new, uint8 or uint16 (Z,Y,X), owned by the
 * caller. probabilities: their sink (inference/probabilities.h: an array or a file), or NULL. Fails: ERR_SHAPE, ERR_VALUE
 * if the image does not fit the plan or contains NaN or infinity; ERR_NOMEM, ERR_LIMIT; as the sink and
 * o->progress. */
int predictor_predict(Predictor *p, Array *image, const double spacing_zyx_mm[3], const GridAxes *axes, Array *labels,
                      const ProbabilitySink *probabilities, Err *e);

/* The same for a preprocessed case: image float32 (Z,Y,X,C), borrowed. */
int predictor_predict_preprocessed(Predictor *p, const Array *image, const CaseProperties *properties, Array *labels,
                                   const ProbabilitySink *probabilities, Err *e);

#endif
