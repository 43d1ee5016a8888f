/* Average: label images from the probabilities that several models saved (inference/probabilities.h). */
#ifndef INFERENCE_AVERAGE_H
#define INFERENCE_AVERAGE_H

#include "inference/probabilities.h"

enum { AVERAGE_MEMBERS = 64 };

/* Computes the labels of a case from the mean of its probabilities in all folders. labels: a new array, uint8 or uint16
 * (Z,Y,X), with the axes of the image file; owned by the caller. Only some rows of the mean are in memory at a time; all threads work on them. Fails:
 * as probabilities_read; ERR_SHAPE if the members differ in shape or order of axes; ERR_VALUE for more than
 * AVERAGE_MEMBERS folders. */
int average_labels(Array *labels, const char *const *folders, int folder_count, const char *id, const DatasetInfo *info,
                   Err *e);

#endif
