/* Writes a results folder of train as nnU-Net's trainers write theirs: plans.json, dataset.json and for each fold
 * fold_F/checkpoint_final.pth and checkpoint_best.pth, as far as they exist. nnU-Net predicts with it. */
#ifndef INFERENCE_NNUNET_EXPORT_H
#define INFERENCE_NNUNET_EXPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

/* results: a results folder of train, or a path that model_folder_find takes for one. out: the folder to make; it is
 * complete as soon as it exists. overwrite: replaces an `out` that is such a folder. told: lines that say what was
 * written, and what nnU-Net would do otherwise; owned by the caller. Fails: ERR_UNSUPPORTED for a network other than
 * nnunet, or a plan that nnU-Net cannot follow; ERR_VALUE if `out` exists, or for a checkpoint that was trained by another
 * plan than plans.yaml; as results_read, model_open; ERR_IO. Then
 * nothing is at `out`, or what was there before. */
int nnunet_export(const char *results, const char *out, bool overwrite, Text *told, Err *e);

#endif
