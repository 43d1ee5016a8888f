/* What an op offers to compute in place of several plain ops (executor/fuse.h does the merging). */
#ifndef NETWORK_GRAPH_FUSION_H
#define NETWORK_GRAPH_FUSION_H

#include "network/graph/op.h"

enum { FUSE_CHAIN = 3 };

/* A chain that a merged op computes. Every op but the last has one output, read by the next alone; what the
 * others read besides become further inputs, in order. */
typedef struct OpFusion {
    const OpClass *chain[FUSE_CHAIN]; /* NULL behind the last of a shorter one */
    uint32_t at[FUSE_CHAIN];          /* bit i: the chain may go on through that op's input i */
    const OpClass *fused;
    size_t attr_bytes;
    /* Fills the merged op's attr from the chain's; false: these cannot be merged. */
    bool (*merge)(void *attr, const void *const *attrs, bool train);
} OpFusion;

#endif
