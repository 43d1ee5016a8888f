/* Converts the parameters of the scan to the layout of its kernels, and their gradients back (scan_internal.h). */
#include "network/ops/scan_internal.h"

/* Transposes `count` rows of a matrix: each column becomes one vector, padded with zeros. */
static void pack_rows(const float *from, int64_t count, int64_t columns, float *to)
{
    for (int64_t c = 0; c < columns; c++)
        for (int64_t i = 0; i < SIMD_LANES; i++) to[c * SIMD_LANES + i] = i < count ? from[i * columns + c] : 0.0f;
}

static void pack_block(const ScanShape *s, const ScanParams *p, int64_t direction, int64_t block, float *to)
{
    const int64_t left = s->channels - block * SIMD_LANES, first = (direction + 1) * s->channels - left;
    const int64_t count = left < SIMD_LANES ? left : SIMD_LANES;
    pack_rows(p->A_logs + first * s->states, count, s->states, to);
    for (int n = 0; n < s->states; n++, to += SIMD_LANES) /* finite, so that delta A is never 0 · infinity */
        v_store(to, v_max(v_set1(-1e9f), v_exp(v_load(to)) * -SIMD_LOG2E));
    pack_rows(p->dt_weight + first * s->rank, count, s->rank, to);
    pack_rows(p->dt_bias + first, count, 1, to + s->rank * SIMD_LANES);
    for (int r = 0; r <= s->rank; r++, to += SIMD_LANES) v_store(to, v_load(to) * SIMD_LOG2E);
    pack_rows(p->Ds + first, count, 1, to);
}

void SIMD_NAME(scan_pack)(const ScanShape *s, const ScanParams *params, float *packed)
{
    const int64_t blocks = scan_blocks(s);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t i = 0; i < s->directions.count * blocks; i++)
        pack_block(s, params, i / blocks, i % blocks, packed + scan_block_offset(s, i / blocks, i % blocks));
}

static void unpack_rows(const float *from, int64_t count, int64_t columns, float *to)
{
    for (int64_t i = 0; to && i < count; i++)
        for (int64_t c = 0; c < columns; c++) to[i * columns + c] = from[c * SIMD_LANES + i];
}

/* Sums a block's gradients over the sets in the first one, and converts those of A to those of A_logs. */
static void sum_block(const ScanShape *s, const float *packed, int64_t offset, float *sets)
{
    const int64_t all = scan_block_offset(s, s->directions.count, 0);
    float *sum = sets + offset;
    for (int64_t v = 0; v < scan_block_vectors(s) * SIMD_LANES; v += SIMD_LANES) {
        vf total = v_load(sum + v);
        for (int64_t image = 1; image < s->batch; image++) total += v_load(sum + image * all + v);
        if (v < s->states * SIMD_LANES) /* dA / dA_log = A */
            total *= v_load(packed + offset + v) * SIMD_LN2;
        v_store(sum + v, total);
    }
}

void SIMD_NAME(scan_unpack)(const ScanShape *s, const float *packed, float *sets, const ScanParamGradients *params)
{
    const int64_t blocks = scan_blocks(s);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t i = 0; i < s->directions.count * blocks; i++) {
        const int64_t block = i % blocks, first = i / blocks * s->channels + block * SIMD_LANES;
        const int64_t left = s->channels - block * SIMD_LANES, count = left < SIMD_LANES ? left : SIMD_LANES;
        const int64_t offset = scan_block_offset(s, i / blocks, block);
        sum_block(s, packed, offset, sets);

        const float *from = sets + offset;
        unpack_rows(from, count, s->states, params->A_logs ? params->A_logs + first * s->states : NULL);
        from += s->states * SIMD_LANES;
        unpack_rows(from, count, s->rank, params->dt_weight ? params->dt_weight + first * s->rank : NULL);
        unpack_rows(from + s->rank * SIMD_LANES, count, 1, params->dt_bias ? params->dt_bias + first : NULL);
        unpack_rows(from + (s->rank + 1) * SIMD_LANES, count, 1, params->Ds ? params->Ds + first : NULL);
    }
}
