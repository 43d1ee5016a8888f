/* The common part of Conv2d and ConvTranspose2d: the attr of their nodes, checks, and implementations. */
#ifndef NETWORK_OPS_CONVOLUTION_H
#define NETWORK_OPS_CONVOLUTION_H

#include "network/graph/op.h"
#include "network/ops/ops.h"

typedef struct ConvAttr {
    Conv conv;
    bool transposed; /* weight (in, out, ky, kx) instead of (out, in, ky, kx) */
    bool direct;     /* graph_direct */
} ConvAttr;

/* Checks kernel, stride and padding, and that the input has as many channels as the weight expects. Fails: ERR_SHAPE.
 * */
int convolution_check(const Node *node, Err *e);

extern const OpImpl *const convolution_list[];

#endif
