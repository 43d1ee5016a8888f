/* What an operation is (OpClass) apart from how a device or a SIMD level does it (OpImpl).
 *
 * One op, one file in network/ops/, both passes. A file that names OP_IMPL is compiled once for each
 * SIMD level; its class and builder stand under `#ifdef SIMD_BASE` and exist once. An op sees only
 * its Node: tensors, parameters, saved and scratch memory, all owned and placed by the executor. */
#ifndef NETWORK_GRAPH_OP_H
#define NETWORK_GRAPH_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/simd_level.h"
#include "network/device/device.h"
#include "network/graph/graph.h"

enum { NODE_INPUTS = 8, NODE_OUTPUTS = 2, NODE_PARAMS = 6, NODE_SAVED = 3 };

/* A value inside an executor. Pixel p (0 … n·h·w-1) starts at data + p · pitch; its channels are dense.
 * pitch > c where the value is a slice of a wider one (only for ops whose impl says it takes that). */
typedef struct Tensor {
    Shape shape;
    DType dtype;
    int64_t pitch; /* elements from pixel to pixel, of data and of grad */
    void *data;
    void *grad;    /* same type and layout; NULL where none is wanted */
} Tensor;

/* All that a run knows of time: random choices inside ops are functions of it (base/random.h). */
typedef struct Step {
    uint64_t seed;
    uint32_t epoch, iteration, first_item; /* items are numbered over all ranks */
} Step;

/* Adds up numbers of all processes that train one network together (ranks): values, in the device's memory, become
 * the sums, with the same bits on every rank. 0, or negative with e filled. */
typedef struct Reduction {
    int (*sum)(void *context, double *values, int64_t count, Err *e);
    void *context;
} Reduction;

typedef struct Node Node;

typedef struct OpImpl {
    const char *name;                       /* "onednn", "avx512", "avx2", "portable" */
    SimdLevel level;                        /* what the CPU must have */
    DType dtype;                            /* of activations and their gradients: float32 or bfloat16 */
    bool mixes;                             /* bfloat16, but in[0] and out[0] may be float32 too */
    uint32_t strided_in, strided_out;       /* bit i: takes pitch > c there (data and grad) */
    bool (*supports)(const Node *);         /* NULL: everything of the class */
    int (*prepare)(Node *, Err *);          /* makes primitives, sets saved_bytes and scratch_bytes; may be NULL.
                                               ERR_UNSUPPORTED: release is called, the next of the list is tried */
    void (*refresh)(Node *);                /* parameters have changed: repack copies; may be NULL */
    void (*forward)(Node *, const Step *);  /* running never allocates; a library's failure goes to node->failure */
    void (*backward)(Node *, const Step *); /* for each wanted input: writes or accumulates, as told */
    void (*release)(Node *);                /* gives back what prepare made; may be NULL */
} OpImpl;

/* Ops that only regroup channels: where the neighbours take pitches, the planner makes the parts slices of
 * the whole, in data and gradient. Such an op finds a part already in place (same address) and skips it. */
typedef enum OpView { VIEW_NONE, VIEW_CONCAT, VIEW_SPLIT } OpView;

typedef struct OpClass {
    const char *name;
    int (*shape)(Node *, Err *);            /* from in[i]->shape: out[i]->shape (and dtype), or says why not */
    int64_t (*macs)(const Node *);          /* multiply-adds by fvcore's rule; NULL: not counted */
    int64_t (*later_macs)(const Node *);    /* by VMamba's later rule (model/describe.h); NULL: as macs */
    uint32_t keeps_inputs, keeps_outputs;   /* bit i: backward reads in[i]->data, out[i]->data */
    uint32_t keeps_for_params;              /* bit i: reads in[i]->data only for a trained parameter */
    uint32_t may_overwrite;                 /* bit i: out[0] may take in[i]'s place in forward */
    uint32_t may_overwrite_grad;            /* bit i: in[i]'s gradient may take out[0]'s gradient's place */
    OpView view;
    const OpImpl *const *on[DEVICES];       /* fastest first, plain reference last, NULL-terminated */
} OpClass;

struct Node {
    const OpClass *op;
    const OpImpl *impl;
    const char *name;                       /* scope and layer */
    const void *attr;                       /* the op's own description, borrowed from the graph */
    int input_count, output_count, param_count;
    Tensor *in[NODE_INPUTS], *out[NODE_OUTPUTS];
    const Param *param_info[NODE_PARAMS];
    const float *param[NODE_PARAMS];        /* fp32, PyTorch's layout, dense; borrowed */
    float *param_grad[NODE_PARAMS];         /* written by backward; NULL: not wanted */
    bool wants_grad[NODE_INPUTS];           /* backward owes in[i]->grad */
    bool accumulate[NODE_INPUTS];           /* … and adds to what is there */
    bool train;                             /* training mode (drop path is on) */
    const Reduction *reduction;             /* over the ranks, for what is a sum over the whole batch; NULL: there is
                                               one process; borrowed */
    bool has_backward;                      /* backward will be called after each forward */
    bool trains_param[NODE_PARAMS];         /* that param_grad is wanted */
    bool trains_params;                     /* some is */
    size_t saved_bytes[NODE_SAVED];         /* set by prepare: kept from forward to backward */
    void *saved[NODE_SAVED];
    size_t scratch_bytes[2];                /* set by prepare: for forward, for backward */
    size_t packed_bytes;                    /* set by prepare: the impl's own copies of parameters */
    void *scratch;                          /* valid within one call; 64-byte aligned */
    Err *failure;                           /* the executor's: what a library could not do. Once it is
                                               set, no result of the run is used */
    void *state;                            /* the impl's own, made by prepare, given back by release */
};

/* ---- naming by SIMD level ---- */

#ifndef SIMD_LEVEL
#define SIMD_LEVEL portable
#endif
#define SIMD_JOIN2(a, b) a##_##b
#define SIMD_JOIN(a, b) SIMD_JOIN2(a, b)
#define SIMD_NAME(name) SIMD_JOIN(name, SIMD_LEVEL) /* f → f_avx512 */
#define SIMD_TEXT2(a) #a
#define SIMD_TEXT(a) SIMD_TEXT2(a)
#define SIMD_ENUM_avx512_bf16 SIMD_AVX512_BF16
#define SIMD_ENUM_avx512 SIMD_AVX512
#define SIMD_ENUM_avx2 SIMD_AVX2
#define SIMD_ENUM_portable SIMD_PORTABLE

/* OP_IMPL(silu) = {SIMD_HEAD, .forward = forward, …};   defines silu_avx512 and its siblings. */
#define OP_IMPL(op)                                                                                \
    extern const OpImpl SIMD_NAME(op);                                                             \
    const OpImpl SIMD_NAME(op)
#define SIMD_ID .name = SIMD_TEXT(SIMD_LEVEL), .level = SIMD_JOIN(SIMD_ENUM, SIMD_LEVEL)
#define SIMD_HEAD SIMD_ID, .dtype = SIMD_DTYPE
#if defined(SIMD_BF16)
#define SIMD_DTYPE DTYPE_BF16
#else
#define SIMD_DTYPE DTYPE_F32
#endif

/* The list of a class: OP_LIST(silu); in file scope, then `.on = {silu_list}`. OP_LIST_F32: of one that is
 * never computed in bfloat16. */
#if defined(__x86_64__)
#define OP_LIST_F32(op)                                                                            \
    extern const OpImpl op##_avx512, op##_avx2, op##_portable;                                     \
    static const OpImpl *const op##_list[] = {&op##_avx512, &op##_avx2, &op##_portable, NULL}
#define OP_LIST(op)                                                                                \
    extern const OpImpl op##_avx512_bf16, op##_avx512, op##_avx2, op##_portable;                   \
    static const OpImpl *const op##_list[] = {&op##_avx512_bf16, &op##_avx512, &op##_avx2,         \
                                              &op##_portable, NULL}
#else
#define OP_LIST_F32(op)                                                                            \
    extern const OpImpl op##_portable;                                                             \
    static const OpImpl *const op##_list[] = {&op##_portable, NULL}
#define OP_LIST(op) OP_LIST_F32(op)
#endif

#endif
