/* Configuration of a prediction (inference.yaml): which models with which folds, and what happens to their
 * labels. find_best_configuration writes it, predict and ensemble read it.
 *
 *   format: 1
 *   models:                      # several: the mean of their probabilities
 *     - results: /data/d         # a results folder; a relative path counts from this file's folder
 *       folds: [0, 1, 2, 3, 4]
 *   postprocessing: [[1, 2]]     # inference/postprocess.h
 *   dice: 0.87                   # foreground mean on the cross-validation, with post-processing
 *
 * `Configuration c = {0}`; configuration_free. */
#ifndef INFERENCE_CONFIGURATION_H
#define INFERENCE_CONFIGURATION_H

#include "inference/postprocess.h"

enum { CONFIGURATION_MODELS = 16, CONFIGURATION_FOLDS = 64 };

typedef struct ConfiguredModel {
    char *results;                    /* owned */
    int folds[CONFIGURATION_FOLDS];   /* SPLITS_FOLD_ALL for `all` */
    int fold_count;
} ConfiguredModel;

typedef struct Configuration {
    ConfiguredModel models[CONFIGURATION_MODELS];
    int model_count;
    Postprocessing postprocessing;
    double dice;                      /* NaN where not known */
} Configuration;

/* results is copied. Fails: ERR_VALUE for too many models or folds; ERR_NOMEM. */
int configuration_add(Configuration *c, const char *results, const int *folds, int fold_count, Err *e);
void configuration_free(Configuration *c);

/* "0,1,2", or "all". folds (CONFIGURATION_FOLDS) and *count written. Fails: ERR_VALUE. */
int configuration_parse_folds(const char *text, int *folds, int *count, Err *e);

/* Fails: ERR_IO, ERR_NOMEM; ERR_FORMAT with "file:line:column: what". */
int configuration_read(Configuration *c, const char *path, Err *e);

/* Results folders are written as absolute paths. Fails: ERR_IO (one is not there), ERR_NOMEM. */
int configuration_write(const Configuration *c, const char *path, Err *e);

#endif
