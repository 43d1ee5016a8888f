/* The inside of an Executor, shared by its planning (executor_plan.c: what runs on what; executor_choice.c: who
 * computes it; executor_recompute.c: what runs twice; executor_memory.c: when, and where everything lies) and
 * its running (executor.c; executor_io.c: what goes in and out; executor_buckets.c: when gradients are complete;
 * executor_check.c: where a number stops being finite).
 *
 * One run is a list of actions: every node's forward, then for each segment from the last to the first the
 * forward, again, of the nodes whose results were not kept, and the backward passes. Without recomputation
 * there is one segment, and nothing runs again. */
#ifndef NETWORK_EXECUTOR_EXECUTOR_INTERNAL_H
#define NETWORK_EXECUTOR_EXECUTOR_INTERNAL_H

#include "network/executor/executor.h"
#include "network/executor/memory_plan.h"
#include "network/graph/graph_internal.h"

/* What the plan knows of a value of the graph. */
typedef struct ValuePlan {
    bool exists;         /* some node that runs reads or writes it */
    int producer;        /* node that runs and writes it; -1: an input */
    bool asked, seeded;  /* an asked output; one where a gradient starts */
    bool has_grad;
    bool has_parts;      /* other values are slices of this one */
    int whole;           /* the value whose memory holds this one: itself, unless it is a slice */
    int64_t channel;     /* first channel inside the whole */
    Life life[2];        /* of the data: as computed at first; as computed again */
    int data_block;      /* of a whole; -1: none. In-place neighbours share one */
    int grad_block;
} ValuePlan;

typedef enum Pass { PASS_FORWARD, PASS_AGAIN, PASS_BACKWARD, PASSES } Pass;

/* What happens at one step of a run. */
typedef struct Action {
    int node;
    Pass pass;
} Action;

typedef struct NodePlan {
    NodeDef definition;  /* the graph's, or what fuse_nodes made of several; names and attr are borrowed */
    void *fused_attr;    /* owned: the attr of a merged node */
    bool exact;          /* computes in float32: as defined, or for lack of an implementation in the run's precision */
    uint32_t refused;    /* bit k: the k-th implementation of the op's list could not be prepared for this node */
    int segment;         /* the first node of the segment that it belongs to */
    bool runs_again;     /* forward runs a second time, before the backward passes of its segment */
    int step[PASSES];    /* when; -1: never */
    int saved_block[NODE_SAVED], scratch_block[2]; /* -1: none */
} NodePlan;

/* A part of the flat gradients: complete after that action. */
typedef struct Bucket {
    int64_t first, end;
    int action;
} Bucket;

struct Executor {
    const Graph *graph;
    const Device *device;
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
    Action *actions;     /* node_count times forward, then the rest */
    int action_count;
    Block *blocks;
    int block_count, block_room;
    char *arena, *own_arena; /* own: NULL where it is the lender's */
    void **host_memory;      /* of the graph's inputs, then of the asked outputs; NULL: not asked for, or the values' own
                                place */
    GradientBuckets buckets; /* complete NULL: not told */
    Bucket *bucket_plan;
    int bucket_count;
    MemoryReport memory;
    Err failure;         /* a kernel's, during a run */
};

static inline bool mask_has(uint32_t mask, int i) { return mask >> i & 1; }

/* Whether backward reads that input's, that output's data. */
static inline bool backward_reads_input(const Node *node, int k)
{
    return node->has_backward && (mask_has(node->op->keeps_inputs, k) ||
                                  (node->trains_params && mask_has(node->op->keeps_for_params, k)));
}
static inline bool backward_reads_output(const Node *node, int k)
{
    return node->has_backward && mask_has(node->op->keeps_outputs, k);
}

/* Of a value's data, and of its gradient. */
static inline size_t value_bytes(const Executor *x, int v)
{
    return (size_t)shape_count(x->tensors[v].shape) * dtype_size(x->tensors[v].dtype);
}

static inline bool value_is_plain(const Executor *x, int v)
{
    return x->values[v].whole == v && !x->values[v].has_parts;
}

/* Settles the types of all values and the implementation of each node (executor_choice.c); part of executor_plan.
 * Needs the values' types as the graph has them. Fails: ERR_UNSUPPORTED where a node has no implementation that can
 * run; the message ends with `refusal`, the reason of the latest refusal (its text may be empty). */
int executor_choose(Executor *x, const ExecutorOptions *o, const Err *refusal, Err *e);

/* Strikes the implementation that node i has from those that executor_choose gives it. */
void executor_refuse(Executor *x, int i);

/* Cuts the nodes into segments and settles which run again (executor_recompute.c); part of executor_plan.
 * Fails: ERR_NOMEM. */
int executor_cut(Executor *x, Err *e);

/* Fills actions, lives, blocks and the report (executor_memory.c); the last part of executor_plan.
 * Fails: ERR_NOMEM. */
int executor_place(Executor *x, Err *e);

/* Cuts the gradients into buckets (executor_buckets.c); after executor_place. Fails: ERR_NOMEM. */
int executor_cut_buckets(Executor *x, Err *e);

/* Tells the buckets from *told on that are complete after an action. Fails: as GradientBuckets' complete. */
int executor_tell_buckets(const Executor *x, int action, int *told, Err *e);

/* Frees what executor_input_memory and executor_output_memory made. */
void executor_free_host_memory(Executor *x);

/* Runs one action; brings what the operations made of the parameters up to date (executor.c). Fail: as
 * executor_forward. */
int executor_run_action(Executor *x, int index, const Step *step, Err *e);
int executor_refresh(Executor *x, Err *e);

/* Fills everything but addresses and the memory behind them; part of executor_new. */
int executor_plan(Executor *x, const ExecutorOptions *o, Err *e);

#endif
