/* Convolutions of 3×3 taps with stride 1 and padding 1, in float32, by Winograd's minimal filtering F(4×4, 3×3)
 * (Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4).
 *
 * An output tile of 4×4 pixels is Aᵀ [Σ_c (G w_c Gᵀ) ⊙ (Bᵀ x_c B)] A, with x_c the 6×6 input pixels around it: 36
 * products for each pair of channels, instead of 144. The polynomials are evaluated at 0, ±√½, ±√2 and infinity: with
 * the usual points 0, ±1, ±2 the rounding errors are 4 times as large. At most 48 channels are summed in a row.
 *
 * The gradient of the data is such a convolution of dy. That of the weights is Gᵀ [Σ over the tiles of (A dy Aᵀ) ⊙ (Bᵀ x B)] G.
 *
 * All memory is the caller's, aligned to 64 bytes: nothing is allocated. The result has the same bits for any number of
 * threads. There is one kernel for each SIMD level. */
#ifndef NETWORK_OPS_WINOGRAD_H
#define NETWORK_OPS_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/simd_level.h"
#include "network/graph/graph.h"

typedef struct WinogradShape {
    Shape in; /* of the input; the output has the same size */
    int64_t out_channels;
    int threads; /* maximum number of threads */
} WinogradShape;

typedef struct WinogradValues {
    const float *x;      /* (N,H,W,in), dense */
    const float *packed; /* weights, written by pack */
    const float *bias;   /* (out); NULL: none */
    float *y;            /* (N,H,W,out), dense */
    bool accumulate;     /* adds to y */
} WinogradValues;

typedef struct WinogradKernel {
    const char *name;
    SimdLevel level;
    size_t (*packed_bytes)(const WinogradShape *s);
    size_t (*scratch_bytes)(const WinogradShape *s);

    /* weights: (out, in, 3, 3). turned: (in, out, 3, 3), to be rotated by 180°: the convolution is then the gradient of
     * the data of one with these weights. */
    void (*pack)(const WinogradShape *s, const float *weights, bool turned, float *packed);
    void (*run)(const WinogradShape *s, const WinogradValues *v, void *scratch);

    /* The gradient of the weights: writes dw (out, in, 3, 3). dy: (N,H,W,out), dense. */
    size_t (*weights_scratch_bytes)(const WinogradShape *s);
    void (*weights)(const WinogradShape *s, const float *x, const float *dy, float *dw, void *scratch);
} WinogradKernel;

/* The tiles of all images. */
int64_t winograd_tiles(Shape image);

/* The float32 kernels that this CPU can run, within the limit of base/simd_level.h: fastest first, then NULL. */
const WinogradKernel *const *winograd_kernels(void);

#endif
