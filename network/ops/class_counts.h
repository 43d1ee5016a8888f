/* The attributes of the op "class_counts" (class_counts.c). Only for files in network/ops. */
#ifndef NETWORK_OPS_CLASS_COUNTS_H
#define NETWORK_OPS_CLASS_COUNTS_H

#include "network/ops/ops.h"

typedef struct CountsRule {
    int ignore_label; /* -1: none */
    bool has_regions;
    uint64_t regions[LOSS_LABELS]; /* as DiceBCE's */
} CountsRule;

#endif
