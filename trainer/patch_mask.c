#include "trainer/patch_mask.h"

#include <math.h>
#include <string.h>

static void mask_square(int16_t *labels, int64_t height, int64_t width, int64_t y, int64_t x, int64_t size)
{
    for (int64_t i = y; i < y + size && i < height; i++)
        for (int64_t j = x; j < x + size && j < width; j++) labels[i * width + j] = 1;
}

/* Each square is masked with the probability (squares still to mask) / (squares still to come). */
void patch_mask(int16_t *labels, int64_t height, int64_t width, NetworkMask mask, Rng *rng)
{
    const int64_t size = mask.size, rows = (height + size - 1) / size, columns = (width + size - 1) / size;
    int64_t left = (int64_t)ceil(mask.share * (double)(rows * columns));
    memset(labels, 0, (size_t)(height * width) * sizeof *labels);
    for (int64_t k = 0, coming = rows * columns; k < rows * columns; k++, coming--) {
        if (rng_below(rng, (uint32_t)coming) >= left) continue;
        mask_square(labels, height, width, k / columns * size, k % columns * size, size);
        left--;
    }
}
