/* What a user should know about the checkpoints of a model before they predict. */
#ifndef INFERENCE_MODEL_WARNINGS_H
#define INFERENCE_MODEL_WARNINGS_H

#include "data/faults.h"
#include "inference/model_source.h"

/* Adds a warning for: numbered folds without the checkpoint, which are left out; a training that was continued after
 * checkpoint_final (unless the checkpoint is_chosen by the user); folds that were trained by another plan than that of the
 * results folder. Fails: as results_checkpoint, results_progress, predictor_trained_otherwise. */
int model_source_warnings(FaultList *warnings, const ModelSource *s, bool is_chosen, Err *e);

#endif
