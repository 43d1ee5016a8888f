/* Products of matrices that fit into the cache, by one thread: for kernels that need many small ones, where a call of a
 * library would cost more than the product. Only for files in network/ops that are compiled once for each SIMD level. */
#ifndef NETWORK_OPS_SMALL_PRODUCT_H
#define NETWORK_OPS_SMALL_PRODUCT_H

#include <stdbool.h>

#include "network/ops/simd.h"

/* C (rows, columns) = A (rows, depth) B (depth, columns), or C += with `accumulate`; `vectors` is the number of
 * columns in vectors. Element (i,p) of A is at a[i · a_row + p · a_column]; rows of B and C are dense. */
typedef struct SmallProduct {
    int64_t rows, depth, vectors;
    const float *a, *b;
    float *c;
    int64_t a_row, a_column, b_row, c_row;
    bool accumulate;
} SmallProduct;

/* The tile of C that stays in registers. */
#if SIMD_REGISTERS == 32
enum { TILE_ROWS = 6, TILE_VECTORS = 4 };
#else
enum { TILE_ROWS = 6, TILE_VECTORS = 2 };
#endif

SIMD_INLINE void product_tile(const SmallProduct *m, int64_t row, int64_t vector, const int rows, const int vectors)
{
    const float *a = m->a + row * m->a_row, *b = m->b + vector * SIMD_LANES;
    float *c = m->c + row * m->c_row + vector * SIMD_LANES;
    vf sum[TILE_ROWS][TILE_VECTORS];
    SIMD_UNROLL
    for (int i = 0; i < rows; i++) SIMD_UNROLL
    for (int v = 0; v < vectors; v++) sum[i][v] = m->accumulate ? v_load(c + i * m->c_row + v * SIMD_LANES) : (vf){0};
    for (int64_t p = 0; p < m->depth; p++) {
        vf right[TILE_VECTORS];
        SIMD_UNROLL
        for (int v = 0; v < vectors; v++) right[v] = v_load(b + p * m->b_row + v * SIMD_LANES);
        SIMD_UNROLL
        for (int i = 0; i < rows; i++) {
            const vf left = v_set1(a[i * m->a_row + p * m->a_column]);
            SIMD_UNROLL
            for (int v = 0; v < vectors; v++) sum[i][v] = v_fma(left, right[v], sum[i][v]);
        }
    }
    SIMD_UNROLL
    for (int i = 0; i < rows; i++) SIMD_UNROLL
    for (int v = 0; v < vectors; v++) v_store(c + i * m->c_row + v * SIMD_LANES, sum[i][v]);
}

/* All rows of some columns. */
SIMD_INLINE void product_columns(const SmallProduct *m, int64_t vector, const int vectors)
{
    int64_t i = 0;
    for (; i + TILE_ROWS <= m->rows; i += TILE_ROWS) product_tile(m, i, vector, TILE_ROWS, vectors);
    for (; i + 2 <= m->rows; i += 2) product_tile(m, i, vector, 2, vectors);
    if (i < m->rows) product_tile(m, i, vector, 1, vectors);
}

static inline void small_product(const SmallProduct *m)
{
    int64_t v = 0;
    for (; v + TILE_VECTORS <= m->vectors; v += TILE_VECTORS) product_columns(m, v, TILE_VECTORS);
    for (; v + 2 <= m->vectors; v += 2) product_columns(m, v, 2);
    if (v < m->vectors) product_columns(m, v, 1);
}

#endif
