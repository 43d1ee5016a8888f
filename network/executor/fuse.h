/* Op fusion: chains of ops become one op, which saves passes over memory.
 *
 * Models are built of unfused ops. At the start of planning an executor searches its nodes for the chains that ops can
 * fuse (OpFusion). The fused op is an op like any other, with the inputs and parameters of the whole chain. A chain is
 * not fused if one of its inner values is a requested output or is read by another node. */
#ifndef NETWORK_EXECUTOR_FUSE_H
#define NETWORK_EXECUTOR_FUSE_H

#include "network/executor/executor_internal.h"

/* Fuses nodes in x->plans and updates their number. Fails: ERR_NOMEM. */
int fuse_nodes(Executor *x, bool train, Err *e);

#endif
