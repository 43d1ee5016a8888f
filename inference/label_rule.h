/* Label rule: labels of pixels from their logits or probabilities (nnU-Net's label manager; docs/reference.md, Labels).
 *
 * Without regions there is a class per head: softmax, and the first class with the largest value. With regions: sigmoid,
 * and the last region above one half, in the order of regions_class_order. */
#ifndef INFERENCE_LABEL_RULE_H
#define INFERENCE_LABEL_RULE_H

#include <stdint.h>

#include "base/array.h"
#include "plans/dataset_json.h"
#include "preprocess/volume.h"

/* probabilities (pixels, heads) of logits of the same shape; both may be the same array. */
void probabilities_of_logits(float *probabilities, const float *logits, int64_t pixels, const DatasetInfo *info);

/* The pixels' labels by their logits, or by their probabilities (pixels, heads). */
void labels_of_logits(uint16_t *labels, const float *logits, int64_t pixels, const DatasetInfo *info);
void labels_of_probabilities(uint16_t *labels, const float *probabilities, int64_t pixels, const DatasetInfo *info);

/* Probabilities (heads) of a pixel outside the predicted box: 1 for the background. */
void probabilities_outside(float *probabilities, const DatasetInfo *info);

/* The type of label images: uint8, or uint16 from 255 foreground labels on. */
DType label_dtype(const DatasetInfo *info);

/* Writes row y of slice z (shape[2] labels) of an image of such a type. */
void label_row_put(const Volume *image, int64_t z, int64_t y, const uint16_t *labels);

#endif
