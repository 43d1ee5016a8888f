/* The interface to oneDNN. The differences of its versions 2 and 3 are in onednn_version.c.
 *
 * A Dnn is one primitive on NHWC activations, float32 or bfloat16, with float32 weights in PyTorch's layout. It reads a
 * copy of the weights in the layout and type that it prefers, which dnn_pack writes into the caller's memory. Created
 * in an op's prepare, freed in its release. Running needs scratch memory (dnn_scratch_bytes, 64-byte aligned). Sums
 * are float32 for both types.
 *
 * The run functions store a failure in `e` (never NULL). They do nothing if e is already set, so a kernel needs no
 * checks between its calls. The caller of the kernel must check e->code, and use no result if it is set. oneDNN allocates
 * no memory while it runs, except for code that it compiles in the first backward pass with several threads, for
 * float32 products without AVX-512, which ops do not request (product.h), and for convolutions at the portable level. */
#ifndef NETWORK_OPS_ONEDNN_H
#define NETWORK_OPS_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "network/graph/graph.h"
#include "network/ops/convolution.h"

typedef struct Dnn Dnn;

/* A convolution or transposed convolution; in, out: shapes of its input and output. */
typedef struct DnnConv {
    ConvAttr attr;
    Shape in, out;
    DType dtype;               /* what it computes with */
    DType in_dtype, out_dtype; /* of x and y and of their gradients: dtype, or float32 */
} DnnConv;

int dnn_conv_forward(Dnn **d, const DnnConv *conv, Err *e);
/* accumulate: adds to dx instead of overwriting it. */
int dnn_conv_backward_data(Dnn **d, const DnnConv *conv, bool accumulate, Err *e);
int dnn_conv_backward_weights(Dnn **d, const DnnConv *conv, Err *e);

/* C (rows, columns) = A (rows, depth) B (depth, columns) + bias, or C += with `accumulate`. Strides in elements,
 * from row to row and from column to column (one of both 1); C's columns are dense. */
typedef struct DnnProduct {
    int64_t rows, depth, columns;
    int64_t a_strides[2], b_strides[2], c_pitch;
    DType dtype;                     /* what it computes with */
    DType a_dtype, b_dtype, c_dtype; /* of the matrices: dtype, or float32; b_dtype is not used with weights */
    bool weights;                    /* B is weights: float32 with b_strides, packed by dnn_pack */
    bool bias, accumulate;
    int pieces; /* above 1: divides the depth into so many equal pieces; C holds the product of each, one
                                 after the other. A and B have dtype, C is float32; without accumulate */
} DnnProduct;

int dnn_product(Dnn **d, const DnnProduct *product, Err *e);

/* Writes the version of the library, as "oneDNN 2.6.3". */
enum { DNN_VERSION_BYTES = 32 };
void dnn_version(char text[DNN_VERSION_BYTES]);

void dnn_free(Dnn *d);
size_t dnn_scratch_bytes(const Dnn *d);
size_t dnn_packed_bytes(const Dnn *d); /* of the packed copy, a multiple of 64; 0: it needs none, or d is NULL */

/* Packs weights in PyTorch's layout (for forward, backward_data, and products with weights). packed: dnn_packed_bytes
 * bytes, 64-byte aligned, 0 before the first call; runs read it. Without packed bytes runs read `weights` themselves. */
void dnn_pack(Dnn *d, const float *weights, void *packed, Err *e);

/* Run the primitive. Images are dense NHWC; matrices have the given strides. */
void dnn_run_forward(Dnn *d, const void *x, const float *bias, void *y, void *scratch, Err *e);
void dnn_run_backward_data(Dnn *d, const void *dy, void *dx, void *scratch, Err *e);
/* Writes dw and db in PyTorch's layout; db may be NULL if conv.bias is false. */
void dnn_run_backward_weights(Dnn *d, const void *x, const void *dy, float *dw, float *db, void *scratch, Err *e);
/* b: NULL if it is packed weights; bias: NULL if there is none. */
void dnn_run_product(Dnn *d, const void *a, const void *b, const float *bias, void *c, void *scratch, Err *e);

#endif
