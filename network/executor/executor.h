/* Executor: a graph prepared for given sizes, outputs, mode and device, in memory planned beforehand.
 *
 *   ExecutorOptions o = {.outputs = &loss, .output_count = 1, .train = true};
 *   Executor *x;
 *   TRY(executor_new(&x, graph, parameters, &o, e));
 *   TRY(executor_feed(x, 0, images, e));
 *   TRY(executor_forward(x, &step, e));
 *   TRY(executor_fetch(x, 0, &value, e));
 *   TRY(executor_wait(x, e));                  // now value is there
 *   TRY(executor_seed(x, 0, &one, e));
 *   TRY(executor_backward(x, &step, e));
 *   … executor_gradients(x) …
 *   executor_free(x);
 *
 * Values and gradients lie in the device's memory (network/device/device.h): callers give and take numbers by these
 * calls. What they are given of host memory is the executor's until executor_wait.
 * Only the nodes that the asked outputs need are run. The executor allocates nothing after executor_new, but for
 * executor_input_memory and executor_output_memory. A library may allocate, and then a run can fail: what the executor
 * holds is no result until the next run succeeds. One executor is used by one thread at a time (it uses OpenMP
 * inside); several executors of one graph share Parameters. */
#ifndef NETWORK_EXECUTOR_EXECUTOR_H
#define NETWORK_EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "network/executor/parameters.h"
#include "network/graph/graph.h"
#include "network/graph/op.h"

typedef struct Executor Executor;

/* Tells where gradients are complete while backward still runs, so that they can be added over ranks meanwhile: the
 * flat arena of executor_gradients is cut into buckets from its end to its front, and each is told once in a backward
 * pass, in that order, behind the work that writes the last of its gradients. */
typedef struct GradientBuckets {
    size_t bytes;               /* of a bucket, at least one number; the one at the front is what is left */
    /* gradients->values[first] … [end - 1] are final. 0, or negative with e filled: backward fails. */
    int (*complete)(void *context, int64_t first, int64_t end, Err *e);
    void *context;
} GradientBuckets;

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
    const Device *device;       /* where to run; NULL: the CPU. Outlives the executor */
    const Reduction *reduction; /* sums of a loss over the whole batch are added over the ranks by it, in each forward;
                                   then the loss is the whole batch's on every rank, and the ranks' gradients are parts
                                   of a sum. NULL: there is one process. Borrowed while the executor is there */
    const GradientBuckets *buckets; /* NULL: not told. Copied */
} ExecutorOptions;

/* Gradients of the trained parameters in forward order, one flat arena. */
typedef struct Gradients {
    float *values;              /* in the device's memory */
    int64_t count;
    int64_t *offset;            /* per parameter: place in values, or -1 (frozen or never used) */
    const Device *device;       /* the executor's */
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

/* Gives the index-th graph input its values, from host memory: dense, of the executor's sizes. To be done before every
 * forward, which may put other values in their place. An input that no asked output needs is passed over. Fails: as the
 * device's copy. */
int executor_feed(Executor *x, int index, const void *host, Err *e);

/* Takes the values of the index-th asked output to host memory, dense; there after executor_wait. They are the last
 * forward's. Fails: as the device's copy. */
int executor_fetch(Executor *x, int index, void *host, Err *e);

/* Gives a seeded output its gradient, from host memory: dense, of the output's type. To be done before every backward,
 * which may destroy it (forward leaves it alone). Fails: as the device's copy. */
int executor_seed(Executor *x, int index, const void *host, Err *e);

/* Waits until all that was asked of the device is done. Fails: with what the device could not do. */
int executor_wait(Executor *x, Err *e);

/* Host memory for an input's or output's values, the same in every call; the executor's. Where the device shares the
 * host's memory it is the place of the values, and to feed from it or to fetch into it copies nothing. NULL: failed
 * (ERR_NOMEM), or no asked output needs that input. */
void *executor_input_memory(Executor *x, int index, Err *e);
void *executor_output_memory(Executor *x, int index, Err *e);

Shape executor_output_shape(const Executor *x, int index);
Shape executor_input_shape(const Executor *x, int index);
const Gradients *executor_gradients(const Executor *x);

/* Backward is given forward's step. Fails: ERR_NOMEM, ERR_UNSUPPORTED (what oneDNN reports; onednn.h), with the
 * node's name. */
int executor_forward(Executor *x, const Step *step, Err *e);
int executor_backward(Executor *x, const Step *step, Err *e);

/* Runs forward and, where backward is possible (gradient seeds in place), backward, looking at what each
 * node writes: found is the first node with a number that is not finite, or NULL. Slow; says where a loss broke.
 * Fails as they do. */
int executor_first_nonfinite(Executor *x, const Step *step, const Node **found, bool *in_backward, Err *e);

/* Looking in (network_info, tests). The addresses in nodes and tensors are the device's. An input that no asked output
 * needs is NULL. */
Tensor *executor_input(Executor *x, int index);
Tensor *executor_output(Executor *x, int index);
int executor_node_count(const Executor *x);
const Node *executor_node(const Executor *x, int index);
MemoryReport executor_memory(const Executor *x);

/* One node of a run, in the order of executor_forward and executor_backward (which leaves out nodes without
 * has_backward); only after a whole executor_forward with the present parameters, without recompute (bench). */
int executor_forward_node(Executor *x, int index, const Step *step, Err *e);
int executor_backward_node(Executor *x, int index, const Step *step, Err *e);

/* Whether executors on that device (NULL: the CPU) can have that precision. */
bool executor_supports(DType precision, const Device *device);

/* What computes here, for --version: "SIMD level avx2, oneDNN 2.6.3". */
enum { EXECUTOR_ENGINE_BYTES = 80 };
const char *executor_engine(char text[EXECUTOR_ENGINE_BYTES]);

#endif
