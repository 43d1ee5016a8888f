/* Fusing: neighbouring plain ops of a graph become one op where that saves passes over memory.
 *
 * Models build plain ops only. Before an executor decides anything, one pass over its nodes looks for the
 * chains that ops offer to take over (OpFusion); the merged op is an op like any other, with the parameters
 * and inputs of the whole chain. Nothing is merged over a value that is asked for or read elsewhere. */
#ifndef NETWORK_EXECUTOR_FUSE_H
#define NETWORK_EXECUTOR_FUSE_H

#include "network/executor/executor_internal.h"

enum { FUSE_CHAIN = 3 };

/* A chain that a merged op computes. Every op but the last has one output, read by the next alone; what the
 * others read besides become further inputs, in order. */
typedef struct OpFusion {
    const char *chain[FUSE_CHAIN];  /* class names */
    uint32_t at[FUSE_CHAIN];        /* bit i: the chain may go on through that op's input i */
    const OpClass *fused;
    size_t attr_bytes;
    /* Fills the merged op's attr from the chain's; false: these cannot be merged. */
    bool (*merge)(void *attr, const void *const *attrs, bool train);
} OpFusion;

extern const OpFusion fuse_norm_add_act, fuse_norm_act;

/* Merges nodes in x->plans and counts them anew. Fails: ERR_NOMEM. */
int fuse_nodes(Executor *x, bool train, Err *e);

#endif
