/* PredictionJob: predicts all cases with one model (part of inference/prediction.c). */
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
    int number;         /* of the model in the configuration, from 0 */
    ModelSource source; /* set by the caller, owned by the job (prediction_job_close); the predictor takes it over */
    bool is_member;     /* its probabilities are averaged with other models', and only the mean is post-processed */
    const Postprocessing *postprocessing;
    PredictionCases *cases; /* the wanted ones are predicted; one that cannot be is marked as failed */
    OutputFolder *output;   /* of the labels, or of the mean (which has a record of the warnings); NULL: */
    const char *file;       /* path for the only case's labels; NULL if only explaining */
    const char *folder;     /* for a member's labels and probabilities, else NULL */

    Predictor *predictor;   /* this and all below are owned by the job */
    OutputFolder own;       /* of a member */
    MadeFrom made_from;     /* of a member's outputs */
    bool *made;             /* per case: this model must predict it */
    int *turns, turn_count; /* indices of those cases */
    Progress *progress;     /* while a case is predicted, else NULL */
    Text *noted;            /* warnings for another process, which tells them; NULL: this one does */
    const char *id;
} PredictionJob;

/* Predicts the wanted cases into the folder or file. Cases that cannot be predicted are reported; the job does not fail.
 * May be called again for other cases. Fails: as predictor_open_source; ERR_IO if nothing can be written. */
int prediction_job_run(PredictionJob *job, Err *e);

/* Opens the predictor; else the first run that needs it does. Fails: as predictor_open_source. */
int prediction_job_open(PredictionJob *job, Err *e);
void prediction_job_close(PredictionJob *job);

/* The model, whether its predictor is open or not. */
const ModelSource *prediction_job_source(const PredictionJob *job);

/* Warns about the case that is being predicted: in predict.yaml, and on the terminal. */
void prediction_job_warn(const PredictionJob *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a warning to job->noted, for another process: two texts, each with its NUL. code: of an orientation, or "". */
void prediction_job_note(const PredictionJob *job, const char *code, const char *text);

/* Records the warning only in predict.yaml. Returns whether it is new: several models may have the same warning. */
bool prediction_job_record_warning(const PredictionJob *job, const char *text);

/* Predicts a case and writes its labels to path, after all other files: if the labels exist, so do the probabilities.
 * Fails: as prediction_job_cost, image_read_channels, predictor_predict, image_write. */
int prediction_job_predict(const PredictionJob *job, const Case *c, const char *path, Err *e);
bool prediction_job_saves_probabilities(const PredictionJob *job);

/* Warns about images of an orientation, told once for each. code: of the orientation. */
void prediction_job_warn_orientation(const PredictionJob *job, const char *code, const char *text);

/* Tiles and memory of one case, from the headers of its images. Fails: as image_probe and predictor_cost. */
int prediction_job_cost(const PredictionJob *job, const Case *c, PredictionCost *cost, Err *e);

/* Prints the table of tiles and memory of every case; cases that cannot be predicted are marked as failed. */
void prediction_job_explain(const PredictionJob *job);

/* The folder of a job's labels, or of a member's; NULL: they are one file. */
OutputFolder *prediction_job_folder(PredictionJob *job);

/* As printf, through o->tell. */
void prediction_tell(const PredictionOptions *o, PredictionTell kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Warns that the failure of a case could not be recorded, or its text not be written. */
void prediction_tell_unwritten(const PredictionOptions *o, const char *id, const Err *fault);

#endif
