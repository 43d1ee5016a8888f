/* From the outputs of a pixel to its probabilities and its label (nnU-Net's LabelManager; FACTS section 8). */
#ifndef INFERENCE_LABEL_RULE_H
#define INFERENCE_LABEL_RULE_H

#include "plans/dataset_json.h"

/* logits (heads) to probabilities (heads), in float32: softmax, or with regions the sigmoid of each. */
void label_probabilities(const DatasetInfo *info, int heads, const float *logits, float *probabilities);

/* The label that logits, or probabilities, (heads) stand for: the first of the largest; with regions the last
 * in regions_class_order whose probability is above one half, else 0. */
int label_of_logits(const DatasetInfo *info, int heads, const float *logits);
int label_of_probabilities(const DatasetInfo *info, int heads, const float *probabilities);

#endif
