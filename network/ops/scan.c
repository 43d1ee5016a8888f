/* The scan's memory sizes, and its ScanKernel of each SIMD level (scan.h). */
#include "network/ops/scan_internal.h"

#ifdef SIMD_BASE
ScanSizes scan_sizes(const ScanShape *s)
{
    const size_t channels = (size_t)((s->channels + SCAN_LINE - 1) / SCAN_LINE) * SCAN_LINE;
    const size_t images = (size_t)s->batch, directions = (size_t)s->directions.count;
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

const ScanKernel *const *scan_kernels(void)
{
    static const ScanKernel *const all[] = {SIMD_ADDRESSES(scan_kernel), NULL};
    const ScanKernel *const *first = all;
    while ((*first)->level > simd_level()) first++;
    return first;
}
#endif

extern const ScanKernel SIMD_NAME(scan_kernel);
const ScanKernel SIMD_NAME(scan_kernel) = {SIMD_HEAD, .pack = SIMD_NAME(scan_pack), .forward = SIMD_NAME(scan_forward),
                                           .backward = SIMD_NAME(scan_backward)};
