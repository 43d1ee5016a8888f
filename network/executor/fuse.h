/* Fusing: neighbouring plain ops of a graph become one op where that saves passes over memory.
 *
 * Models build plain ops only. Before an executor decides anything, one pass over its nodes looks for the
 * chains that ops offer to take over (OpFusion); the merged op is an op like any other, with the parameters
 * and inputs of the whole chain. Nothing is merged over a value that is asked for or read elsewhere. */
#ifndef NETWORK_EXECUTOR_FUSE_H
#define NETWORK_EXECUTOR_FUSE_H

#include "network/executor/executor_internal.h"

/* Merges nodes in x->plans and counts them anew. Fails: ERR_NOMEM. */
int fuse_nodes(Executor *x, bool train, Err *e);

#endif
