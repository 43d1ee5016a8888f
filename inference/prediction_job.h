/* PredictionJob: one model on its way through the cases (of inference/prediction.h). */
#ifndef INFERENCE_PREDICTION_JOB_H
#define INFERENCE_PREDICTION_JOB_H

#include "base/progress.h"
#include "data/dataset.h"
#include "inference/prediction.h"

typedef struct PredictionJob {
    const PredictionOptions *o;
    const char *results;       /* folder of the model */
    bool is_member;            /* its probabilities go into a mean, and only that is post-processed */
    const Postprocessing *postprocessing;
    Predictor *predictor;
    CaseList list;
    const char *folder;        /* of the outputs */
    Progress *progress;        /* while a case is under way */
    const char *id;
} PredictionJob;

/* folder: of the outputs. Fails as prediction_run. */
int prediction_job_run(const PredictionOptions *o, const ConfiguredModel *model, const char *folder,
                       bool is_member, const Postprocessing *postprocessing, Err *e);

/* Tells a warning about the case that is under way: on the terminal, and in predict.yaml. */
void prediction_job_warn(const PredictionJob *job, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What one case takes, by its headers alone. Fails: as image_probe and predictor_cost. */
int prediction_job_cost(const PredictionJob *job, const Case *c, PredictionCost *cost, Err *e);

/* Tells the table of what every case takes. Returns how many cannot be predicted. */
int prediction_job_explain(const PredictionJob *job);

/* As printf, through o->tell. */
void prediction_tell(const PredictionOptions *o, PredictionTell kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void prediction_tell_kept(const PredictionOptions *o, int kept, int all);

#endif
