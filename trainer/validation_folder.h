/* The folder of validation predictions, RESULTS/fold_F/validation: removing what is no longer true. */
#ifndef TRAINER_VALIDATION_FOLDER_H
#define TRAINER_VALIDATION_FOLDER_H

#include "base/error.h"

/* Before the weights change: the summary and what else an evaluation wrote there, predict.yaml and the files of the cases
 * that it names; where it is not there, or damaged, all images, .npy and .yaml. Other files stay, they are somebody's. A
 * folder that is not there is fine. Fails: ERR_IO, ERR_NOMEM. */
int validation_folder_clear(const char *folder, Err *e);

#endif
