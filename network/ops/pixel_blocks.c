#include "network/ops/pixel_blocks.h"

#include "network/ops/kernel.h"

/* Channels of a coarse pixel, and the corresponding fine pixel. */
typedef struct PixelPair {
    Elem *coarse, *fine;
} PixelPair;

/* The pair of the fine pixel in row `row` (0 … n·H-1) and column x. */
static PixelPair pair_at(const PixelBlocks *b, int64_t row, int64_t x)
{
    const Shape c = b->coarse->shape, f = b->fine->shape;
    const int64_t n = row / f.h, y = row % f.h, down = y % b->factor, along = x % b->factor;
    const int64_t block = b->column_first ? along * b->factor + down : down * b->factor + along;
    const int64_t pixel = (n * c.h + y / b->factor) * c.w + x / b->factor;
    Elem *coarse = b->grad ? b->coarse->grad : b->coarse->data, *fine = b->grad ? b->fine->grad : b->fine->data;
    return (PixelPair){coarse + pixel * b->coarse->pitch + block * f.c, fine + (row * f.w + x) * b->fine->pitch};
}

void SIMD_NAME(pixel_blocks_to_coarse)(const PixelBlocks *b)
{
    const Shape c = b->coarse->shape, f = b->fine->shape;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < f.n * f.h; row++) {
        if (row % f.h >= c.h * b->factor) continue;
        for (int64_t x = 0; x < c.w * b->factor; x++) {
            const PixelPair p = pair_at(b, row, x);
            move_elements(p.coarse, p.fine, f.c, b->accumulate);
        }
    }
}

void SIMD_NAME(pixel_blocks_to_fine)(const PixelBlocks *b)
{
    const Shape c = b->coarse->shape, f = b->fine->shape;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < f.n * f.h; row++) {
        const int64_t width = row % f.h < c.h * b->factor ? c.w * b->factor : 0;
        Elem *fine = b->grad ? b->fine->grad : b->fine->data;
        for (int64_t x = 0; x < width; x++) {
            const PixelPair p = pair_at(b, row, x);
            move_elements(p.fine, p.coarse, f.c, b->accumulate);
        }
        if (!b->accumulate) clear_pixels(fine + (row * f.w + width) * b->fine->pitch, b->fine->pitch, f.w - width, f.c);
    }
}
