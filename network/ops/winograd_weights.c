/* The gradient of the weights of Winograd's convolution (winograd.h): dw = Gᵀ [Σ over the tiles of (A dy Aᵀ) ⊙ (Bᵀ x B)] G,
 * with dy the 4×4 pixels of the tile; those outside the image are 0.
 *
 * An item of work is a group of output channels, a group of input channels and a piece of the tiles. Strip by strip it
 * transforms dy, D (36, tiles, outputs), and the input, V (36, tiles, inputs), and adds 36 products, P += Dᵀ V. P stays in
 * the level 2 cache. At the end it transforms P to 9 taps; those of the pieces are added in their order. */
#include <omp.h>

#include "network/graph/op.h"
#include "network/ops/small_product.h"
#include "network/ops/winograd_tiles.h"

enum {
    OUTPUTS = 96, /* most output channels of an item */
    STRIP = 32    /* tiles */
};

/* ---- the transforms along one axis ---- */

/* A: of the gradients of four pixels. */
SIMD_INLINE void transform_gradient(vf *to, const vf *y)
{
    const vf even_half = y[0] + y[2] * 0.5f, odd_half = (y[1] + y[3] * 0.5f) * ROOT_HALF;
    const vf even_2 = y[0] + y[2] * 2.0f, odd_2 = (y[1] + y[3] * 2.0f) * ROOT_2;
    to[0] = y[0];
    to[1] = even_half + odd_half;
    to[2] = even_half - odd_half;
    to[3] = even_2 + odd_2;
    to[4] = even_2 - odd_2;
    to[5] = y[3];
}

/* Gᵀ: to the gradients of three taps. */
SIMD_INLINE void transform_sums(vf *to, const vf *p)
{
    const vf sum_half = p[1] + p[2], difference_half = p[1] - p[2];
    const vf sum_2 = p[3] + p[4], difference_2 = p[3] - p[4];
    to[0] = p[0] - sum_half * (2.0f / 3) + sum_2 * (1.0f / 6);
    to[1] = difference_2 * (1.0f / 6 * ROOT_2) - difference_half * (2.0f / 3 * ROOT_HALF);
    to[2] = p[5] + (sum_2 - sum_half) * (1.0f / 3);
}

/* ---- the division of the work ---- */

/* Channels in almost equal groups of whole cache lines. */
typedef struct Groups {
    int64_t channels, count;
} Groups;

static Groups groups_of(int64_t channels, int64_t most) { return (Groups){channels, divided(channels, most)}; }

static int64_t group_start(Groups g, int64_t i)
{
    const int64_t start = part_start(i, divided(g.channels, LINE), g.count) * LINE;
    return start < g.channels ? start : g.channels;
}

static int64_t group_size(Groups g, int64_t i) { return group_start(g, i + 1) - group_start(g, i); }

/* The division of the work, which does not depend on the number of threads, and the sizes of an item's memory. */
typedef struct Division {
    Groups outputs, inputs;
    int64_t tiles, pieces, items;
    int64_t width;                               /* of the largest group of outputs, in whole cache lines */
    int64_t input_stride, output_stride, stride; /* floats from position to position of V, D and P: as in winograd.c */
} Division;

static Division divide(const WinogradShape *s)
{
    enum { ENOUGH = 32, LEAST_TILES = 96 }; /* items; tiles of a piece */
    Division d = {.outputs = groups_of(s->out_channels, OUTPUTS),
                  .inputs = groups_of(s->in.c, CHUNK),
                  .tiles = tiling_of(s->in).count};
    const int64_t blocks = d.outputs.count * d.inputs.count, wanted = divided(ENOUGH, blocks),
                  most = divided(d.tiles, LEAST_TILES);
    d.pieces = wanted < most ? wanted : most;
    d.items = blocks * d.pieces;
    d.width = divided(divided(s->out_channels, LINE), d.outputs.count) * LINE;
    d.input_stride = STRIP * CHUNK + LINE;
    d.output_stride = STRIP * d.width + LINE;
    d.stride = d.width * CHUNK + LINE;
    return d;
}

/* The part of the work that an item is. */
typedef struct Item {
    int64_t output, outputs, input, inputs; /* first channels, and numbers of channels */
    int64_t tile, end_tile;
} Item;

static Item item_at(const Division *d, int64_t item)
{
    const int64_t piece = item % d->pieces, block = item / d->pieces, i = block % d->inputs.count,
                  o = block / d->inputs.count;
    return (Item){group_start(d->outputs, o),
                  group_size(d->outputs, o),
                  group_start(d->inputs, i),
                  group_size(d->inputs, i),
                  part_start(piece, d->tiles, d->pieces),
                  part_start(piece + 1, d->tiles, d->pieces)};
}

/* ---- scratch memory ---- */

/* Of one thread, in floats. */
typedef struct Slab {
    float *input, *output, *sums; /* V, D, P */
    float *patch;                 /* the pixels of a tile at the border: (36, CHUNK), or (16, width) */
} Slab;

/* The floats of a slab that starts at `start`; slab may be NULL. */
static int64_t lay_out(const Division *d, float *start, Slab *slab)
{
    const int64_t output = POSITIONS * d->input_stride, sums = output + POSITIONS * d->output_stride,
                  patch = sums + POSITIONS * d->stride;
    if (slab) *slab = (Slab){start, start + output, start + sums, start + patch};
    return patch + POSITIONS * CHUNK;
}

/* The taps of an item: (width, 9, CHUNK). */
static int64_t item_floats(const Division *d) { return d->width * TAPS * CHUNK; }

/* First the taps of all items, then the slabs. */
size_t SIMD_NAME(winograd_weights_bytes)(const WinogradShape *s)
{
    const Division d = divide(s);
    return (size_t)(d.items * item_floats(&d) + lay_out(&d, NULL, NULL) * s->threads) * sizeof(float);
}

/* ---- the gradients of the output ---- */

/* Transforms 4×4 pixels with these distances between rows and pixels. */
static void transform_pixels(float *to, int64_t stride, const float *dy, int64_t row, int64_t pixel, int64_t channels)
{
    for (int64_t c = 0; c < channels; c += SIMD_LANES) {
        const int count = channels - c < SIMD_LANES ? (int)(channels - c) : SIMD_LANES;
        vf half[PATCH][TILE];
        SIMD_UNROLL
        for (int j = 0; j < TILE; j++) {
            vf column[TILE], result[PATCH];
            SIMD_UNROLL
            for (int i = 0; i < TILE; i++) column[i] = v_load_first(dy + i * row + j * pixel + c, count);
            transform_gradient(result, column);
            SIMD_UNROLL
            for (int i = 0; i < PATCH; i++) half[i][j] = result[i];
        }
        SIMD_UNROLL
        for (int i = 0; i < PATCH; i++) {
            vf result[PATCH];
            transform_gradient(result, half[i]);
            SIMD_UNROLL
            for (int j = 0; j < PATCH; j++) v_store(to + (i * PATCH + j) * stride + c, result[j]);
        }
    }
}

/* Copies the 4×4 pixels of a tile, with zeros outside the image. */
static void copy_pixels(float *patch, int64_t width, Shape s, const float *dy, Tile t, int64_t channels)
{
    for (int64_t i = 0; i < TILE * TILE; i++, patch += width) {
        const int64_t row = t.y + i / TILE, column = t.x + i % TILE;
        const bool inside = row < s.h && column < s.w;
        if (inside) memcpy(patch, dy + pixel_at(s, t.image, row, column) * s.c, (size_t)channels * sizeof *dy);
        else memset(patch, 0, (size_t)channels * sizeof *dy);
    }
}

/* s: the shape of dy, which is at the item's first channel. */
static void transform_output_tile(const Division *d, Shape s, const float *dy, Tile t, int64_t channels, float *to,
                                  float *patch)
{
    if (t.y + TILE <= s.h && t.x + TILE <= s.w) {
        transform_pixels(to, d->output_stride, dy + pixel_at(s, t.image, t.y, t.x) * s.c, s.w * s.c, s.c, channels);
        return;
    }
    copy_pixels(patch, d->width, s, dy, t, channels);
    transform_pixels(to, d->output_stride, patch, TILE * d->width, d->width, channels);
}

/* ---- running ---- */

/* P = Dᵀ V, or P += Dᵀ V, of a strip. */
static void multiply_strip(const Division *d, const Item *item, int64_t tiles, const Slab *slab, bool add)
{
    for (int64_t k = 0; k < POSITIONS; k++)
        small_product(&(SmallProduct){.rows = item->outputs,
                                      .depth = tiles,
                                      .vectors = divided(item->inputs, SIMD_LANES),
                                      .a = slab->output + k * d->output_stride,
                                      .b = slab->input + k * d->input_stride,
                                      .c = slab->sums + k * d->stride,
                                      .a_row = 1,
                                      .a_column = d->width,
                                      .b_row = CHUNK,
                                      .c_row = CHUNK,
                                      .accumulate = add});
}

/* The taps of an output channel and a vector of input channels, CHUNK floats apart, from P. */
static void finish_lanes(float *taps, const float *p, int64_t stride)
{
    vf half[3][PATCH];
    SIMD_UNROLL
    for (int j = 0; j < PATCH; j++) {
        vf column[PATCH], result[3];
        SIMD_UNROLL
        for (int i = 0; i < PATCH; i++) column[i] = v_load(p + (i * PATCH + j) * stride);
        transform_sums(result, column);
        for (int i = 0; i < 3; i++) half[i][j] = result[i];
    }
    SIMD_UNROLL
    for (int i = 0; i < 3; i++) {
        vf result[3];
        transform_sums(result, half[i]);
        for (int j = 0; j < 3; j++) v_store(taps + (i * 3 + j) * CHUNK, result[j]);
    }
}

static void run_item(const WinogradShape *s, const Division *d, const Item *item, const float *x, const float *dy,
                     float *taps, const Slab *slab)
{
    const Shape out = {s->in.n, s->in.h, s->in.w, s->out_channels};
    for (int64_t first = item->tile; first < item->end_tile; first += STRIP) {
        const int64_t left = item->end_tile - first, tiles = left < STRIP ? left : STRIP;
        for (int64_t i = 0; i < tiles; i++) {
            const Tile t = tile_at(s->in, first + i);
            transform_tile(s->in, x + item->input, t, item->inputs, slab->input + i * CHUNK, d->input_stride,
                           slab->patch);
            transform_output_tile(d, out, dy + item->output, t, item->outputs, slab->output + i * d->width,
                                  slab->patch);
        }
        multiply_strip(d, item, tiles, slab, first > item->tile);
    }
    for (int64_t o = 0; o < item->outputs; o++)
        for (int64_t i = 0; i < item->inputs; i += SIMD_LANES)
            finish_lanes(taps + o * TAPS * CHUNK + i, slab->sums + o * CHUNK + i, d->stride);
}

/* Adds the taps of a block's pieces for output channel o of its group, and writes them as (inputs, 9). */
static void add_pieces(const Division *d, const Item *item, int64_t o, const float *taps, float *dw)
{
    float sum[TAPS * CHUNK];
    taps += o * TAPS * CHUNK;
    memcpy(sum, taps, sizeof sum);
    for (int64_t piece = 1; piece < d->pieces; piece++)
        for (int64_t i = 0; i < TAPS * CHUNK; i += SIMD_LANES)
            v_store(sum + i, v_load(sum + i) + v_load(taps + piece * item_floats(d) + i));
    for (int64_t i = 0; i < item->inputs; i++)
        for (int64_t k = 0; k < TAPS; k++) dw[i * TAPS + k] = sum[k * CHUNK + i];
}

void SIMD_NAME(winograd_weights)(const WinogradShape *s, const float *x, const float *dy, float *dw, void *scratch)
{
    const Division d = divide(s);
    const int64_t floats = lay_out(&d, NULL, NULL);
    float *taps = scratch, *slabs = taps + d.items * item_floats(&d);
#pragma omp parallel num_threads(s->threads)
    {
        Slab slab;
        lay_out(&d, slabs + omp_get_thread_num() * floats, &slab);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < d.items; i++) {
            const Item item = item_at(&d, i);
            run_item(s, &d, &item, x, dy, taps + i * item_floats(&d), &slab);
        }
#pragma omp for schedule(static)
        for (int64_t k = 0; k < d.items / d.pieces * d.width; k++) {
            const int64_t first = k / d.width * d.pieces, o = k % d.width;
            const Item item = item_at(&d, first);
            if (o >= item.outputs) continue;
            add_pieces(&d, &item, o, taps + first * item_floats(&d),
                       dw + ((item.output + o) * s->in.c + item.input) * TAPS);
        }
    }
}
