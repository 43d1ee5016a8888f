/* What Conv2d and ConvTranspose2d share: the attr of their nodes, checks, and implementations. */
#ifndef NETWORK_OPS_CONVOLUTION_H
#define NETWORK_OPS_CONVOLUTION_H

#include "network/graph/op.h"
#include "network/ops/ops.h"

typedef struct ConvAttr {
    Conv conv;
    bool transposed; /* weight (in, out, ky, kx) instead of (out, in, ky, kx) */
} ConvAttr;

/* Whether conv is one, and the input has as many channels as the node's weight expects. Fails: ERR_SHAPE. */
int convolution_check(const Node *node, Err *e);

extern const OpImpl *const convolution_list[];

#endif
