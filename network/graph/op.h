/* The interface of operations: OpClass defines an op, OpImpl is an implementation for a device or a SIMD level.
 *
 * Each op is one file in network/ops/, with forward and backward. A file that uses OP_IMPL is compiled once for each
 * SIMD level; its class and builder are under `#ifdef SIMD_BASE`, and so compiled once. An op accesses only its Node:
 * tensors, parameters, saved and scratch memory, all allocated by the executor. */
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
 * pitch > c if the value is a slice of a wider one (only if the implementation accepts that: strided_in, strided_out).
 * */
typedef struct Tensor {
    Shape shape;
    DType dtype;
    int64_t pitch; /* elements between the starts of neighbouring pixels, in data and in grad */
    void *data;
    void *grad; /* same type and layout; NULL if not computed */
} Tensor;

/* The position of a run in the training. Random choices in ops are functions of it (base/random.h). */
typedef struct Step {
    uint64_t seed;
    uint32_t epoch, iteration, first_item; /* first_item: index of the first image in the batch of all ranks */
} Step;

/* Sums values over all processes that train a network together (ranks). `values`, in device memory, are replaced by the
 * sums, with the same bits on every rank. Returns 0, or a negative code with e filled. */
typedef struct Reduction {
    int (*sum)(void *context, double *values, int64_t count, Err *e);
    void *context;
} Reduction;

typedef struct Node Node;

typedef struct OpImpl {
    const char *name;                       /* "onednn", "avx512", "avx2", "portable" */
    SimdLevel level;                        /* what the CPU must support */
    DType dtype;                            /* of activations and their gradients: float32 or bfloat16 */
    bool mixes;                             /* dtype is bfloat16, and in[0] and out[0] may also be float32 */
    uint32_t strided_in, strided_out;       /* bit i: in[i], out[i] may have pitch > c (data and grad) */
    bool (*supports)(const Node *);         /* NULL: all nodes of the class */
    int (*prepare)(Node *, Err *);          /* creates primitives, sets what of a Node prepare sets; allocates no
                                               memory for values. May be NULL. On ERR_UNSUPPORTED release is
                                               called, and the list's next is tried */
    void (*refresh)(Node *);                /* writes `packed` from the parameters, after they changed; may be NULL */
    void (*forward)(Node *, const Step *);  /* no memory allocation; failures of libraries go to node->failure */
    void (*backward)(Node *, const Step *); /* for each input with wants_grad: writes or adds (accumulate) */
    void (*release)(Node *);                /* frees what prepare created; may be NULL */
} OpImpl;

/* Ops that only regroup channels. If the neighbouring ops accept a pitch, the planner makes the parts slices of the
 * whole, in data and gradient. The op must skip a part that is already in place (same address). */
typedef enum OpView { VIEW_NONE, VIEW_CONCAT, VIEW_SPLIT } OpView;

typedef struct OpClass {
    const char *name;
    int (*shape)(Node *, Err *);           /* sets out[i]->shape (and dtype) from in[i]; fails if they do not match */
    int64_t (*macs)(const Node *);         /* multiply-adds as fvcore counts them; NULL: not counted */
    int64_t (*later_macs)(const Node *);   /* as later versions of VMamba count (model/describe.h); NULL: as macs */
    int64_t (*product_macs)(const Node *); /* those of its convolutions and matrix products; NULL: it has none */
    uint32_t keeps_inputs, keeps_outputs;  /* bit i: backward reads in[i]->data, out[i]->data */
    uint32_t keeps_for_params;             /* bit i: backward reads in[i]->data only for gradients of parameters */
    uint32_t may_overwrite;                /* bit i: out[0] may overwrite in[i] in place in forward */
    uint32_t may_overwrite_grad;           /* bit i: in[i]'s gradient may overwrite out[0]'s gradient in place */
    OpView view;
    const OpImpl *const *on[DEVICES]; /* by kind of device: fastest first, reference last, then NULL;
                                         no list: the same as an empty one */
} OpClass;

struct Node {
    const OpClass *op;
    const OpImpl *impl;
    const char *name; /* scope and layer name */
    const void *attr; /* the op's attributes, borrowed from the graph */
    int input_count, output_count, param_count;
    Tensor *in[NODE_INPUTS], *out[NODE_OUTPUTS];
    const Param *param_info[NODE_PARAMS];
    const float *param[NODE_PARAMS]; /* fp32, PyTorch's layout, dense; borrowed */
    float *param_grad[NODE_PARAMS];  /* written by backward; NULL: not requested */
    bool wants_grad[NODE_INPUTS];    /* backward must compute in[i]->grad */
    bool accumulate[NODE_INPUTS];    /* … and add to it instead of overwriting it */
    bool uncounted;                  /* not in the counts of multiply-adds (graph_uncounted) */
    bool train;                      /* training mode (drop path is on) */
    const Reduction *reduction;      /* for sums over the batch of all ranks; NULL: there is one process;
                                               borrowed */
    bool has_backward;               /* backward will be called after each forward */
    bool trains_param[NODE_PARAMS];  /* param_grad[i] is requested */
    bool trains_params;              /* any of them is */
    size_t saved_bytes[NODE_SAVED];  /* set by prepare: kept from forward to backward */
    void *saved[NODE_SAVED];
    size_t scratch_bytes[2]; /* set by prepare: for forward, for backward */
    size_t packed_bytes;     /* set by prepare: of copies of parameters in another layout or type */
    void *packed;            /* for these copies; 0 before the first refresh, 64-byte aligned */
    uint32_t packed_params;  /* set by prepare, bit i: only refresh reads param[i], which may be NULL otherwise */
    void *scratch;           /* valid within one call; 64-byte aligned */
    Err *failure;            /* of the executor: receives failures of libraries. Once it is set, no
                                               result of the run is used */
    void *state;             /* private to the implementation; created by prepare, freed by release */
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
#define SIMD_ENUM_neon SIMD_NEON
#define SIMD_ENUM_portable SIMD_PORTABLE

/* OP_IMPL(silu) = {SIMD_HEAD, .forward = forward, …};   defines silu_avx512, silu_avx2 … */
#define OP_IMPL(op)                    \
    extern const OpImpl SIMD_NAME(op); \
    const OpImpl SIMD_NAME(op)
#define SIMD_ID .name = SIMD_TEXT(SIMD_LEVEL), .level = SIMD_JOIN(SIMD_ENUM, SIMD_LEVEL)
#define SIMD_HEAD SIMD_ID, .dtype = SIMD_DTYPE
#if defined(SIMD_BF16)
#define SIMD_DTYPE DTYPE_BF16
#else
#define SIMD_DTYPE DTYPE_F32
#endif

/* What is compiled for each float32 level of this architecture, fastest first: the names, to declare them, and their
 * addresses. */
#if defined(__x86_64__)
#define SIMD_ALL(name) name##_avx512, name##_avx2, name##_portable
#define SIMD_ADDRESSES(name) &name##_avx512, &name##_avx2, &name##_portable
#elif defined(__aarch64__)
#define SIMD_ALL(name) name##_neon, name##_portable
#define SIMD_ADDRESSES(name) &name##_neon, &name##_portable
#else
#define SIMD_ALL(name) name##_portable
#define SIMD_ADDRESSES(name) &name##_portable
#endif

/* Defines the lists of a class's implementations: OP_LIST(silu); at file scope, then `.on = OP_ON(silu)` in the class.
 * OP_LIST_F32: for an op without a bfloat16 implementation on the CPU.
 * The implementations on a GPU are in the class's .cu file: float32 (silu_cuda), bfloat16 (silu_cuda_bf16). In a build
 * without CUDA, and for a class without such a file, their addresses are NULL, so that their list is empty. They are hidden:
 * else a shared library would take names of other libraries for them. */
#define OP_LIST_CUDA(op)                                                            \
    extern const OpImpl op##_cuda __attribute__((weak, visibility("hidden")));      \
    extern const OpImpl op##_cuda_bf16 __attribute__((weak, visibility("hidden"))); \
    static const OpImpl *const op##_cuda_list[] = {&op##_cuda, &op##_cuda_bf16, NULL}
#define OP_LIST_F32(op)               \
    extern const OpImpl SIMD_ALL(op); \
    OP_LIST_CUDA(op);                 \
    static const OpImpl *const op##_list[] = {SIMD_ADDRESSES(op), NULL}
#if defined(__x86_64__)
#define OP_LIST(op)                                     \
    extern const OpImpl op##_avx512_bf16, SIMD_ALL(op); \
    OP_LIST_CUDA(op);                                   \
    static const OpImpl *const op##_list[] = {&op##_avx512_bf16, SIMD_ADDRESSES(op), NULL}
#else
#define OP_LIST(op) OP_LIST_F32(op)
#endif
#define OP_ON(op)                 \
    {                             \
        op##_list, op##_cuda_list \
    }

#endif
