/* PredictionJob: one model on its way through the cases (part of inference/prediction.c). */
#ifndef INFERENCE_PREDICTION_JOB_H
#define INFERENCE_PREDICTION_JOB_H

#include "base/progress.h"
#include "data/dataset.h"
#include "inference/output_folder.h"
#include "inference/prediction.h"
#include "inference/prediction_cases.h"

typedef struct PredictionJob {
    const PredictionOptions *o;
    const ConfiguredModel *model;
    ModelSource source;        /* given; the predictor takes it over */
    bool is_member;            /* its probabilities go into a mean, and only that is post-processed */
    const Postprocessing *postprocessing;
    PredictionCases *cases;    /* those that are wanted are predicted; one that cannot be has failed afterwards */
    OutputFolder *output;      /* of the labels, or of the mean (which has a record of the warnings); NULL: */
    const char *file;          /* the only case's labels; NULL where only explained */
    const char *folder;        /* of a member's labels and probabilities, else NULL */

    Predictor *predictor;      /* from here on the job's own */
    OutputFolder own;          /* of a member */
    bool *made;                /* of each case: whether this model is to predict it */
    int *turns, turn_count;    /* their indices */
    Progress *progress;        /* while a case is under way */
    const char *id;
} PredictionJob;

/* What is wanted, into the folder or file. Cases that cannot be predicted are told of; that is no failure of the
 * job. Fails: as predictor_open_source; ERR_IO where nothing can be written. Frees what is the job's own. */
int prediction_job_run(PredictionJob *job, Err *e);

/* Warns of the case that is under way: in predict.yaml, and on the terminal. */
void prediction_job_warn(const PredictionJob *job, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Notes the warning in predict.yaml alone. Whether it is not there yet: several models may warn of the same. */
bool prediction_job_record_warning(const PredictionJob *job, const char *text);

/* Predicts a case and writes its labels to path, last of all: where they stand, its probabilities do. Fails: as
 * prediction_job_cost, image_read_channels, predictor_predict, image_write. */
int prediction_job_predict(const PredictionJob *job, const Case *c, const char *path, Err *e);
bool prediction_job_saves_probabilities(const PredictionJob *job);

/* What one case takes, by its headers alone. Fails: as image_probe and predictor_cost. */
int prediction_job_cost(const PredictionJob *job, const Case *c, PredictionCost *cost, Err *e);

/* Tells the table of what every case takes; the cases that cannot be predicted have failed. */
void prediction_job_explain(const PredictionJob *job);

/* As printf, through o->tell. */
void prediction_tell(const PredictionOptions *o, PredictionTell kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
