/* The gradient of a bias: the sums of a gradient over the pixels. */
#ifndef NETWORK_OPS_PIXEL_SUMS_H
#define NETWORK_OPS_PIXEL_SUMS_H

#include "network/graph/op.h"

/* Sums the gradient of y (borrowed) over its pixels: sums (c) is written. The same bits for any number of threads. */
void pixel_sums(const Tensor *y, float *sums);

#endif
