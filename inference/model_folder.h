/* ModelFolder: finds the model for a path given by the user.
 *
 * Expected is a results folder (of train, or of an nnU-Net trainer) or an inference.yaml. Other paths are resolved if that
 * is unambiguous: a fold's folder, a checkpoint in it, a folder above the results. For others, such as a raw dataset or a
 * folder of plan_and_preprocess, the error says what the path is.
 *   ModelFolder f;
 *   model_folder_find(&f, path, e); … model_folder_free(&f); */
#ifndef INFERENCE_MODEL_FOLDER_H
#define INFERENCE_MODEL_FOLDER_H

#include <stdbool.h>

#include "base/error.h"

enum { MODEL_ANY_FOLD = -2 }; /* the path does not name a fold */

typedef struct ModelFolder {
    char *results;    /* the results folder; NULL: path is an inference.yaml */
    int fold;         /* from the path; SPLITS_FOLD_ALL for `all`; MODEL_ANY_FOLD */
    char *checkpoint; /* "best", if the path names one; NULL */
    bool is_other; /* results is another folder than path, or the path names only a part of it: the user should know */
} ModelFolder;

/* f is new. Fails: ERR_IO if something cannot be read; ERR_VALUE if there is no model or several, with what the path is
 * and what to give. */
int model_folder_find(ModelFolder *f, const char *path, Err *e);
void model_folder_free(ModelFolder *f);

#endif
