/* Executor: a graph prepared for given sizes, outputs, mode and device, in memory planned beforehand.
 *
 *   ExecutorOptions o = {.outputs = &loss, .output_count = 1, .train = true};
 *   Executor *x;
 *   TRY(executor_new(&x, graph, parameters, &o, e));
 *   … write executor_input(x, 0)->data, and once executor_output(x, 0)'s gradient seed …
 *   TRY(executor_forward(x, &step, e));
 *   TRY(executor_backward(x, &step, e));
 *   … executor_gradients(x) …
 *   executor_free(x);
 *
 * Only the nodes that the asked outputs need are run. We allocate nothing after executor_new. A
 * library may, and then a run can fail: what the executor holds is no result until the next run succeeds. One executor is used by one thread at a time (it uses OpenMP inside); several executors
 * of one graph share Parameters. */
#ifndef NETWORK_EXECUTOR_EXECUTOR_H
#define NETWORK_EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "network/executor/parameters.h"
#include "network/graph/graph.h"
#include "network/graph/op.h"

typedef struct Executor Executor;

typedef struct ExecutorOptions {
    const Shape *inputs;        /* one per graph input, channels as defined; NULL: the nominal ones */
    const Ref *outputs;         /* what is wanted (borrowed during the call) */
    int output_count;
    bool train;                 /* training mode: drop path on, backward possible */
    uint32_t unseeded;          /* bit i: outputs[i] is only looked at, no gradient starts there */
    uint32_t input_gradients;   /* bit i: the gradient of input i is wanted too */
    const bool *trained;        /* per parameter; NULL: all that are used */
    DType precision;            /* of activations and packed weights: DTYPE_F32 (default) or DTYPE_BF16 */
    bool recompute;             /* less memory, more time, the same numbers: most results of forward are
                                   given up, and computed again for backward (executor_recompute.c) */
    const Executor *lender;     /* its arena serves this one too, where it is large enough: a run of one destroys
                                   the results of the other's. It is freed last. NULL: an arena of its own */
    bool unfused;               /* run the graph's own nodes: nothing is merged (fuse.h) */
    const char *implementation; /* prefer impls of this name ("portable" …); NULL: the fastest */
} ExecutorOptions;

/* Gradients of the trained parameters in forward order, one flat arena. */
typedef struct Gradients {
    float *values;
    int64_t count;
    int64_t *offset;            /* per parameter: place in values, or -1 (frozen or never used) */
} Gradients;

/* Bytes of the plan. */
typedef struct MemoryReport {
    size_t arena;               /* activations, their gradients, saved and scratch memory; 0: the lender's */
    size_t without_reuse;       /* the same with a place of its own for everything */
    size_t parameters;          /* master parameters (shared by the executors of a graph) */
    size_t parameter_gradients;
    size_t packed;              /* the operations' own copies of parameters, in the layouts they like */
} MemoryReport;

/* parameters NULL: the plan alone is made (for counts and memory); such an executor cannot run.
 * Fails: ERR_SHAPE (sizes that do not fit, with the node's name), ERR_NOMEM, ERR_UNSUPPORTED. */
int executor_new(Executor **x, const Graph *g, Parameters *parameters, const ExecutorOptions *o, Err *e);
void executor_free(Executor *x);

/* Dense; NULL if no asked output needs that input. To be written before every forward, which may put other values in
 * its place. */
Tensor *executor_input(Executor *x, int index);

/* The index-th asked output. data is valid from forward to the next forward; the caller writes grad (dense
 * or by pitch) of every seeded output before each backward (forward leaves it alone), which may destroy it. */
Tensor *executor_output(Executor *x, int index);
const Gradients *executor_gradients(const Executor *x);

/* Backward is given forward's step. Fails: ERR_NOMEM, ERR_UNSUPPORTED (what oneDNN reports; onednn.h), with the
 * node's name. */
int executor_forward(Executor *x, const Step *step, Err *e);
int executor_backward(Executor *x, const Step *step, Err *e);

/* Runs forward and, where backward is possible (gradient seeds in place), backward, looking at what each
 * node writes: found is the first node with a number that is not finite, or NULL. Slow; says where a loss broke.
 * Fails as they do. */
int executor_first_nonfinite(Executor *x, const Step *step, const Node **found, bool *in_backward, Err *e);

/* Looking in (network_info, tests). */
int executor_node_count(const Executor *x);
const Node *executor_node(const Executor *x, int index);
MemoryReport executor_memory(const Executor *x);

/* One node of a run, in the order of executor_forward and executor_backward (which leaves out nodes without
 * has_backward); only after a whole executor_forward with the present parameters, without recompute (bench). */
int executor_forward_node(Executor *x, int index, const Step *step, Err *e);
int executor_backward_node(Executor *x, int index, const Step *step, Err *e);

/* Whether executors can have that precision on this CPU. */
bool executor_supports(DType precision);

#endif
