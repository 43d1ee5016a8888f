/* Convolutions and linear layers as their equations read, summed in double precision: what is left where
 * oneDNN has no kernel, and what runs where an executor's options prefer "plain": for comparisons that the
 * rounding of long single-precision sums would disturb. Some twenty times slower than oneDNN. */
#ifndef NETWORK_OPS_PLAIN_H
#define NETWORK_OPS_PLAIN_H

#include "network/graph/op.h"

extern const OpImpl plain_convolution; /* of a node whose attr is a ConvAttr (convolution.h) */
extern const OpImpl plain_linear;

#endif
