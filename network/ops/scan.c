/* The scan's memory, the packing of its parameters, and its kernels by SIMD level (scan.h). */
#include "network/ops/scan_internal.h"

#ifdef SIMD_BASE
ScanSizes scan_sizes(const ScanShape *s)
{
    const size_t channels = (size_t)((s->channels + SCAN_LINE - 1) / SCAN_LINE) * SCAN_LINE;
    const size_t images = (size_t)s->batch, directions = (size_t)s->directions;
    const size_t threads = (size_t)s->threads;
    const size_t packed = directions * channels * (size_t)scan_block_vectors(s) * sizeof(float);
    const size_t state = images * channels * (size_t)s->states * sizeof(float);
    const size_t turns = images * (channels / SIMD_LANES) * sizeof(Turn);
    const size_t group_turns = images * (size_t)scan_groups(s) * sizeof(Turn);
    return (ScanSizes){
        .packed = packed,
        .states = state * directions * (size_t)(scan_chunks(s) - 1),
        .forward_scratch = turns + state + threads * (size_t)scan_forward_slab(s, SCAN_LINE) * sizeof(float),
        .backward_scratch = turns + group_turns + state + images * packed +
                            threads * (size_t)scan_backward_slab(s, SCAN_LINE) * sizeof(float),
    };
}
#endif

/* `count` rows of a matrix, and zeros, as its columns: one vector each. */
static void pack_rows(const float *from, int64_t count, int64_t columns, float *to)
{
    for (int64_t c = 0; c < columns; c++)
        for (int64_t i = 0; i < SIMD_LANES; i++)
            to[c * SIMD_LANES + i] = i < count ? from[i * columns + c] : 0.0f;
}

static void pack_block(const ScanShape *s, const ScanParams *p, int64_t direction, int64_t block, float *to)
{
    const int64_t left = s->channels - block * SIMD_LANES, first = (direction + 1) * s->channels - left;
    const int64_t count = left < SIMD_LANES ? left : SIMD_LANES;
    pack_rows(p->A_logs + first * s->states, count, s->states, to);
    for (int n = 0; n < s->states; n++, to += SIMD_LANES)
        /* finite, so that delta A never is 0 times infinity */
        v_store(to, v_max(v_set1(-1e9f), v_exp(v_load(to)) * -SIMD_LOG2E));
    pack_rows(p->dt_weight + first * s->rank, count, s->rank, to);
    pack_rows(p->dt_bias + first, count, 1, to + s->rank * SIMD_LANES);
    for (int r = 0; r <= s->rank; r++, to += SIMD_LANES)
        v_store(to, v_load(to) * SIMD_LOG2E);
    pack_rows(p->Ds + first, count, 1, to);
}

static void pack(const ScanShape *s, const ScanParams *params, float *packed)
{
    const int64_t blocks = scan_blocks(s);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t i = 0; i < s->directions * blocks; i++)
        pack_block(s, params, i / blocks, i % blocks, packed + scan_block_offset(s, i / blocks, i % blocks));
}

static void unpack_rows(const float *from, int64_t count, int64_t columns, float *to)
{
    for (int64_t i = 0; to && i < count; i++)
        for (int64_t c = 0; c < columns; c++)
            to[i * columns + c] = from[c * SIMD_LANES + i];
}

/* Adds up a block's gradients in the first set, and turns those of A into those of A_logs. */
static void sum_block(const ScanShape *s, const float *packed, int64_t offset, float *sets)
{
    const int64_t all = scan_block_offset(s, s->directions, 0);
    float *sum = sets + offset;
    for (int64_t v = 0; v < scan_block_vectors(s) * SIMD_LANES; v += SIMD_LANES) {
        vf total = v_load(sum + v);
        for (int64_t image = 1; image < s->batch; image++)
            total += v_load(sum + image * all + v);
        if (v < s->states * SIMD_LANES) /* dA / dA_log = A */
            total *= v_load(packed + offset + v) * SIMD_LN2;
        v_store(sum + v, total);
    }
}

void SIMD_NAME(scan_unpack)(const ScanShape *s, const float *packed, float *sets,
                            const ScanParamGradients *params)
{
    const int64_t blocks = scan_blocks(s);
#pragma omp parallel for num_threads(s->threads)
    for (int64_t i = 0; i < s->directions * blocks; i++) {
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

extern const ScanKernel SIMD_NAME(scan_kernel);
const ScanKernel SIMD_NAME(scan_kernel) = {
    SIMD_HEAD, .pack = pack, .forward = SIMD_NAME(scan_forward), .backward = SIMD_NAME(scan_backward)
};
