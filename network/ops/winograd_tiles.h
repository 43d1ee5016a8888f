/* What Winograd's convolution (winograd.c) and the gradient of its weights (winograd_weights.c) share: tiles, and the
 * transform of their input. Only for these files: compiled once for each SIMD level. */
#ifndef NETWORK_OPS_WINOGRAD_TILES_H
#define NETWORK_OPS_WINOGRAD_TILES_H

#include <string.h>

#include "network/graph/op.h"
#include "network/ops/block_product.h"
#include "network/ops/winograd.h"

enum {
    TILE = 4,         /* pixels along an axis of the output */
    PATCH = 6,        /* … of the input */
    POSITIONS = 36,   /* of a transformed tile */
    TAPS = 9,         /* of the weights */
    LINE = 16,        /* floats: a cache line */
    CHUNK = 3 * LINE, /* most input channels that are transformed together */
};

size_t SIMD_NAME(winograd_weights_bytes)(const WinogradShape *s);
void SIMD_NAME(winograd_weights)(const WinogradShape *s, const float *x, const float *dy, float *dw, void *scratch);

#define ROOT_HALF 0.707106781f
#define ROOT_2 1.41421356f

typedef struct Tiling {
    int64_t rows, columns, count; /* tiles of an image along each axis, tiles of all images */
} Tiling;

static inline Tiling tiling_of(Shape image)
{
    const int64_t rows = divided(image.h, TILE), columns = divided(image.w, TILE);
    return (Tiling){rows, columns, image.n * rows * columns};
}

/* Bᵀ: the values of Π (x - q) over all points q but one. */
SIMD_INLINE void transform_input(vf *to, const vf *x)
{
    const vf even_half = x[4] - x[2] * 2.0f, odd_half = x[3] - x[1] * 2.0f;
    const vf even_2 = x[4] - x[2] * 0.5f, odd_2 = x[3] - x[1] * 0.5f;
    to[0] = (x[0] + x[4]) - x[2] * 2.5f;
    to[1] = even_half + odd_half * ROOT_HALF;
    to[2] = even_half - odd_half * ROOT_HALF;
    to[3] = even_2 + odd_2 * ROOT_2;
    to[4] = even_2 - odd_2 * ROOT_2;
    to[5] = (x[1] + x[5]) - x[3] * 2.5f;
}

typedef struct Tile {
    int64_t image, y, x; /* of its first pixel */
} Tile;

static inline Tile tile_at(Shape image, int64_t tile)
{
    const Tiling t = tiling_of(image);
    return (Tile){tile / (t.rows * t.columns), tile / t.columns % t.rows * TILE, tile % t.columns * TILE};
}

static inline int64_t pixel_at(Shape s, int64_t image, int64_t y, int64_t x) { return (image * s.h + y) * s.w + x; }

/* Transforms 6×6 pixels with these distances between rows and pixels. */
static inline void transform_patch(float *to, int64_t stride, const float *x, int64_t row, int64_t pixel,
                                   int64_t channels)
{
    for (int64_t c = 0; c < channels; c += SIMD_LANES) {
        const int count = channels - c < SIMD_LANES ? (int)(channels - c) : SIMD_LANES;
        vf half[PATCH][PATCH];
        SIMD_UNROLL
        for (int j = 0; j < PATCH; j++) {
            vf column[PATCH], result[PATCH];
            SIMD_UNROLL
            for (int i = 0; i < PATCH; i++) column[i] = v_load_first(x + i * row + j * pixel + c, count);
            transform_input(result, column);
            SIMD_UNROLL
            for (int i = 0; i < PATCH; i++) half[i][j] = result[i];
        }
        SIMD_UNROLL
        for (int i = 0; i < PATCH; i++) {
            vf result[PATCH];
            transform_input(result, half[i]);
            SIMD_UNROLL
            for (int j = 0; j < PATCH; j++) v_store(to + (i * PATCH + j) * stride + c, result[j]);
        }
    }
}

/* Copies the 6×6 pixels around a tile, with zeros outside the image. */
static inline void copy_patch(float *patch, Shape s, const float *x, Tile t, int64_t channels)
{
    for (int64_t i = 0; i < POSITIONS; i++, patch += CHUNK) {
        const int64_t row = t.y + i / PATCH - 1, column = t.x + i % PATCH - 1;
        const bool inside = row >= 0 && row < s.h && column >= 0 && column < s.w;
        if (inside) memcpy(patch, x + pixel_at(s, t.image, row, column) * s.c, (size_t)channels * sizeof *x);
        else memset(patch, 0, (size_t)channels * sizeof *x);
    }
}

/* Transforms a tile's input: some channels, at most CHUNK, of which x is the first. The positions of the result are
 * `stride` floats apart. patch: scratch memory, (36, CHUNK). */
static inline void transform_tile(Shape s, const float *x, Tile t, int64_t channels, float *to, int64_t stride,
                                  float *patch)
{
    const int64_t c = s.c;
    if (t.y && t.x && t.y + TILE < s.h && t.x + TILE < s.w) {
        transform_patch(to, stride, x + pixel_at(s, t.image, t.y - 1, t.x - 1) * c, s.w * c, c, channels);
        return;
    }
    copy_patch(patch, s, x, t, channels);
    transform_patch(to, stride, patch, PATCH * CHUNK, CHUNK, channels);
}

#endif
