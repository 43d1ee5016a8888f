/* ModelChoice: the networks that a prediction uses, from the path of a model and the options beside it: those of a results
 * folder, or what an inference.yaml lists. A fold or a checkpoint that the path names is used as if an option had named it;
 * options that contradict the path are refused.
 *
 *   ModelChoice m;
 *   model_choice_find(&m, path, &folds, checkpoint, e); … m.configuration, m.checkpoint … model_choice_free(&m); */
#ifndef INFERENCE_MODEL_CHOICE_H
#define INFERENCE_MODEL_CHOICE_H

#include "inference/configuration.h"
#include "inference/model_folder.h"

typedef struct ModelChoice {
    Configuration configuration;
    ModelFolder folder;     /* results NULL: the path is an inference.yaml */
    const char *checkpoint; /* the one that was asked for, or the path's (owned by folder); NULL: the default */
    char note[sizeof(Err)]; /* for the user: what was found, where the path is not the results folder; or "" */
} ModelChoice;

/* m is new, and to be freed on success only. folds: those that were asked for, copied; none: those of the path, else all.
 * checkpoint: "final", "best", "latest", borrowed as long as m; NULL: that of the path, else the default. Fails: as
 * model_folder_find, configuration_read and configuration_expect_results; ERR_VALUE if folds or checkpoint contradict the
 * path. */
int model_choice_find(ModelChoice *m, const char *path, const FoldList *folds, const char *checkpoint, Err *e);
void model_choice_free(ModelChoice *m);

/* Takes the post-processing of another inference.yaml. Fails: as configuration_read. */
int model_choice_read_postprocessing(ModelChoice *m, const char *path, Err *e);

#endif
