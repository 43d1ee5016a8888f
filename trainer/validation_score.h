/* Scores a folder of predictions as nnU-Net does at the end of a training. */
#ifndef TRAINER_VALIDATION_SCORE_H
#define TRAINER_VALIDATION_SCORE_H

#include "base/error.h"
#include "plans/dataset_json.h"

/* Compares every image in `predictions` with the one of its name in `references`: PREDICTIONS/summary.json
 * (overlap only; note, or NULL, is put into it), and *mean_dice of the foreground. Fails: as case_evaluate; ERR_IO, ERR_VALUE, ERR_NOMEM. */
int validation_score(const char *references, const char *predictions, const DatasetInfo *info,
                     const char *note, double *mean_dice, Err *e);

#endif
