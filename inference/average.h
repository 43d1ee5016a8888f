/* Average: label images from the probabilities that several models saved (inference/probabilities.h). */
#ifndef INFERENCE_AVERAGE_H
#define INFERENCE_AVERAGE_H

#include "inference/probabilities.h"

enum { AVERAGE_MEMBERS = 64 };

/* The case's labels by the mean of its probabilities in all folders: new, uint8 or uint16 (Z,Y,X) with the
 * axes of its file, the caller's. A row at a time is in memory. Fails: as probabilities_read; ERR_SHAPE where
 * the members differ in shape or order of axes; ERR_VALUE for more than AVERAGE_MEMBERS. */
int average_labels(Array *labels, const char *const *folders, int folder_count, const char *id,
                   const DatasetInfo *info, Err *e);

#endif
