/* C's columns are divided into blocks of a few vectors, and the depth into chunks. B is used as panels (depth, block),
 * dense: weights are packed so, other matrices are copied by chunk and block. A is read in place. An item of work is a
 * strip of rows and a group of blocks; a chunk of a strip of A stays in the level 2 cache, a panel in level 1. */
#include "network/ops/product_kernel.h"

#include <omp.h>

#include "network/graph/op.h"
#include "network/ops/block_product.h"

enum { CHUNK = 128, STRIP = 480, PANEL = CHUNK * BLOCK_WIDTH };

/* ---- the division of the work ---- */

static int64_t chunk_count(const DnnProduct *m) { return divided(m->depth, CHUNK); }
static int64_t chunk_start(const DnnProduct *m, int64_t chunk) { return part_start(chunk, m->depth, chunk_count(m)); }

/* The numbers of strips and of groups: more if that makes the items a multiple of the threads. */
typedef struct Division {
    int64_t strips, groups;
} Division;

static Division divide(const DnnProduct *m, int threads)
{
    enum { ENOUGH = 8, SHORT = 8 * BLOCK_ROWS }; /* items for each thread; rows */
    Division d = {divided(m->rows, STRIP), 1};
    while (d.strips * d.groups % threads && d.strips * d.groups < ENOUGH * threads) {
        if (d.groups < block_count(m->columns)) d.groups++;
        else if (d.strips * SHORT < m->rows) d.strips++;
        else break;
    }
    return d;
}

/* ---- B ---- */

/* A part of B: steps of the depth and columns, which are those of a block. */
typedef struct Part {
    int64_t first_step, steps, first_column, width;
} Part;

static Part part_of(const DnnProduct *m, int64_t block, int64_t first_step, int64_t steps)
{
    const int64_t column = block_start(block, m->columns);
    return (Part){first_step, steps, column, block_start(block + 1, m->columns) - column};
}

/* Copies rows of `columns` columns, and fills up to the width with zeros. */
SIMD_INLINE void copy_rows(float *panel, const float *b, int64_t pitch, int64_t steps, int64_t columns, int64_t width)
{
    for (int64_t k = 0; k < steps; k++, panel += width, b += pitch) {
        SIMD_UNROLL
        for (int64_t i = 0; i < width; i += SIMD_LANES) {
            const int64_t left = columns - i;
            v_store(panel + i, v_load_first(b + i, left < SIMD_LANES ? (int)left : SIMD_LANES));
        }
    }
}

/* The same for a transposed B, a column at a time. */
static void copy_columns(float *panel, const float *b, int64_t pitch, Part p, int64_t columns)
{
    for (int64_t i = 0; i < p.width; i++)
        for (int64_t k = 0; k < p.steps; k++) panel[k * p.width + i] = i < columns ? b[i * pitch + k] : 0;
}

static void copy_panel(const DnnProduct *m, float *panel, const float *b, Part p)
{
    const int64_t left = m->columns - p.first_column, columns = left < p.width ? left : p.width;
    b += p.first_step * m->b_strides[0] + p.first_column * m->b_strides[1];
    if (m->b_strides[1] != 1) copy_columns(panel, b, m->b_strides[1], p, columns);
    else if (columns == BLOCK_WIDTH) copy_rows(panel, b, m->b_strides[0], p.steps, BLOCK_WIDTH, BLOCK_WIDTH);
    else copy_rows(panel, b, m->b_strides[0], p.steps, columns, p.width);
}

static size_t packed_bytes(const DnnProduct *m)
{
    return m->weights ? (size_t)(m->depth * vector_count(m->columns) * SIMD_LANES) * sizeof(float) : 0;
}

static void pack(const DnnProduct *m, int threads, const float *b, float *packed)
{
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < block_count(m->columns); i++) {
        const Part whole = part_of(m, i, 0, m->depth);
        copy_panel(m, packed + whole.first_column * m->depth, b, whole);
    }
}

/* The panel of a part; `scratch` has room for it. */
static const float *panel_of(const DnnProduct *m, const float *b, Part p, float *scratch)
{
    if (m->weights) return b + p.first_column * m->depth + p.first_step * p.width;
    copy_panel(m, scratch, b, p);
    return scratch;
}

/* ---- running ---- */

/* A is (rows, depth) with dense rows, or with dense columns: the compiler uses the stride that is 1. */
static void multiply_rows(const DnnProduct *m, int64_t rows, int64_t vectors, BlockProduct p)
{
    if (m->a_strides[1] == 1) {
        p.a_row = m->a_strides[0];
        p.a_step = 1;
        block_product(rows, vectors, p);
    } else {
        p.a_row = 1;
        p.a_step = m->a_strides[1];
        block_product(rows, vectors, p);
    }
}

/* a and c: of the first row. */
static void multiply_part(const DnnProduct *m, int64_t rows, Part part, const float *panel, const float *a,
                          const float *bias, float *c)
{
    const int64_t blocks = divided(rows, BLOCK_ROWS), tail = m->columns - (part.first_column + part.width - SIMD_LANES);
    BlockProduct p = {.b = panel,
                      .depth = part.steps,
                      .bias = bias && !part.first_step ? bias + part.first_column : NULL,
                      .c_row = m->c_pitch,
                      .last_lanes = tail < SIMD_LANES ? (int)tail : SIMD_LANES,
                      .add = part.first_step > 0 || m->accumulate};
    for (int64_t i = 0; i < blocks; i++) {
        const int64_t first = part_start(i, rows, blocks);
        p.a = a + first * m->a_strides[0] + part.first_step * m->a_strides[1];
        p.c = c + first * m->c_pitch + part.first_column;
        multiply_rows(m, part_start(i + 1, rows, blocks) - first, part.width / SIMD_LANES, p);
    }
}

static size_t scratch_bytes(const DnnProduct *m, int threads)
{
    return m->weights ? 0 : (size_t)(PANEL * threads) * sizeof(float);
}

static void run(const DnnProduct *m, int threads, const float *a, const float *b, const float *bias, float *c,
                void *scratch)
{
    const Division d = divide(m, threads);
    const int64_t blocks = block_count(m->columns);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t item = 0; item < d.strips * d.groups; item++) {
        float *copy = scratch ? (float *)scratch + omp_get_thread_num() * PANEL : NULL;
        const int64_t strip = item / d.groups, group = item % d.groups, first = part_start(strip, m->rows, d.strips);
        const int64_t rows = part_start(strip + 1, m->rows, d.strips) - first;
        const int64_t end = part_start(group + 1, blocks, d.groups);
        for (int64_t chunk = 0; chunk < chunk_count(m); chunk++) {
            const int64_t step = chunk_start(m, chunk), steps = chunk_start(m, chunk + 1) - step;
            for (int64_t i = part_start(group, blocks, d.groups); i < end; i++) {
                const Part part = part_of(m, i, step, steps);
                multiply_part(m, rows, part, panel_of(m, b, part, copy), a + first * m->a_strides[0], bias,
                              c + first * m->c_pitch);
            }
        }
    }
}

extern const ProductKernel SIMD_NAME(product_kernel);
const ProductKernel SIMD_NAME(product_kernel) = {SIMD_ID, .packed_bytes = packed_bytes, .scratch_bytes = scratch_bytes,
                                                 .pack = pack, .run = run};

#ifdef SIMD_BASE
extern const ProductKernel SIMD_ALL(product_kernel);

const ProductKernel *const *product_kernels(void)
{
    static const ProductKernel *const all[] = {SIMD_ADDRESSES(product_kernel), NULL};
    const ProductKernel *const *first = all;
    while ((*first)->level > simd_level()) first++;
    return first;
}
#endif
