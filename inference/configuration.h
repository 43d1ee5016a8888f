/* Configuration of a prediction (inference.yaml): which models with which folds, and what happens to their
 * labels. find_best_configuration writes it, predict and ensemble read it.
 *
 *   format: 1
 *   models:                      # several: the mean of their probabilities
 *     - results: ../results/d    # a results folder; a relative path counts from this file's folder
 *       absolute: /data/d        # where it was when this was written: used where `results` is not there
 *       folds: [0, 1, 2, 3, 4]
 *       made_from:               # the content of the weights that it was chosen by (plans/made_from.h)
 *         weights of fold 0: 2f…
 *   compared:                    # all results folders that it was chosen among, in their order
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
    char *results;     /* owned, as folds */
    FoldList folds;    /* none: all that are there */
    MadeFrom made_from; /* fold_weights_key of each fold, and the hash; empty where nobody chose, or it is not known */
} ConfiguredModel;

typedef struct Configuration {
    char *file;                       /* that it was read from; owned; NULL */
    ConfiguredModel models[CONFIGURATION_MODELS];
    int model_count;
    NameList compared;                /* results folders that the models were chosen among; none: not known */
    Postprocessing postprocessing;
    double dice;                      /* NaN where not known */
} Configuration;

/* results, folds and made_from (NULL: not known) are copied. Fails: ERR_VALUE for too many models; ERR_NOMEM. */
int configuration_add(Configuration *c, const char *results, const FoldList *folds, const MadeFrom *made_from, Err *e);
void configuration_free(Configuration *c);

/* The models' results folders need not be there. Fails: ERR_IO, ERR_NOMEM; ERR_FORMAT with
 * "file:line:column: what". */
int configuration_read(Configuration *c, const char *path, Err *e);

/* Whether the results folder of every model of a c that was read is there. Fails: ERR_VALUE. */
int configuration_expect_results(const Configuration *c, Err *e);

/* Results folders are written relative to path's folder, and as absolute paths: the file still leads to them
 * when it was moved together with them, or alone. Fails: ERR_IO (one is not there), ERR_NOMEM. */
int configuration_write(const Configuration *c, const char *path, Err *e);

#endif
