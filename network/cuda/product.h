/* Matrix products on a GPU, by cuBLASLt: c = a b (+ bias) of row-major matrices.
 *
 * Created in an op's prepare, freed in its release. Sums are float32. Algorithms that would add in an order that is not fixed
 * are not taken. Running needs gpu_product_workspace bytes of device memory, aligned to 256 bytes, and is asynchronous. */
#ifndef NETWORK_CUDA_PRODUCT_H
#define NETWORK_CUDA_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

/* An operand: element (i, j) is at data[i · pitch + j], or, transposed, at data[j · pitch + i]. float32 or bfloat16. */
typedef struct GpuMatrix {
    int64_t pitch;
    DType dtype;
    bool transposed;
} GpuMatrix;

typedef struct GpuProductShape {
    int64_t rows, depth, columns; /* a: rows × depth, b: depth × columns, c: rows × columns */
    GpuMatrix a, b, c;            /* a and b have one type; c is not transposed */
    bool tf32;                    /* of float32: products of 10 bits, by tensor cores */
    bool bias;                    /* a value for each column, of c's type (cuBLASLt has no other) */
    bool accumulate;              /* adds to c */
} GpuProductShape;

typedef struct GpuProduct GpuProduct;

int gpu_product_new(GpuProduct **p, const GpuProductShape *shape,
                    Err *e);                       /* NULL on failure: ERR_NOMEM, ERR_UNSUPPORTED */
void gpu_product_free(GpuProduct *p);              /* NULL is fine */
size_t gpu_product_workspace(const GpuProduct *p); /* 0 for NULL */

/* bias: NULL if there is none. A failure is stored in e, if it has none yet. */
void gpu_product_run(const GpuProduct *p, const void *a, const void *b, const void *bias, void *c, void *workspace,
                     Err *e);

#endif
