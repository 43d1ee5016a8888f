#include "network/ops/pixel_sums.h"

#include <string.h>

static float float_of(uint16_t bf16)
{
    const uint32_t bits = (uint32_t)bf16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

enum { BLOCK = 16, RUN = 128 };

/* Sums the pixels of at most BLOCK channels. Short runs of pixels are summed in float, and their sums in double. Inlined
 * with a constant width and type, so that a run's sums are in registers. */
static inline __attribute__((always_inline)) void sum_block(const Tensor *y, int64_t first, int64_t width, bool halves,
                                                            float *sums)
{
    const int64_t pixels = shape_pixels(y->shape);
    double total[BLOCK] = {0};
    for (int64_t begin = 0; begin < pixels; begin += RUN) {
        float run[BLOCK] = {0};
        for (int64_t p = begin; p < pixels && p < begin + RUN; p++) {
            const int64_t at = p * y->pitch + first;
            for (int64_t c = 0; c < width; c++)
                run[c] += halves ? float_of(((const uint16_t *)y->grad)[at + c]) : ((const float *)y->grad)[at + c];
        }
        for (int64_t c = 0; c < width; c++) total[c] += run[c];
    }
    for (int64_t c = 0; c < width; c++) sums[first + c] = (float)total[c];
}

void pixel_sums(const Tensor *y, float *sums)
{
    const int64_t channels = y->shape.c;
    const bool halves = y->dtype != DTYPE_F32;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < channels; first += BLOCK) {
        const int64_t left = channels - first;
        if (left < BLOCK) sum_block(y, first, left, halves, sums);
        else if (halves) sum_block(y, first, BLOCK, true, sums);
        else sum_block(y, first, BLOCK, false, sums);
    }
}
