/* OpFusion: a chain of ops that a single op can compute. executor/fuse.h replaces such chains. */
#ifndef NETWORK_GRAPH_FUSION_H
#define NETWORK_GRAPH_FUSION_H

#include "network/graph/op.h"

enum { FUSE_CHAIN = 3 };

/* A chain of ops and the fused op that computes it. Each op except the last has one output, which only the next op of
 * the chain reads. The other inputs of the chain's ops become inputs of the fused op, in order. */
typedef struct OpFusion {
    const OpClass *chain[FUSE_CHAIN]; /* NULL after the last op of a shorter chain */
    uint32_t at[FUSE_CHAIN];          /* bit i: that op may read its predecessor's output as its input i */
    const OpClass *fused;
    size_t attr_bytes;
    /* Fills the fused op's attr from those of the chain's ops. False: these cannot be fused. */
    bool (*merge)(void *attr, const void *const *attrs, bool train);
} OpFusion;

#endif
