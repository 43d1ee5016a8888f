/* The attributes of a weighted sum (weighted_sum.c). */
#ifndef NETWORK_OPS_WEIGHTED_SUM_H
#define NETWORK_OPS_WEIGHTED_SUM_H

#include "network/graph/op.h"

typedef struct SumWeights {
    double of[NODE_INPUTS];
    int count; /* of terms */
} SumWeights;

#endif
