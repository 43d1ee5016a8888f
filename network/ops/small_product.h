/* Products of matrices that fit into the cache, by one thread: for kernels that need many small ones, where a call of a
 * library would cost more than the product. Only for files in network/ops that are compiled once for each SIMD level. */
#ifndef NETWORK_OPS_SMALL_PRODUCT_H
#define NETWORK_OPS_SMALL_PRODUCT_H

#include "network/ops/block_product.h"

/* C (rows, columns) = A (rows, depth) B (depth, columns), or C += with `accumulate`; `vectors` is the number of
 * columns in vectors. Element (i,p) of A is at a[i · a_row + p · a_column]; rows of B and C are dense. */
typedef struct SmallProduct {
    int64_t rows, depth, vectors;
    const float *a, *b;
    float *c;
    int64_t a_row, a_column, b_row, c_row;
    bool accumulate;
} SmallProduct;

static inline void small_product(const SmallProduct *m)
{
    for (int64_t v = 0; v < m->vectors; v += BLOCK_VECTORS)
        for (int64_t i = 0; i < m->rows; i += BLOCK_ROWS) {
            const int64_t vectors = m->vectors - v, rows = m->rows - i;
            const BlockProduct block = {.a = m->a + i * m->a_row,
                                        .a_row = m->a_row,
                                        .a_step = m->a_column,
                                        .b = m->b + v * SIMD_LANES,
                                        .b_row = m->b_row,
                                        .depth = m->depth,
                                        .c = m->c + i * m->c_row + v * SIMD_LANES,
                                        .c_row = m->c_row,
                                        .last_lanes = SIMD_LANES,
                                        .add = m->accumulate};
            block_product(rows < BLOCK_ROWS ? rows : BLOCK_ROWS, vectors < BLOCK_VECTORS ? vectors : BLOCK_VECTORS,
                          block);
        }
}

#endif
