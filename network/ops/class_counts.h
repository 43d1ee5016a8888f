/* The attributes of the op "class_counts" (class_counts.c). Only for files in network/ops. */
#ifndef NETWORK_OPS_CLASS_COUNTS_H
#define NETWORK_OPS_CLASS_COUNTS_H

#include "network/ops/loss_labels.h"

typedef struct CountsRule {
    int ignore_label; /* -1: none */
    bool has_regions;
    bool of_images;                /* the class of an image is the label of its middle, less 1; label 0: not counted */
    uint64_t regions[LOSS_LABELS]; /* as DiceBCE's */
} CountsRule;

/* The label that counts at a pixel (of all images) of the logits; -1: none. Outside the image is background. */
HOST_DEVICE static inline int counted_label(const CountsRule *rule, const int16_t *labels, Shape full, Shape logits,
                                            int64_t pixel)
{
    if (rule->of_images) return loss_label(labels, full, logits, pixel) - 1;
    return labels[pixel] > 0 ? labels[pixel] : 0;
}

#endif
