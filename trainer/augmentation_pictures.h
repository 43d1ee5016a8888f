/* Pictures of augmented training patches for a visual check: the patch, and beside it the patch with its labels in
 * colours. */
#ifndef TRAINER_AUGMENTATION_PICTURES_H
#define TRAINER_AUGMENTATION_PICTURES_H

#include "trainer/sampler.h"

/* Writes FOLDER/patch_NN.png for the first `count` items of an epoch. Fails: ERR_IO, ERR_NOMEM. */
int augmentation_pictures_write(const Sampler *s, int epoch, int count, const char *folder, Err *e);

#endif
