/* The internals of an Executor.
 *
 * Planning: executor_plan.c (nodes, shapes, gradients, slices), executor_choice.c (types and implementations),
 * executor_recompute.c (which nodes are recomputed), executor_memory.c (order of execution, memory).
 * Parameters: executor_parameters.c (packed copies, and parameters from a source).
 * Running: executor.c, executor_work.c (the device's work on a node), executor_io.c (inputs and outputs), executor_buckets.c
 * (reports of complete gradients), executor_check.c (finds values that are not finite).
 *
 * A run is a list of actions. First comes the forward pass of every node. Then, for each segment from the last to the
 * first: the forward pass once more of those nodes whose results were discarded, and the backward passes of its nodes.
 * Without recomputation there is one segment, and no forward pass runs twice. */
#ifndef NETWORK_EXECUTOR_EXECUTOR_INTERNAL_H
#define NETWORK_EXECUTOR_EXECUTOR_INTERNAL_H

#include "network/executor/executor.h"
#include "network/executor/memory_plan.h"
#include "network/graph/graph_internal.h"
#include "network/graph/node_regions.h"

/* The plan of one value of the graph. */
typedef struct ValuePlan {
    bool exists;            /* a node that runs reads or writes it */
    int producer;           /* the node that writes it; -1: an input */
    bool requested, seeded; /* a requested output; an output with a gradient seed */
    bool has_grad;
    bool has_parts;       /* other values are slices of this one */
    int whole;            /* the value in whose memory this one is stored: itself, unless it is a slice */
    int64_t channel;      /* its first channel in the whole */
    Lifetime lifetime[2]; /* of the data: as first computed; as recomputed */
    int data_block;       /* of a whole; -1: none. Values computed in place share a block */
    int grad_block;
} ValuePlan;

typedef enum Pass { PASS_FORWARD, PASS_AGAIN, PASS_BACKWARD, PASSES } Pass;

/* One step of a run. */
typedef struct Action {
    int node;
    Pass pass;
} Action;

typedef struct NodePlan {
    NodeDef definition; /* of the graph, or of several fused nodes; names and attr are borrowed */
    void *fused_attr;   /* owned: the attr of a fused node */
    bool exact;         /* float32: by the graph, or because no implementation has the run's precision */
    uint32_t refused;   /* bit k: prepare of the op's k-th implementation failed for this node */
    int segment;        /* the first node of its segment */
    bool runs_again;    /* recomputed: forward runs again before the backward passes of its segment */
    int step[PASSES];   /* index of its action; -1: none */
    int saved_block[NODE_SAVED], scratch_block[2]; /* -1: none */
} NodePlan;

/* A range of the flat gradients, complete after `action`. */
typedef struct Bucket {
    int64_t first, end;
    int action;
} Bucket;

struct Executor {
    const Graph *graph;
    const Device *device;
    Parameters *parameters;
    uint64_t seen_version;
    Node *nodes;     /* the nodes that run, in forward order */
    NodePlan *plans; /* one per node */
    int node_count;
    Tensor *tensors;   /* one per value of the graph */
    ValuePlan *values; /* likewise */
    Ref *outputs;
    int output_count;
    Gradients gradients;
    Action *actions; /* node_count forward passes, then the others */
    int action_count;
    Block *blocks;
    int block_count, block_capacity;
    char *arena, *own_arena; /* own_arena: NULL if the arena is the lender's */
    char *packed;            /* packed copies of the parameters, node by node; in the device's memory */
    float *direct;           /* parameters that nodes read as they are, from a source; in the device's memory */
    void **host_memory;      /* of the graph's inputs, then of the requested outputs; NULL: not requested so far, or the
                                memory of the values themselves */
    GradientBuckets buckets; /* complete NULL: no reports */
    Bucket *bucket_plan;
    int bucket_count;
    MemoryReport memory;
    bool repeats;         /* forward issues the same in each run: nothing is drawn, no other process takes part */
    Recording *recording; /* of forward; NULL: none so far */
    Err failure;          /* of a kernel, during a run */
};

static inline bool mask_has(uint32_t mask, int i) { return mask >> i & 1; }

/* Whether backward reads the data of input k or of output k. */
static inline bool backward_reads_input(const Node *node, int k)
{
    return node->has_backward &&
           (mask_has(node->op->keeps_inputs, k) || (node->trains_params && mask_has(node->op->keeps_for_params, k)));
}
static inline bool backward_reads_output(const Node *node, int k)
{
    return node->has_backward && mask_has(node->op->keeps_outputs, k);
}

/* Bytes of a value's data; its gradient takes as many. */
static inline size_t value_bytes(const Executor *x, int v)
{
    return (size_t)shape_count(x->tensors[v].shape) * dtype_size(x->tensors[v].dtype);
}

static inline bool value_is_plain(const Executor *x, int v)
{
    return x->values[v].whole == v && !x->values[v].has_parts;
}

/* Sets the types of all values and chooses the implementation of each node (executor_choice.c); part of executor_plan.
 * On entry the values must have the graph's types. Fails: ERR_UNSUPPORTED if no implementation of a node can run; the
 * message ends with `refusal`, the error of the last prepare that failed (its text may be empty). */
int executor_choose(Executor *x, const ExecutorOptions *o, const Err *refusal, Err *e);

/* Excludes the current implementation of node i from later calls of executor_choose. */
void executor_refuse(Executor *x, int i);

/* Divides the nodes into segments and chooses those to recompute (executor_recompute.c); part of executor_plan. Fails:
 * ERR_NOMEM. */
int executor_cut(Executor *x, Err *e);

/* Plans actions, lifetimes, blocks and the memory report (executor_memory.c); part of executor_plan. Fails: ERR_NOMEM.
 * */
int executor_place(Executor *x, Err *e);

/* Divides the gradients into buckets (executor_buckets.c); after executor_place. Fails: ERR_NOMEM. */
int executor_cut_buckets(Executor *x, Err *e);

/* Reports the buckets from *reported on that are complete after an action; advances *reported. Fails: as
 * GradientBuckets' complete. */
int executor_report_buckets(const Executor *x, int action, int *reported, Err *e);

/* Frees the memory of executor_input_memory and executor_output_memory. */
void executor_free_host_memory(Executor *x);

/* Adds the parameters to the memory report; part of executor_plan (executor_parameters.c). Fails: ERR_NOMEM. */
int executor_count_parameters(Executor *x, Err *e);

/* Allocates memory for packed copies, and gives the nodes their parameters. Those that have a source are read and packed.
 * Part of executor_new. Fails: ERR_NOMEM; ERR_UNSUPPORTED if the parameters are on another device; as the source. */
int executor_take_parameters(Executor *x, Err *e);

/* Updates the packed copies of the parameters if these have changed (executor_parameters.c). Fails: as executor_forward. */
int executor_refresh(Executor *x, Err *e);

/* Runs one action (executor.c). Fails: as executor_forward. */
int executor_run_action(Executor *x, int index, const Step *step, Err *e);

/* Begins the device's work on a node, which may access what its class says (executor_work.c). */
void executor_begin_work(const Executor *x, const Node *node, OpPass pass);

/* Tells the device which memory of the arena is not used any more after an action (executor_work.c). */
void executor_retire(const Executor *x, int action);

/* Ends the device's work on a node. Fails: with the failure of its kernel, else with that of the device
 * (executor_work.c). */
int executor_end_work(Executor *x, const Node *node, Err *e);

/* Plans everything; allocates no memory for values and sets no addresses. Part of executor_new. */
int executor_plan(Executor *x, const ExecutorOptions *o, Err *e);

#endif
