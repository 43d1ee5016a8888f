/* Results: what stands where in a results folder — ours, or one that an nnU-Net trainer left.
 *
 * Ours: plans.yaml, dataset.json, fold_F/checkpoint_NAME.safetensors. nnU-Net's: plans.json, dataset.json,
 * fold_F/checkpoint_NAME.pth; there the trainer's name, stored with the weights, says which network it is. */
#ifndef INFERENCE_RESULTS_H
#define INFERENCE_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

/* The checkpoint of that name, "final", "best" or "latest": *path is the caller's, NULL where there is none.
 * Fails: ERR_NOMEM; ERR_IO where that cannot be told. */
int results_checkpoint(char **path, const char *results, int fold, const char *name, Err *e);

/* How far a training went on after checkpoint_final without being finished. */
typedef struct ResultsProgress {
    bool goes_on;               /* checkpoint_latest is there too, and has come further */
    int64_t final, latest;      /* epochs that each was trained; -1: the file does not say */
} ResultsProgress;

/* Fails: ERR_NOMEM; ERR_IO where it cannot be told whether a file is there. */
int results_progress(ResultsProgress *p, const char *results, int fold, Err *e);

/* checkpoint: of any fold, asked where the plan itself does not say which network it is. info is the
 * caller's (dataset_info_free). Fails: ERR_IO, ERR_FORMAT, ERR_VALUE with the file; ERR_UNSUPPORTED for a
 * trainer whose network is not known here. */
int results_read(Plan *plan, DatasetInfo *info, const char *results, const char *checkpoint, Err *e);

#endif
