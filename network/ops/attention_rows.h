/* The rows of one head (d channels of some pixels) between the tensors and an attention's own memory. Only for
 * attention.c: compiled once for each SIMD level. */
#ifndef NETWORK_OPS_ATTENTION_ROWS_H
#define NETWORK_OPS_ATTENTION_ROWS_H

#include "network/ops/kernel.h"

/* Some channels of a tensor (data or gradient) and the projection's bias on them, NULL: none. */
typedef struct HeadRows {
    Elem *start;
    const float *bias;
    int64_t pitch, channels;
} HeadRows;

SIMD_INLINE void pack_lanes(float *to, int64_t row, const HeadRows *h, int64_t c, const int64_t *pixel, int64_t count,
                            float factor, int lanes)
{
    const vf bias = h->bias ? v_load_first(h->bias + c, lanes) : (vf){0};
    for (int64_t i = 0; i < count; i++) {
        vf x = bias;
        if (pixel[i] >= 0) x += v_get(h->start + pixel[i] * h->pitch + c, lanes);
        v_store(to + i * row + c, x * factor);
    }
}

/* Row i of `to` is that of token i, times factor. */
static inline void pack_rows(float *to, int64_t row, const HeadRows *h, const int64_t *pixel, int64_t count,
                             float factor)
{
    int64_t c = 0;
    for (; c + SIMD_LANES <= h->channels; c += SIMD_LANES) pack_lanes(to, row, h, c, pixel, count, factor, SIMD_LANES);
    if (c < h->channels) pack_lanes(to, row, h, c, pixel, count, factor, (int)(h->channels - c));
}

/* to (d, n) = the transpose of rows (count, d); columns after the last row are 0. n and d are whole vectors. */
static inline void turn_rows(float *to, int64_t n, const float *rows, int64_t d, int64_t count)
{
    for (int64_t first = 0; first < n; first += SIMD_LANES)
        for (int64_t c = 0; c < d; c += SIMD_LANES) {
            vf square[SIMD_LANES];
            SIMD_UNROLL
            for (int64_t i = 0; i < SIMD_LANES; i++)
                square[i] = first + i < count ? v_load(rows + (first + i) * d + c) : (vf){0};
            v_turn(square);
            SIMD_UNROLL
            for (int64_t i = 0; i < SIMD_LANES; i++) v_store(to + (c + i) * n + first, square[i]);
        }
}

/* The gradients of a head's rows, and the sums of the projection's bias over them; NULL: it has none. */
typedef struct RowGradients {
    HeadRows rows;
    float *bias;
    bool accumulate;
} RowGradients;

/* The rows that give_rows gives: of d floats, times factor. */
typedef struct GivenRows {
    const float *values;
    int64_t d, count;
    const int64_t *pixel;
    float factor;
} GivenRows;

SIMD_INLINE void give_lanes(const RowGradients *to, const GivenRows *from, int64_t c, int lanes)
{
    vf sum = {0};
    for (int64_t i = 0; i < from->count; i++) {
        const vf x = v_load(from->values + i * from->d + c) * from->factor;
        sum += x;
        if (from->pixel[i] < 0 || !to->rows.start) continue;
        Elem *at = to->rows.start + from->pixel[i] * to->rows.pitch + c;
        v_put(at, to->accumulate ? x + v_get(at, lanes) : x, lanes);
    }
    if (to->bias) v_store_first(to->bias + c, v_load_first(to->bias + c, lanes) + sum, lanes);
}

/* Adds or writes the rows to the gradients of the tokens. */
static inline void give_rows(const RowGradients *to, const GivenRows *from)
{
    const int64_t channels = to->rows.channels;
    int64_t c = 0;
    for (; c + SIMD_LANES <= channels; c += SIMD_LANES) give_lanes(to, from, c, SIMD_LANES);
    if (c < channels) give_lanes(to, from, c, (int)(channels - c));
}

#endif
