/* ModelFolder: what a user's path for a model leads to.
 *
 * Meant is a results folder (of train, or an nnU-Net trainer's) or an inference.yaml. What people give besides is
 * found where it is clear, or named: a fold's folder or a checkpoint in it, a folder above the results, a folder of
 * plan_and_preprocess, a raw dataset.
 *   ModelFolder f;
 *   model_folder_find(&f, path, e); … model_folder_free(&f); */
#ifndef INFERENCE_MODEL_FOLDER_H
#define INFERENCE_MODEL_FOLDER_H

#include <stdbool.h>

#include "base/error.h"

enum { MODEL_ANY_FOLD = -2 };  /* no fold was named by the path */

typedef struct ModelFolder {
    char *results;         /* the results folder; NULL: path is an inference.yaml */
    int fold;              /* that the path named, SPLITS_FOLD_ALL for `all`; MODEL_ANY_FOLD */
    char *checkpoint;      /* "best", where the path named one; NULL */
    bool is_other;         /* results is another folder than path, or only a part of it is meant: to be told */
} ModelFolder;

/* f is new. Fails: ERR_IO where something cannot be looked at; ERR_VALUE for a path that leads to no model, or to
 * several, with what it is and what to give. */
int model_folder_find(ModelFolder *f, const char *path, Err *e);
void model_folder_free(ModelFolder *f);

#endif
