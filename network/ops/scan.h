/* The selective scan over images, the kernel of the op selective_scan (Gu & Dao 2023, "Mamba", section 3; Liu et al.
 * 2024, "VMamba", section 3, for the directions).
 *
 * For each direction k, pixel and channel d; with u the value of x, the row [dt (R) | B (S) | C (S)] of the pixel's
 * projections for k, and A = -exp(A_logs):
 *     delta = softplus(dt_weight[k][d] · dt + dt_bias[k][d])
 *     h_s   = exp(delta A_s) h_s + delta u B_s           initially h = 0
 *     y    += Σ_s C_s h_s + Ds[k][d] u
 * All directions access x and y directly, without reordered copies. Everything is float32 (except x, y and dy in the
 * bfloat16 kernel). The result has the same bits for any number of threads. Nothing is allocated: the caller owns all
 * memory; blocks with sizes from scan_sizes must be aligned to 64 bytes. There is one ScanKernel for each SIMD level.
 * */
#ifndef NETWORK_OPS_SCAN_H
#define NETWORK_OPS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network/graph/op.h"
#include "network/ops/ops.h"

enum { SCAN_CHUNK = 64 }; /* positions between saved states, and the unit of work */

typedef struct ScanShape {
    int64_t batch, height, width, channels;
    int states, rank;          /* S, R >= 1 */
    ScanDirections directions; /* K directions */
    int threads;               /* maximum number of threads */
} ScanShape;

/* The length of a row [dt (R) | B (S) | C (S)]. The projections of a pixel are K such rows. */
static inline int64_t scan_row(const ScanShape *s) { return s->rank + 2 * s->states; }

/* Parameters in PyTorch's layout. */
typedef struct ScanParams {
    const float *dt_weight; /* (K, D, R) */
    const float *dt_bias;   /* (K, D) */
    const float *A_logs;    /* (K·D, S) */
    const float *Ds;        /* (K·D) */
} ScanParams;

/* Their gradients, written by backward; NULL: not requested. */
typedef struct ScanParamGradients {
    float *dt_weight, *dt_bias, *A_logs, *Ds;
} ScanParamGradients;

/* A value (N,H,W,D) whose pixels are `pitch` elements apart. */
typedef struct ScanImage {
    void *data;
    int64_t pitch;
} ScanImage;

typedef struct ScanValues {
    ScanImage x;              /* read; of the kernel's dtype */
    const float *projections; /* (N·H·W, K·row), dense; read */
    ScanImage y;              /* of the kernel's dtype; written by forward, not used by backward */
    ScanImage sums;           /* float32 memory for the sum over directions: y itself if that is float32, else an image
                                 of the same shape */
    float *states;            /* for backward; written by forward; NULL in inference */
} ScanValues;

typedef struct ScanGradients {
    ScanImage y; /* read; of the kernel's dtype */
    ScanImage x; /* float32; written or added to; without the part through the projections;
                           data NULL: not requested */
    bool accumulate_x;
    float *projections; /* as in ScanValues; written */
    ScanParamGradients params;
} ScanGradients;

/* Sizes in bytes of the memory that the caller provides. */
typedef struct ScanSizes {
    size_t packed; /* parameters in the kernel's layout */
    size_t states; /* saved from forward to backward in training */
    size_t forward_scratch;
    size_t backward_scratch;
} ScanSizes;

ScanSizes scan_sizes(const ScanShape *s);

typedef struct ScanKernel {
    const char *name;
    SimdLevel level;
    DType dtype; /* of x, y and dy */

    /* To be called after each change of the parameters. */
    void (*pack)(const ScanShape *s, const ScanParams *params, float *packed);

    void (*forward)(const ScanShape *s, const float *packed, const ScanValues *values, void *scratch);
    void (*backward)(const ScanShape *s, const float *packed, const ScanValues *values, const ScanGradients *gradients,
                     void *scratch);
} ScanKernel;

#if defined(__x86_64__)
extern const ScanKernel scan_kernel_avx512_bf16;
#endif
extern const ScanKernel SIMD_ALL(scan_kernel);

/* The float32 kernels that this CPU can run, within the limit of base/simd_level.h: fastest first, then NULL. */
const ScanKernel *const *scan_kernels(void);

#endif
