/* Predictor: the library's face. Opens a results folder, segments volumes in memory.
 *
 *   Predictor *p;
 *   PredictorOptions o = {0};                      // what the plan says, all folds that are there
 *   predictor_open(&p, "results", &o, e);
 *   predictor_predict(p, &image, spacing_zyx_mm, NULL, &labels, NULL, e);
 *   predictor_close(p);
 * Several folds are an ensemble: the mean of their logits. A Predictor may be used by several threads;
 * they take turns. */
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
    const int *folds;         /* fold_count of them, SPLITS_FOLD_ALL for `all`; none: as model_source_open */
    int fold_count;
    const char *checkpoint;   /* "final", "best" or "latest"; NULL: final */
    PlanSwitch mirroring;     /* auto: as the plan says */
    double step;              /* of the sliding window; 0: as the plan says */
    const Device *device;     /* where they compute; NULL: the CPU */
    DType precision;          /* of the networks' arithmetic: DTYPE_F32 or DTYPE_BF16 (network/executor/precision.h) */
    int64_t memory;           /* bytes that the process may take; 0: any */
    void (*progress)(void *context, int64_t done, int64_t tiles); /* of each prediction; may be NULL */
    void *context;
} PredictorOptions;

/* Reads plan, dataset.json and each fold's checkpoint, of our results or an nnU-Net trainer's. Fails: ERR_IO,
 * ERR_FORMAT, ERR_VALUE with the file; ERR_NOMEM. */
int predictor_open(Predictor **p, const char *results, const PredictorOptions *o, Err *e);

/* The same from what model_source_open found: taken over, empty afterwards also where this fails. */
int predictor_open_source(Predictor **p, ModelSource *source, const PredictorOptions *o, Err *e);
void predictor_close(Predictor *p);                          /* NULL is fine */

const Plan *predictor_plan(const Predictor *p);              /* borrowed until predictor_close */
const DatasetInfo *predictor_dataset(const Predictor *p);
const ModelSource *predictor_source(const Predictor *p);
int predictor_fold_count(const Predictor *p);

/* The sliding window that a plan and the options give. */
WindowOptions predictor_window(const Plan *plan, const PredictorOptions *o);

/* Adds all that decides what the model predicts: program version, network and plan (but for its training), folds,
 * checkpoint, the content of each fold's weights, labels, window, mirroring, precision. Each key begins with
 * `prefix`. Failures stick in m (made_from_check). */
void predictor_made_from(MadeFrom *m, const char *prefix, const ModelSource *source, const PredictorOptions *o);

/* Adds what of the plan differs from the one that the fold source->paths[index] was trained by, where its checkpoint tells:
 * "plan normalization: a, now b". Options of training and inference don't count. Fails: as safetensors_open, plan_parse. */
int predictor_trained_otherwise(Text *differences, const ModelSource *source, int index, Err *e);

/* A case before it is read; shape and spacing with the axes in the order in which the plan reads them. */
typedef struct CaseSize {
    int64_t channels, shape_zyx[3];
    double spacing_zyx_mm[3];
    int64_t reading_bytes;    /* what reading takes beside the image */
    int64_t finishing_bytes;  /* what the caller does with the labels takes beside them */
} CaseSize;

/* What predicting it takes; more than it will where the image has a border of zeros, which is cut off. */
typedef struct PredictionCost {
    int64_t tiles;            /* mirror images included */
    int batch;                /* tiles at a time */
    int64_t reading, preprocessing, predicting, finishing;  /* bytes, at most, in each of these phases */
    int64_t networks;         /* bytes, in every phase */
    int64_t peak;             /* bytes of the whole process, at most */
} PredictionCost;

/* Finds the largest batch with which the case fits into options.memory; predictor_predict keeps to it until
 * it is asked about another case. Fails: ERR_NOMEM where none does, with the bytes needed; as executor_new. */
int predictor_cost(Predictor *p, const CaseSize *size, PredictionCost *cost, Err *e);

/* image: float32 (C,Z,Y,X) with the axes of its file; axes: how the plan reads it (grid_axes_read, plan_reader_axes), NULL: as
 * it is stored; used as working memory and freed early, so that it
 * and its preprocessed form do not stand side by side for long. labels: new, uint8 or uint16 (Z,Y,X), the
 * caller's. probabilities: where they go (inference/probabilities.h: an array or a file), or NULL. Fails:
 * ERR_SHAPE, ERR_VALUE where the image does not fit the plan or holds NaN or infinity; ERR_NOMEM; as the
 * sink. */
int predictor_predict(Predictor *p, Array *image, const double spacing_zyx_mm[3], const GridAxes *axes, Array *labels,
                      const ProbabilitySink *probabilities, Err *e);

/* The same for a case that is preprocessed already: image float32 (Z,Y,X,C), borrowed. */
int predictor_predict_preprocessed(Predictor *p, const Array *image, const CaseProperties *properties,
                                   Array *labels, const ProbabilitySink *probabilities, Err *e);

#endif
