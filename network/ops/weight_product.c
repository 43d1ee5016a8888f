#include "network/ops/weight_product.h"

#include <omp.h>

#include "base/memory.h"

enum { BLOCK = 16 }; /* channels */

/* oneDNN makes a copy of the transposed first operand, dYᵀ. If X has few channels, this copy takes a large part of the
 * time. Then (dYᵀ X)ᵀ = Xᵀ dY is up to 1.3 times as fast, since it copies the narrower matrix. */
static bool is_better_turned(const WeightOperands *o)
{
    enum { FEW = 256 };
    return o->dtype == DTYPE_F32 && !product_is_own(o->dtype) && o->in_channels < o->out_channels &&
           o->in_channels < FEW;
}

/* With several threads a long sum of oneDNN is up to 1.15 times as fast if it is divided into pieces. With one thread it is
 * slower. */
static int choose_pieces(const WeightOperands *o)
{
    enum { MOST = 4, LEAST_PIXELS = 1600 };
    const bool divides = o->dtype == DTYPE_F32 && !product_is_own(o->dtype) && omp_get_max_threads() > 1;
    int pieces = divides ? MOST : 1;
    while (pieces > 1 && (o->pixels % pieces || o->pixels / pieces < LEAST_PIXELS)) pieces /= 2;
    return pieces;
}

int weight_product_new(WeightProduct *w, const WeightOperands *o, Err *e)
{
    *w = (WeightProduct){.out_channels = o->out_channels,
                         .in_channels = o->in_channels,
                         .pieces = choose_pieces(o),
                         .turned = is_better_turned(o)};
    DnnProduct p = {.rows = o->out_channels,
                    .depth = o->pixels,
                    .columns = o->in_channels,
                    .a_strides = {1, o->dy_pitch},
                    .b_strides = {o->x_pitch, 1},
                    .c_pitch = o->in_channels,
                    .dtype = o->dtype,
                    .a_dtype = o->dy_dtype,
                    .b_dtype = o->x_dtype,
                    .pieces = w->pieces};
    if (w->turned) {
        p.rows = o->in_channels;
        p.columns = p.c_pitch = o->out_channels;
        p.a_strides[1] = o->x_pitch;
        p.b_strides[0] = o->dy_pitch;
    }
    return product_new(&w->product, &p, e);
}

void weight_product_free(WeightProduct *w)
{
    product_free(w->product);
    w->product = NULL;
}

static size_t sums_bytes(const WeightProduct *w)
{
    const size_t bytes = (size_t)(w->pieces * w->out_channels * w->in_channels) * sizeof(float);
    return w->pieces > 1 || w->turned ? (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN : 0;
}

size_t weight_product_scratch(const WeightProduct *w)
{
    return w->product ? sums_bytes(w) + product_scratch_bytes(w->product) : 0;
}

/* Adds the pieces for a block of the result. The block is small enough for the cache in both layouts. */
static void add_block(const WeightProduct *w, const float *sums, int64_t first_out, int64_t first_in, float *dw)
{
    const int64_t out = w->out_channels, in = w->in_channels, of_out = w->turned ? 1 : in, of_in = w->turned ? out : 1;
    const int64_t end_out = first_out + BLOCK < out ? first_out + BLOCK : out;
    const int64_t end_in = first_in + BLOCK < in ? first_in + BLOCK : in;
    for (int64_t o = first_out; o < end_out; o++)
        for (int64_t i = first_in; i < end_in; i++) {
            const float *at = sums + o * of_out + i * of_in;
            float sum = at[0];
            for (int k = 1; k < w->pieces; k++) sum += at[k * out * in];
            dw[o * in + i] = sum;
        }
}

/* Adds the pieces in a fixed order; writes the result as (out, in). */
static void add_pieces(const WeightProduct *w, const float *sums, float *dw)
{
#pragma omp parallel for schedule(static) collapse(2)
    for (int64_t o = 0; o < w->out_channels; o += BLOCK)
        for (int64_t i = 0; i < w->in_channels; i += BLOCK) add_block(w, sums, o, i, dw);
}

void weight_product_run(WeightProduct *w, const void *dy, const void *x, float *dw, void *scratch, Err *e)
{
    const size_t bytes = sums_bytes(w);
    float *result = bytes ? scratch : dw;
    product_run(w->product, w->turned ? x : dy, w->turned ? dy : x, NULL, result, (char *)scratch + bytes, e);
    if (bytes) add_pieces(w, result, dw);
}
