/* Readers: nnU-Net's names of what reads images (image_reader_writer of a plan, overwrite_image_reader_writer of
 * dataset.json), and what they mean here: in which order of axes a volume reaches the network. Every format is read
 * by its ending, whatever the name. Source: nnunetv2/imageio of nnU-Net 2.8.1. */
#ifndef PLANS_READERS_H
#define PLANS_READERS_H

#include "base/error.h"

typedef enum ReaderAxes {
    READER_STORED,        /* as the file stores them */
    READER_RAS,           /* turned to RAS+; a volume without orientation stays as it is stored */
    READER_RAS_NIBABEL,   /* the same; without orientation, x is taken to run to the left, as nibabel does */
    READER_RAS_ITK        /* the same; x is taken to run to the left and y to the back, as ITK does */
} ReaderAxes;

/* Fails: ERR_VALUE for a name that nnU-Net 2.8 does not have, with `key`, the list and the nearest one. */
int reader_axes(ReaderAxes *axes, const char *name, const char *key, Err *e);

#endif
