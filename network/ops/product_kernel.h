/* Float32 matrix products by our own kernels, one for each SIMD level (product.h chooses between these and oneDNN).
 *
 * All memory is the caller's, aligned to 64 bytes: nothing is allocated. The result has the same bits for any number of
 * threads. At most 128 terms are summed in a row. */
#ifndef NETWORK_OPS_PRODUCT_KERNEL_H
#define NETWORK_OPS_PRODUCT_KERNEL_H

#include "base/simd_level.h"
#include "network/ops/onednn.h"

/* A product of float32 matrices in one piece. threads: the maximum number. */
typedef struct ProductKernel {
    const char *name;
    SimdLevel level;
    size_t (*packed_bytes)(const DnnProduct *m); /* for `weights`; else 0 */
    size_t (*scratch_bytes)(const DnnProduct *m, int threads);
    void (*pack)(const DnnProduct *m, int threads, const float *b, float *packed);

    /* b: with `weights` as packed. bias: NULL if there is none. */
    void (*run)(const DnnProduct *m, int threads, const float *a, const float *b, const float *bias, float *c,
                void *scratch);
} ProductKernel;

/* The kernels that this CPU can run, within the limit of base/simd_level.h: fastest first, then NULL. */
const ProductKernel *const *product_kernels(void);

#endif
