/* What Conv2d and ConvTranspose2d share: both are the same three oneDNN primitives with other shapes.
 * A node's attr is a DnnConv (its shapes are filled when the node is prepared). */
#ifndef NETWORK_OPS_CONVOLUTION_H
#define NETWORK_OPS_CONVOLUTION_H

#include "network/graph/op.h"
#include "network/ops/onednn.h"

extern const OpImpl *const convolution_list[];

#endif
