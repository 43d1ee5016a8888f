#include "network/ops/pixel_sums.h"

#include <string.h>

static float float_of(uint16_t bf16)
{
    const uint32_t bits = (uint32_t)bf16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A cache line of channels at a time. Short runs of pixels are summed in float, and their sums in double. */
void pixel_sums(const Tensor *y, float *sums)
{
    enum { BLOCK = 16, RUN = 128 };
    const int64_t rows = shape_pixels(y->shape), columns = y->shape.c;
    const float *floats = y->dtype == DTYPE_F32 ? y->grad : NULL;
    const uint16_t *halves = y->grad;
#pragma omp parallel for
    for (int64_t first = 0; first < columns; first += BLOCK) {
        const int64_t width = columns - first < BLOCK ? columns - first : BLOCK;
        double total[BLOCK] = {0};
        for (int64_t begin = 0; begin < rows; begin += RUN) {
            float run[BLOCK] = {0};
            for (int64_t r = begin; r < rows && r < begin + RUN; r++) {
                const int64_t at = r * y->pitch + first;
                for (int64_t c = 0; c < width; c++) run[c] += floats ? floats[at + c] : float_of(halves[at + c]);
            }
            for (int64_t c = 0; c < width; c++) total[c] += run[c];
        }
        for (int64_t c = 0; c < width; c++) sums[first + c] = (float)total[c];
    }
}
