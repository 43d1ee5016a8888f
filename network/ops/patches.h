/* Convolutions whose patches do not overlap (the kernel is the stride, without padding), in float32: as matrix products.
 *
 * A coarse image (N,H,W,C) and a fine one (N,H·f,W·g,D): each coarse pixel has a patch of f × g fine pixels. With weights
 * w (C,D,f,g), for the patch of each pixel:
 *   to_fine:   fine[u,v,d] = Σ_c coarse[c] w[c,d,u,v]          a transposed convolution; the data's gradient of a convolution
 *   to_coarse: coarse[c] = Σ_d,u,v fine[u,v,d] w[c,d,u,v]      a convolution; the data's gradient of a transposed one
 *   weights:   dw[c,d,u,v] = Σ over all pixels of coarse[c] fine[u,v,d]      the weights' gradient of both
 * The values of a row of a patch, (g,D), are neighbours in memory: so each product is of rows of images in place.
 *
 * All memory is the caller's, aligned to 64 bytes: nothing is allocated. The result has the same bits for any number of
 * threads. There is one kernel for each SIMD level. */
#ifndef NETWORK_OPS_PATCHES_H
#define NETWORK_OPS_PATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/simd_level.h"
#include "network/ops/ops.h"

typedef struct PatchShape {
    Shape coarse;
    int64_t fine_channels;
    PairYX size; /* of a patch: f, g */
    int threads; /* maximum number of threads */
} PatchShape;

/* Operands of to_fine and to_coarse. */
typedef struct PatchValues {
    const float *from;
    const float *packed; /* weights, written by pack */
    const float *bias;   /* of the channels of `to`; NULL: none */
    float *to;
    bool accumulate; /* adds to `to` */
} PatchValues;

typedef struct PatchKernel {
    const char *name;
    SimdLevel level;
    size_t (*packed_bytes)(const PatchShape *s, bool to_fine);
    void (*pack)(const PatchShape *s, bool to_fine, const float *weights, float *packed);
    void (*to_fine)(const PatchShape *s, const PatchValues *v);
    void (*to_coarse)(const PatchShape *s, const PatchValues *v);
    size_t (*weights_scratch_bytes)(const PatchShape *s);
    void (*weights)(const PatchShape *s, const float *coarse, const float *fine, float *dw, void *scratch);
} PatchKernel;

/* The kernels that this CPU can run, within the limit of base/simd_level.h: fastest first, then NULL. */
const PatchKernel *const *patch_kernels(void);

#endif
