/* Executor: a graph prepared to run with given sizes, outputs, mode and device. All memory is planned in advance.
 *
 *   ExecutorOptions o = {.outputs = &loss, .output_count = 1, .train = true};
 *   Executor *x;
 *   TRY(executor_new(&x, graph, parameters, &o, e));
 *   TRY(executor_feed(x, 0, images, e));
 *   TRY(executor_forward(x, &step, e));
 *   TRY(executor_fetch(x, 0, &value, e));
 *   TRY(executor_wait(x, e));                  // now value is valid
 *   TRY(executor_seed(x, 0, &one, e));
 *   TRY(executor_backward(x, &step, e));
 *   … executor_gradients(x) …
 *   executor_free(x);
 *
 * Values and gradients are in device memory (network/device/device.h). Callers copy values in and out with
 * executor_feed, executor_fetch and executor_seed. These may be asynchronous: the host memory passed to them must not
 * be used until executor_wait. Only the nodes that the requested outputs depend on are run. After executor_new only
 * executor_input_memory and executor_output_memory allocate memory. A library may also allocate memory, so a run can
 * fail; then the values in the executor are invalid until a later run succeeds. A device may record the forward pass of
 * inference in one run, and repeat it in the later ones (network/device/device.h). Only one thread at a time may use an
 * executor (it uses OpenMP inside). Several executors of one graph share Parameters.
 *
 * Parameters are packed: copied to the layouts and types that the implementations read. If the Parameters have values
 * in memory, these are packed again in the first run after each change. If they have a source (parameters.h), for
 * inference, executor_new reads and packs them, and nothing else of them is kept in memory. */
#ifndef NETWORK_EXECUTOR_EXECUTOR_H
#define NETWORK_EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "network/executor/parameters.h"
#include "network/graph/graph.h"
#include "network/graph/op.h"

typedef struct Executor Executor;

/* Reports while backward runs which gradients are already complete, so that their sum over ranks can start early. The
 * flat array of executor_gradients is divided into buckets, from its end to its start. In each backward pass `complete`
 * is called once for each bucket, in this order, after the work that writes the bucket's last gradient was issued. */
typedef struct GradientBuckets {
    size_t bytes; /* of a bucket, at least one element; the last bucket (at the start) may be smaller */
    /* gradients->values[first] … [end - 1] are final. Returns 0, or a negative code with e filled: then backward fails.
     * */
    int (*complete)(void *context, int64_t first, int64_t end, Err *e);
    void *context;
} GradientBuckets;

typedef struct ExecutorOptions {
    const Shape *inputs; /* one per graph input, channels as in the graph; NULL: the graph's nominal shapes */
    const Ref *outputs;  /* the requested outputs (borrowed during the call) */
    int output_count;
    bool train;                 /* training mode: drop path on, backward possible */
    uint32_t unseeded;          /* bit i: outputs[i] gets no gradient seed; it is only read */
    uint32_t input_gradients;   /* bit i: also compute the gradient of input i */
    const bool *trained;        /* per parameter: compute its gradient; NULL: for all used parameters */
    DType precision;            /* of activations and packed weights: DTYPE_F32 (default) or DTYPE_BF16 */
    bool recompute;             /* gradient checkpointing: most results of forward are discarded and recomputed for
                                   backward (executor_recompute.c): less memory, more time, the same values */
    const Executor *lender;     /* share its arena if that is large enough: then a run of one executor overwrites the
                                   results of the other. Must be freed after this one. NULL: allocate an arena */
    bool unfused;               /* run the graph's nodes as they are, without fusion (fuse.h) */
    const char *implementation; /* prefer implementations of this name ("portable" …); NULL: the fastest */
    const Device *device;       /* where to run; NULL: the CPU. Must outlive the executor */
    const Reduction *reduction; /* adds the loss's batch sums over all ranks, in each forward. Then every rank has the
                                   loss of the whole batch, and the gradients of the ranks have to be summed.
                                   NULL: there is one process. Must outlive the executor */
    const GradientBuckets *buckets; /* copied; NULL: no reports */
} ExecutorOptions;

/* Gradients of the trained parameters: one flat array in forward order. */
typedef struct Gradients {
    float *values; /* in the device's memory */
    int64_t count;
    int64_t *offset;      /* per parameter: index in values, or -1 (frozen or not used) */
    const Device *device; /* the executor's */
} Gradients;

/* The memory of an executor, in bytes. */
typedef struct MemoryReport {
    size_t arena;         /* activations, their gradients, saved and scratch memory; 0: shared with the lender */
    size_t without_reuse; /* size of the arena if no two blocks shared memory */
    size_t parameters;    /* the float32 parameters (shared by the executors of a graph); not in memory with a source */
    size_t parameter_gradients;
    size_t packed;  /* copies of parameters in the layouts that the implementations use */
    size_t direct;  /* parameters that the implementations read as they are */
    size_t reading; /* with a source: more during executor_new, when the arena is not in use */
} MemoryReport;

/* What inference takes, where the Parameters have a source; what training takes, with the optimizer's `moments` values for
 * each gradient. */
static inline size_t memory_of_inference(MemoryReport m) { return m.arena + m.packed + m.direct; }
static inline size_t memory_of_training(MemoryReport m, size_t moments)
{
    return m.arena + m.parameters + m.packed + (1 + moments) * m.parameter_gradients;
}

/* parameters NULL: only plans, to query operation counts and memory; such an executor has no memory for values, and
 * cannot run. Fails: ERR_SHAPE (sizes that do not match, with the node's name), ERR_NOMEM; ERR_UNSUPPORTED, also for
 * training with Parameters that have a source; as the source. */
int executor_new(Executor **x, const Graph *g, Parameters *parameters, const ExecutorOptions *o, Err *e);
void executor_free(Executor *x);

/* Copies the values of the index-th graph input from host memory: dense, with the executor's sizes. To be called before
 * every forward, which may overwrite the input. Ignored for an input that no requested output depends on. Fails: as the
 * device's copy. */
int executor_feed(Executor *x, int index, const void *host, Err *e);

/* The same from memory of the executor's device, which must not change until executor_wait. */
int executor_feed_on_device(Executor *x, int index, const void *memory, Err *e);

/* Copies the values of the index-th requested output, as the last forward computed them, to host memory, dense. They
 * are valid after executor_wait. Fails: as the device's copy. */
int executor_fetch(Executor *x, int index, void *host, Err *e);

/* Copies the gradient of an output from host memory: dense, of the output's type. To be called before every backward,
 * which may overwrite it; forward does not. Fails: as the device's copy. */
int executor_seed(Executor *x, int index, const void *host, Err *e);

/* Waits until the device has finished all work. Fails: with the device's error. */
int executor_wait(Executor *x, Err *e);

/* Host memory for the values of an input or output, owned by the executor; the same in every call. If the device shares
 * the host's memory, it is the memory of the values themselves, and feeding from it or fetching into it copies nothing.
 * NULL: failed (ERR_NOMEM), or no requested output depends on that input. */
void *executor_input_memory(Executor *x, int index, Err *e);
void *executor_output_memory(Executor *x, int index, Err *e);

Shape executor_output_shape(const Executor *x, int index);
Shape executor_input_shape(const Executor *x, int index);
const Gradients *executor_gradients(const Executor *x);

/* Backward must get the same step as the forward before it. Fail: ERR_NOMEM, ERR_UNSUPPORTED (reported by oneDNN;
 * onednn.h), with the node's name. */
int executor_forward(Executor *x, const Step *step, Err *e);
int executor_backward(Executor *x, const Step *step, Err *e);

/* Finds the node from which a loss that is not finite comes. Runs forward and, for an executor in training mode (whose
 * gradient seeds must be set), backward, and checks what each node writes: *found is the first node with a value that
 * is not finite, or NULL. Slow. Fails: as executor_forward. */
int executor_first_nonfinite(Executor *x, const Step *step, const Node **found, bool *in_backward, Err *e);

/* Inspection (for network_info and tests). Pointers in nodes and tensors are to device memory. executor_input returns
 * NULL for an input that no requested output depends on. */
Tensor *executor_input(Executor *x, int index);
Tensor *executor_output(Executor *x, int index);
int executor_node_count(const Executor *x);
const Node *executor_node(const Executor *x, int index);
MemoryReport executor_memory(const Executor *x);

/* Run one node (for bench): forward in ascending order of nodes; backward in descending order, only for nodes with
 * has_backward. Only after a complete executor_forward with the current parameters, and without recompute. */
int executor_forward_node(Executor *x, int index, const Step *step, Err *e);
int executor_backward_node(Executor *x, int index, const Step *step, Err *e);

/* Whether executors on that device (NULL: the CPU) support that precision. */
bool executor_supports(DType precision, const Device *device);

/* What computes here: "SIMD level avx2, oneDNN 2.6.3"; for --version with a second line, whether GPUs are in this build. */
enum { EXECUTOR_ENGINE_BYTES = 80, EXECUTOR_BUILD_BYTES = 160 };
const char *executor_engine(char text[EXECUTOR_ENGINE_BYTES]);
const char *executor_build(char text[EXECUTOR_BUILD_BYTES]);

#endif
