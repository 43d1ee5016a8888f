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

/* The next of almost equal parts of at most `most`, if `left` remain. */
static inline int64_t next_part(int64_t left, int64_t most) { return divided(left, divided(left, most)); }

static inline void small_product(const SmallProduct *m)
{
    for (int64_t v = 0, vectors; v < m->vectors; v += vectors) {
        vectors = next_part(m->vectors - v, BLOCK_VECTORS);
        for (int64_t i = 0, rows; i < m->rows; i += rows) {
            rows = next_part(m->rows - i, BLOCK_ROWS);
            block_product(rows, vectors,
                          (BlockProduct){.a = m->a + i * m->a_row,
                                         .a_row = m->a_row,
                                         .a_step = m->a_column,
                                         .b = m->b + v * SIMD_LANES,
                                         .b_row = m->b_row,
                                         .depth = m->depth,
                                         .c = m->c + i * m->c_row + v * SIMD_LANES,
                                         .c_row = m->c_row,
                                         .last_lanes = SIMD_LANES,
                                         .add = m->accumulate});
        }
    }
}

#endif
