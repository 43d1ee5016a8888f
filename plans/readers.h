/* Readers: nnU-Net's names of image readers (image_reader_writer of a plan, overwrite_image_reader_writer of
 * dataset.json). Here the name only decides the order of axes in which a volume reaches the network; the format
 * follows from the file's ending. Source: nnunetv2/imageio of nnU-Net 2.8.1. */
#ifndef PLANS_READERS_H
#define PLANS_READERS_H

#include "base/error.h"

typedef enum ReaderAxes {
    READER_STORED,      /* as the file stores them */
    READER_RAS,         /* reoriented to RAS+; a volume without orientation stays as stored */
    READER_RAS_NIBABEL, /* as READER_RAS; without orientation, x is taken to point left, as in nibabel */
    READER_RAS_ITK      /* as READER_RAS; without orientation, x is taken to point left, y to the back, as in ITK */
} ReaderAxes;

/* Fails: ERR_VALUE for a name that nnU-Net 2.8 does not have, with `key`, the list and the nearest one. */
int reader_axes(ReaderAxes *axes, const char *name, const char *key, Err *e);

#endif
