/* Configuration of a prediction (inference.yaml): models, their folds, and post-processing. find_best_configuration writes
 * it; predict and ensemble read it.
 *
 *   format: 1
 *   models:                      # several: the mean of their probabilities
 *     - results: ../results/d    # a results folder; a relative path starts at this file's folder
 *       absolute: /data/d        # its path when this was written: used if `results` does not exist
 *       folds: [0, 1, 2, 3, 4]
 *       made_from:               # content hashes of the weights it was chosen by (plans/made_from.h)
 *         weights of fold 0: 2f…
 *   compared:                    # all results folders that were compared, in their order
 *     - {results: ../results/d, absolute: /data/d}
 *   postprocessing: [[1, 2]]     # inference/postprocess.h
 *   dice: 0.87                   # foreground mean on the cross-validation, with post-processing
 *
 * `Configuration c = {0}`; configuration_free. */
#ifndef INFERENCE_CONFIGURATION_H
#define INFERENCE_CONFIGURATION_H

#include "inference/folds.h"
#include "inference/postprocess.h"
#include "plans/made_from.h"
#include "plans/name_list.h"

enum { CONFIGURATION_MODELS = 16 };

typedef struct ConfiguredModel {
    char *results;      /* owned, as folds */
    FoldList folds;     /* none: all that exist */
    MadeFrom made_from; /* fold_weights_key of each fold, and the hash; empty if not chosen, or not known */
} ConfiguredModel;

typedef struct Configuration {
    char *file; /* path it was read from; owned; NULL */
    ConfiguredModel models[CONFIGURATION_MODELS];
    int model_count;
    NameList compared; /* results folders that the models were chosen among; none: not known */
    Postprocessing postprocessing;
    double dice; /* NaN: not known */
} Configuration;

/* results, folds and made_from (NULL: not known) are copied. Fails: ERR_VALUE for too many models; ERR_NOMEM. */
int configuration_add(Configuration *c, const char *results, const FoldList *folds, const MadeFrom *made_from, Err *e);
void configuration_free(Configuration *c);

/* The models' results folders need not exist. Fails: ERR_IO, ERR_NOMEM; ERR_FORMAT with "file:line:column: what". */
int configuration_read(Configuration *c, const char *path, Err *e);

/* Fails with ERR_VALUE if the results folder of a model does not exist. c: from configuration_read. */
int configuration_expect_results(const Configuration *c, Err *e);

/* Results folders are written both relative to path's folder and absolute, so that they are found after the file was moved
 * together with them, or alone. Fails: ERR_IO (a folder does not exist), ERR_NOMEM. */
int configuration_write(const Configuration *c, const char *path, Err *e);

#endif
