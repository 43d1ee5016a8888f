/* The cases of a prediction that other processes than rank 0 predict (part of inference/prediction.c, by base/crew.h). They write labels
 * and probabilities. Their result is the failure (an Err, code 0: none), then the warnings (prediction_job_note). Rank 0 tells both and
 * records the case (prediction_job.c). */
#ifndef INFERENCE_PREDICTION_SHARE_H
#define INFERENCE_PREDICTION_SHARE_H

#include "inference/prediction_job.h"

/* Predicts cases, by the jobs of the models, until rank 0 dismisses. Fails: as crew_serve. */
int prediction_share_serve(PredictionJob *jobs, int count, const PredictionOptions *o, Err *e);

#endif
