/* The product of a few rows and columns, whose sums are kept in registers: the inner loop of matrix products
 * (product_kernel.c, winograd.c). Only for files that are compiled for each SIMD level. */
#ifndef NETWORK_OPS_BLOCK_PRODUCT_H
#define NETWORK_OPS_BLOCK_PRODUCT_H

#include <stdbool.h>

#include "network/ops/simd.h"

enum {
#if SIMD_REGISTERS == 32
    BLOCK_ROWS = 8,
#else
    BLOCK_ROWS = 4,
#endif
    BLOCK_VECTORS = 3,
    BLOCK_WIDTH = BLOCK_VECTORS * SIMD_LANES
};

static inline int64_t divided(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* The first unit of part i, if `units` are divided into almost equal parts. */
static inline int64_t part_start(int64_t i, int64_t units, int64_t parts) { return i * units / parts; }

/* Columns are divided into blocks of 1 to BLOCK_VECTORS vectors: their number, and the first column of one. */
static inline int64_t vector_count(int64_t columns) { return divided(columns, SIMD_LANES); }
static inline int64_t block_count(int64_t columns) { return divided(vector_count(columns), BLOCK_VECTORS); }
static inline int64_t block_start(int64_t block, int64_t columns)
{
    return part_start(block, vector_count(columns), block_count(columns)) * SIMD_LANES;
}

/* C = A B + bias, or C += A B + bias. */
typedef struct BlockProduct {
    const float *a; /* (rows, depth): row r, step k at a[r · a_row + k · a_step] */
    int64_t a_row, a_step;
    const float *b; /* (depth, vectors) */
    int64_t b_row;  /* floats between its rows; 0: dense */
    int64_t depth;
    const float *bias; /* (vectors), NULL: none */
    float *c;          /* (rows, vectors) */
    int64_t c_row;     /* floats between its rows */
    int last_lanes;    /* of the last vector in C and bias; B has zeros beyond */
    bool add;
} BlockProduct;

SIMD_INLINE void block_product_of(const int rows, const int vectors, BlockProduct p)
{
    const int64_t b_row = p.b_row ? p.b_row : vectors * SIMD_LANES;
    vf sum[BLOCK_ROWS][BLOCK_VECTORS], b[BLOCK_VECTORS];
    SIMD_UNROLL
    for (int r = 0; r < rows; r++) {
        SIMD_UNROLL
        for (int i = 0; i < vectors; i++) sum[r][i] = (vf){0};
    }
    for (int64_t k = 0; k < p.depth; k++, p.a += p.a_step, p.b += b_row) {
        SIMD_UNROLL
        for (int i = 0; i < vectors; i++) b[i] = v_load(p.b + i * SIMD_LANES);
        SIMD_UNROLL
        for (int r = 0; r < rows; r++) {
            const vf a = v_set1(p.a[r * p.a_row]);
            SIMD_UNROLL
            for (int i = 0; i < vectors; i++) sum[r][i] = v_fma(a, b[i], sum[r][i]);
        }
    }
    SIMD_UNROLL
    for (int r = 0; r < rows; r++) {
        SIMD_UNROLL
        for (int i = 0; i < vectors; i++) {
            float *c = p.c + r * p.c_row + i * SIMD_LANES;
            const int lanes = i == vectors - 1 ? p.last_lanes : SIMD_LANES;
            if (p.bias) sum[r][i] += v_load_first(p.bias + i * SIMD_LANES, lanes);
            v_store_first(c, p.add ? sum[r][i] + v_load_first(c, lanes) : sum[r][i], lanes);
        }
    }
}

/* rows: 1 … BLOCK_ROWS; vectors: 1 … BLOCK_VECTORS. If it is inlined with constant values of p, these are used. */
SIMD_INLINE void block_product(int64_t rows, int64_t vectors, BlockProduct p)
{
#define CASE(ROWS, VECTORS)                 \
    case ROWS * 4 + VECTORS:                \
        block_product_of(ROWS, VECTORS, p); \
        break;
#define CASES(ROWS) CASE(ROWS, 1) CASE(ROWS, 2) CASE(ROWS, 3)
    switch (rows * 4 + vectors) {
        CASES(1)
        CASES(2)
        CASES(3)
        CASES(4)
#if SIMD_REGISTERS == 32
        CASES(5)
        CASES(6)
        CASES(7)
        CASES(8)
#endif
    }
#undef CASES
#undef CASE
}

#endif
