/* progress.png: the curves of a run, as in nnU-Net: losses and pseudo Dice, seconds per epoch, and learning rate. */
#ifndef TRAINER_PROGRESS_PICTURE_H
#define TRAINER_PROGRESS_PICTURE_H

#include "trainer/history.h"

/* Writes the picture atomically; nothing for an empty history. Fails: ERR_IO, ERR_NOMEM. */
int progress_picture_write(const History *h, const char *path, Err *e);

#endif
