/* All that the project uses of oneDNN (its version 2 and version 3 differ only in onednn.c).
 *
 * A Dnn is one prepared primitive on NHWC activations, float32 or bfloat16, with float32 weights in PyTorch's
 * layout; it owns a packed copy of them in the layout and type that the primitive likes best, renewed by
 * dnn_pack. Made in an op's prepare, given back in its release. Running needs scratch (dnn_scratch_bytes,
 * 64-byte aligned). Sums are float32 in either type.
 *
 * Running leaves a failure in `e` (never NULL): the first one stays, and nothing runs after it, so that a kernel
 * needs no checks between its calls. Who runs the kernel looks at e->code and uses no result if it is set.
 * With AVX-512 oneDNN takes no block of memory while it runs (but for the code of a kernel, in a first backward
 * pass with several threads). On older CPUs its matrix products do, so they can fail with ERR_NOMEM. */
#ifndef NETWORK_OPS_ONEDNN_H
#define NETWORK_OPS_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "network/graph/graph.h"
#include "network/ops/convolution.h"

typedef struct Dnn Dnn;

/* A convolution or transposed convolution of an image of shape `in`; out is its output's shape. */
typedef struct DnnConv {
    ConvAttr attr;
    Shape in, out;
    DType dtype;              /* what it computes with */
    DType in_dtype, out_dtype;/* of x and y and their gradients: dtype, or float32 */
} DnnConv;

int dnn_conv_forward(Dnn **d, const DnnConv *conv, Err *e);
/* accumulate: dx is added to what is there. */
int dnn_conv_backward_data(Dnn **d, const DnnConv *conv, bool accumulate, Err *e);
int dnn_conv_backward_weights(Dnn **d, const DnnConv *conv, Err *e);

/* C (rows, columns) = A (rows, depth) B (depth, columns) + bias, or C += with `accumulate`. Strides in elements,
 * from row to row and from column to column (one of both 1); C's columns are dense. */
typedef struct DnnProduct {
    int64_t rows, depth, columns;
    int64_t a_strides[2], b_strides[2], c_pitch;
    DType dtype;              /* what it computes with */
    DType a_dtype, b_dtype, c_dtype; /* of the matrices: dtype, or float32; b_dtype not of weights */
    bool weights;             /* B is weights: float32, packed once (b_strides say how they come) */
    bool bias, accumulate;
    int pieces;               /* above 1: of so many equal pieces of the depth each has a product of its own; C is one
                                 after the other. A and B are of dtype, C is float32; nothing is added */
} DnnProduct;

int dnn_product(Dnn **d, const DnnProduct *product, Err *e);

/* "oneDNN 2.6.3": the version that runs. */
enum { DNN_VERSION_BYTES = 32 };
void dnn_version(char text[DNN_VERSION_BYTES]);

void dnn_free(Dnn *d);
size_t dnn_scratch_bytes(const Dnn *d);
size_t dnn_packed_bytes(const Dnn *d);   /* of the packed copy that it owns; NULL has none */

/* Renews the packed weights from PyTorch's layout (forward, backward_data, a product with weights). */
void dnn_pack(Dnn *d, const float *weights, Err *e);

/* The executions. Images are dense NHWC; matrices as their strides say. */
void dnn_run_forward(Dnn *d, const void *x, const float *bias, void *y, void *scratch, Err *e);
void dnn_run_backward_data(Dnn *d, const void *dy, void *dx, void *scratch, Err *e);
/* dw, db written in PyTorch's layout; db may be NULL where conv.bias is false. */
void dnn_run_backward_weights(Dnn *d, const void *x, const void *dy, float *dw, float *db, void *scratch, Err *e);
/* b NULL where it is weights; bias NULL where there is none. */
void dnn_run_product(Dnn *d, const void *a, const void *b, const float *bias, void *c, void *scratch, Err *e);

#endif
