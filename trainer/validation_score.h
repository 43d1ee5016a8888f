/* Scores a folder of predictions as nnU-Net does at the end of a training. */
#ifndef TRAINER_VALIDATION_SCORE_H
#define TRAINER_VALIDATION_SCORE_H

#include "base/error.h"
#include "plans/dataset_json.h"

/* The files (count) to compare: each name exists in both folders. */
typedef struct ValidationFiles {
    const char *references, *predictions; /* folders */
    const char *const *names;
    int count;
} ValidationFiles;

/* Writes PREDICTIONS/summary.json (overlap only; with note, if not NULL), and sets *mean_dice of the foreground. Other files
 * in the folders are ignored. Fails: as case_evaluate; ERR_IO, ERR_VALUE, ERR_NOMEM. */
int validation_score(const ValidationFiles *files, const DatasetInfo *info, const char *note, double *mean_dice,
                     Err *e);

#endif
