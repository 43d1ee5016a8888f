/* The folder of validation predictions, RESULTS/fold_F/validation: removing what is no longer true. */
#ifndef TRAINER_VALIDATION_FOLDER_H
#define TRAINER_VALIDATION_FOLDER_H

#include "base/error.h"

/* summary.json: before predictions are replaced. Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_remove_summary(const char *folder, Err *e);

/* Before the weights change: the summary, predict.yaml and the files of the cases that it names; where it is not there, or
 * damaged, all files. A folder that is not there is fine. Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_clear(const char *folder, Err *e);

#endif
