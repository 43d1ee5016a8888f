/* Predictor: the library's face. Opens a results folder, segments volumes in memory.
 *
 *   Predictor *p;
 *   PredictorOptions o = {0};                      // what the plan says, all folds that are there
 *   predictor_open(&p, "results", &o, e);
 *   predictor_predict(p, &image, spacing_zyx_mm, &labels, NULL, e);
 *   predictor_close(p);
 * Several folds are an ensemble: the mean of their logits. A Predictor may be used by several threads;
 * they take turns. */
#ifndef INFERENCE_PREDICTOR_H
#define INFERENCE_PREDICTOR_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "inference/memory_bound.h"
#include "inference/probabilities.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"
#include "preprocess/case.h"

typedef struct Predictor Predictor;

typedef struct PredictorOptions {
    const int *folds;         /* fold_count of them, SPLITS_FOLD_ALL for `all`; NULL: all that are there */
    int fold_count;
    const char *checkpoint;   /* "final", "best" or "latest"; NULL: final */
    PlanSwitch mirroring;     /* auto: as the plan says */
    double step;              /* of the sliding window; 0: as the plan says */
    size_t memory_limit;      /* bytes that the process may take; 0: as many as it needs */
} PredictorOptions;

/* Reads plan, dataset.json and each fold's checkpoint, of our results or an nnU-Net trainer's. Fails: ERR_IO,
 * ERR_FORMAT, ERR_VALUE with the file; ERR_NOMEM. */
int predictor_open(Predictor **p, const char *results, const PredictorOptions *o, Err *e);
void predictor_close(Predictor *p);                          /* NULL is fine */

const Plan *predictor_plan(const Predictor *p);              /* borrowed until predictor_close */
const DatasetInfo *predictor_dataset(const Predictor *p);
int predictor_fold_count(const Predictor *p);

/* The most memory that this case will take, with the limit taken into account. Fails: ERR_VALUE where the
 * limit is too low for it; ERR_NOMEM. May be asked before the case is read. */
int predictor_memory(Predictor *p, const MemoryCase *c, MemoryBound *bound, Err *e);

/* image: float32 (C,Z,Y,X) with the axes of its file; used as working memory and freed early, so that it
 * and its preprocessed form do not stand side by side for long. labels: new, uint8 or uint16 (Z,Y,X), the
 * caller's. probabilities: where they go (inference/probabilities.h: an array or a file), or NULL. Fails:
 * ERR_SHAPE, ERR_VALUE where the image does not fit the plan or the memory limit is too low; ERR_NOMEM; as
 * the sink. */
int predictor_predict(Predictor *p, Array *image, const double spacing_zyx_mm[3], Array *labels,
                      const ProbabilitySink *probabilities, Err *e);

/* The same for a case that is preprocessed already: image float32 (Z,Y,X,C), borrowed. */
int predictor_predict_preprocessed(Predictor *p, const Array *image, const CaseProperties *properties,
                                   Array *labels, const ProbabilitySink *probabilities, Err *e);

#endif
