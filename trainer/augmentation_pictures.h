/* Pictures of augmented training patches for a visual check: the patch, beside it the patch with its labels, and below
 * the labels' names. */
#ifndef TRAINER_AUGMENTATION_PICTURES_H
#define TRAINER_AUGMENTATION_PICTURES_H

#include "plans/dataset_json.h"
#include "trainer/sampler.h"

/* Writes FOLDER/patch_NN.png for the first `count` items of an epoch. Patches are enlarged
 * by a whole factor to at least 256 pixels. Fails: ERR_IO, ERR_NOMEM. */
int augmentation_pictures_write(const Sampler *s, const DatasetInfo *info, int epoch, int count, const char *folder,
                                Err *e);

#endif
