/* All that the project uses of oneDNN (its version 2 and version 3 differ only in onednn.c).
 *
 * A Dnn is one prepared primitive on NHWC activations with weights in PyTorch's layout; it owns a packed copy
 * of them in the layout that the primitive likes best, renewed by dnn_pack. Made in an op's prepare, given
 * back in its release. Running needs scratch (dnn_scratch_bytes, 64-byte aligned), allocates nothing. */
#ifndef NETWORK_ONEDNN_H
#define NETWORK_ONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "network/graph.h"

typedef struct Dnn Dnn;

/* What a convolution or transposed convolution is; out is its output's shape. */
typedef struct DnnConv {
    Shape in, out;
    int64_t kernel, stride, padding;
    bool bias;
    bool transposed;        /* weight (in, out, k, k) instead of (out, in, k, k) */
} DnnConv;

int dnn_conv_forward(Dnn **d, const DnnConv *conv, Err *e);
int dnn_conv_backward_data(Dnn **d, const DnnConv *conv, Err *e);
int dnn_conv_backward_weights(Dnn **d, const DnnConv *conv, Err *e);

/* y (rows, out) = x (rows, in) Wᵀ + b; W (out, in); pitches in elements from row to row. */
int dnn_linear_forward(Dnn **d, int64_t rows, int64_t in, int64_t in_pitch, int64_t out, int64_t out_pitch, bool bias,
                       Err *e);

void dnn_free(Dnn *d);
size_t dnn_scratch_bytes(const Dnn *d);
size_t dnn_packed_bytes(const Dnn *d);   /* of the packed copy that it owns; NULL has none */

/* Renews the packed weights from PyTorch's layout (forward and backward_data). */
void dnn_pack(Dnn *d, const float *weights);

/* The executions. Buffers are dense NHWC (linear: by the pitches given). */
void dnn_run_forward(Dnn *d, const float *x, const float *bias, float *y, void *scratch);
void dnn_run_backward_data(Dnn *d, const float *dy, float *dx, void *scratch);
/* dw, db written in PyTorch's layout; db may be NULL where conv.bias is false. */
void dnn_run_backward_weights(Dnn *d, const float *x, const float *dy, float *dw, float *db, void *scratch);

/* C (m, n) = op(A) op(B), or C += with `accumulate`; row-major, ld in elements; op transposes where told. */
void dnn_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
              const float *b, int64_t ldb, bool accumulate, float *c, int64_t ldc);

#endif
