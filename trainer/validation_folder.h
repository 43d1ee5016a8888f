/* The folder of validation predictions, RESULTS/fold_F/validation: removing what is no longer true. */
#ifndef TRAINER_VALIDATION_FOLDER_H
#define TRAINER_VALIDATION_FOLDER_H

#include "base/error.h"

/* summary.json: before predictions are replaced. Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_remove_summary(const char *folder, Err *e);

/* Label images of all cases but these (count), which would be scored; files of other kinds stay (those that the record
 * names: prediction_record_keep_only). Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_keep_only(const char *folder, char *const *cases, int count, Err *e);

/* All files, before the weights change. A folder that is not there is fine. Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_clear(const char *folder, Err *e);

#endif
