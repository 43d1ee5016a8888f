/* ModelSource: the checkpoints of a results folder for a prediction, their plan and dataset; no weights are read.
 *
 *   ModelSource s;
 *   model_source_open(&s, "results", NULL, 0, NULL, e);
 *   … s.plan, s.info, model_source_folds(&s, &text) …
 *   model_source_free(&s); */
#ifndef INFERENCE_MODEL_SOURCE_H
#define INFERENCE_MODEL_SOURCE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "inference/folds.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

typedef struct ModelSource {
    char *results;    /* the folder; owned, as all below */
    char *checkpoint; /* "final", "best" or "latest" */
    FoldList folds;   /* those that predict together */
    char **paths;     /* of their checkpoints */
    FoldList unused;  /* folds without this checkpoint; fold_all if there are others */
    Plan plan;
    DatasetInfo info;
    bool has_info;
} ModelSource;

/* folds (fold_count): the requested folds, SPLITS_FOLD_ALL for `all`. None: all numbered folds that have the checkpoint, or
 * fold_all if it is the only one (nnU-Net's rule: fold_all is only used with or instead of others if requested).
 * checkpoint: NULL for "final". s is new. Fails: ERR_IO for a folder that cannot be read; ERR_VALUE if a fold or its
 * checkpoint does not exist, with those that do; as results_read; ERR_UNSUPPORTED for a network that this build does not
 * have, with the file. */
int model_source_open(ModelSource *s, const char *results, const int *folds, int fold_count, const char *checkpoint,
                      Err *e);
void model_source_free(ModelSource *s);

/* Adds "fold all", "fold 3" or "folds 0, 1, 2". */
void fold_list_text(const FoldList *f, Text *text);

#endif
