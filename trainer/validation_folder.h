/* The folder of validation predictions, RESULTS/fold_F/validation: removal of outdated files. */
#ifndef TRAINER_VALIDATION_FOLDER_H
#define TRAINER_VALIDATION_FOLDER_H

#include "base/error.h"

/* Called before the weights change: removes the summary and other files of an evaluation, predict.yaml, and the files of
 * its cases; if it is missing or damaged, all images, .npy and .yaml. Other files are kept. The folder need not exist.
 * Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_clear(const char *folder, Err *e);

#endif
