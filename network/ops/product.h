/* The matrix products of ops, by our own kernels (product_kernel.h) or by oneDNN (onednn.h).
 *
 * oneDNN computes those in bfloat16, and all of them with AVX-512. For other CPUs its float32 products allocate memory in
 * each run, and their bits depend on the number of threads. Ours do neither, and are as fast with AVX2.
 *
 * Created in an op's prepare, freed in its release. Running needs scratch memory (product_scratch_bytes, 64-byte aligned).
 * Functions with an Err store a failure as those of onednn.h do. */
#ifndef NETWORK_OPS_PRODUCT_H
#define NETWORK_OPS_PRODUCT_H

#include "network/ops/onednn.h"

typedef struct Product Product;

/* Whether our kernels compute products of this type. */
bool product_is_own(DType dtype);

int product_new(Product **p, const DnnProduct *m, Err *e);
void product_free(Product *p);
size_t product_scratch_bytes(const Product *p); /* 0 for NULL */
size_t product_packed_bytes(const Product *p);  /* as dnn_packed_bytes */

/* Packs weights with the strides of B, as dnn_pack. */
void product_pack(Product *p, const float *weights, void *packed, Err *e);

/* b: NULL if it is packed weights; bias: NULL if there is none. */
void product_run(Product *p, const void *a, const void *b, const float *bias, void *c, void *scratch, Err *e);

#endif
