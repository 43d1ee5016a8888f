/* The attributes of an instance or group norm (instance_norm.c). */
#ifndef NETWORK_OPS_NORM_H
#define NETWORK_OPS_NORM_H

#include <stdint.h>

typedef struct Norm {
    int64_t group; /* channels that are normalised together */
    float slope;   /* of the activation, 0 … 1; 1: none */
} Norm;

#endif
