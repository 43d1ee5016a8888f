/* Results: the files of a results folder of train, or of an nnU-Net trainer.
 *
 * train: plans.yaml, dataset.json, fold_F/checkpoint_NAME.safetensors. nnU-Net: plans.json, dataset.json,
 * fold_F/checkpoint_NAME.pth; there the network follows from the trainer's name, which is stored with the weights. */
#ifndef INFERENCE_RESULTS_H
#define INFERENCE_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

/* Finds the checkpoint `name`, "final", "best" or "latest". *path: owned by the caller, NULL if there is none. Fails:
 * ERR_NOMEM; ERR_IO if that cannot be determined. */
int results_checkpoint(char **path, const char *results, int fold, const char *name, Err *e);

/* Progress of a training that was continued after checkpoint_final and is not finished. */
typedef struct ResultsProgress {
    bool goes_on;          /* there is also a checkpoint_latest, after more iterations */
    int64_t final, latest; /* trained epochs of each; -1: not in the file */
} ResultsProgress;

/* Fails: ERR_NOMEM; ERR_IO if it cannot be determined whether a file exists. */
int results_progress(ResultsProgress *p, const char *results, int fold, Err *e);

/* checkpoint: of any fold; read if the plan does not name the network. info: owned by the caller (dataset_info_free).
 * Fails: ERR_IO, ERR_FORMAT, ERR_VALUE with the file; ERR_UNSUPPORTED for a trainer with an unknown network,
 * weights of another of nnU-Net's configurations than 2d, or a network of pretraining. */
int results_read(Plan *plan, DatasetInfo *info, const char *results, const char *checkpoint, Err *e);

#endif
