/* The inside of an Executor, shared by its planning (executor_plan.c) and its running (executor.c). */
#ifndef NETWORK_EXECUTOR_INTERNAL_H
#define NETWORK_EXECUTOR_INTERNAL_H

#include "network/executor.h"
#include "network/graph_internal.h"
#include "network/memory_plan.h"

/* What the plan knows of a value of the graph. */
typedef struct ValuePlan {
    bool exists;         /* some node that runs reads or writes it */
    int producer;        /* node that runs and writes it; -1: an input */
    bool asked, seeded;  /* an asked output; one where a gradient starts */
    bool has_grad;
    bool has_parts;      /* other values are slices of this one */
    int whole;           /* the value whose memory holds this one: itself, unless it is a slice */
    int64_t channel;     /* first channel inside the whole */
    int data_last;       /* last step that reads the data */
    int data_block;      /* of a whole; -1: none. In-place neighbours share one */
    int grad_block;
} ValuePlan;

typedef struct NodePlan {
    NodeDef definition;  /* the graph's, or what fuse_nodes made of several; names and attr are borrowed */
    void *fused_attr;    /* owned: the attr of a merged node */
    int saved_block[NODE_SAVED], scratch_block[2]; /* -1: none */
} NodePlan;

struct Executor {
    const Graph *graph;
    Parameters *parameters;
    uint64_t seen_version;
    Node *nodes;         /* those that run, in forward order */
    NodePlan *plans;     /* one per node */
    int node_count;
    Tensor *tensors;     /* one per value of the graph */
    ValuePlan *values;   /* likewise */
    Ref *outputs;
    int output_count;
    Gradients gradients;
    Block *blocks;
    int block_count, block_room;
    char *arena;
    MemoryReport memory;
};

/* Settles the types of all values and who computes each node (executor_choice.c); part of executor_plan.
 * Fails: ERR_UNSUPPORTED where nobody can. */
int executor_choose(Executor *x, const ExecutorOptions *o, Err *e);

/* Fills everything but addresses and the memory behind them; part of executor_new. */
int executor_plan(Executor *x, const ExecutorOptions *o, Err *e);

#endif
