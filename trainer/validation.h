/* Validation at the end of a training: the fold's validation cases, predicted whole with the final
 * weights by the sliding window, into FOLDER/validation, and compared with their labels there. */
#ifndef TRAINER_VALIDATION_H
#define TRAINER_VALIDATION_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"

typedef struct ValidationOptions {
    const char *preprocessed, *results;
    int fold;                       /* SPLITS_FOLD_ALL for `all` */
    DType precision;                /* of the network's arithmetic (network/precision.h) */
    bool save_probabilities;        /* CASE.npy and CASE.yaml too (inference/probabilities.h) */
    void (*progress)(void *context, int done, int total, const char *case_name); /* may be NULL */
    int (*interrupted)(void);       /* not 0: stop after this case; NULL: never */
    void *context;
} ValidationOptions;

/* Writes RESULTS/fold_F/validation/CASE + ending, and summary.json by nnU-Net's rules; *mean_dice is the
 * foreground's. References are those of PREPROCESSED/gt_segmentations. Cases that stand there already
 * are kept. Fails: ERR_IO, ERR_FORMAT, ERR_VALUE, ERR_NOMEM; ERR_INTERRUPTED. */
int validation_run(const ValidationOptions *o, double *mean_dice, Err *e);

#endif
