/* A folder of images without labels, made ready for training.
 *
 * Each image is a case of its own, with the channels of its file; among colours a gray one has three equal channels. It keeps its grid, and each channel is normalised by its mean and
 * standard deviation. The result is a folder as plan_and_preprocess makes it (docs/design.md, section 2), whose labels are the class of
 * the whole image, or 0. Fold 0 validates the images in val/, or else every 20th. */
#ifndef PRETRAIN_IMAGE_FOLDER_H
#define PRETRAIN_IMAGE_FOLDER_H

#include "base/progress.h"
#include "pretrain/image_list.h"

/* Reads and writes all images, in place of an earlier folder; plans.yaml is last, so where it is, all is complete. network: of the plan. threads: at least 1.
 * progress: may be NULL. Fails: ERR_IO, ERR_FORMAT … for an unreadable image, by name; ERR_SHAPE for one with another number of channels; ERR_NOMEM. */
int image_folder_prepare(const ImageList *list, const char *network, const char *preprocessed, int threads,
                         Progress *progress, Err *e);

/* Fails with ERR_VALUE if the folder's images have other names than those that `preprocessed` was made of. Their content is not
 * compared. */
int image_folder_expect(const ImageList *list, const char *folder, const char *preprocessed, Err *e);

#endif
