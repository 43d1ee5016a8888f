/* Reference implementation of convolutions and linear layers: direct loops with sums in double precision, about twenty
 * times slower than oneDNN. It runs where oneDNN has no kernel, or if an executor's options prefer "plain": for
 * comparisons that need smaller rounding errors than single-precision sums have. */
#ifndef NETWORK_OPS_PLAIN_H
#define NETWORK_OPS_PLAIN_H

#include "network/graph/op.h"

extern const OpImpl plain_convolution; /* for nodes whose attr is a ConvAttr (convolution.h) */
extern const OpImpl plain_linear;

#endif
