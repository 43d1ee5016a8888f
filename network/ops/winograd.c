/* Winograd's convolution (winograd.h).
 *
 * Tiles are numbered through all images, and processed in strips. An item of work is a strip and a group of output
 * channels. For each chunk of input channels it transforms the input, V (36, tiles, channels), and multiplies by the
 * transformed weights U (36, channels, width) of each block of output channels: 36 products M += V U. Then it transforms
 * M back. V, U and a block of M stay in the level 2 cache.
 *
 * Weights are packed as U if that is small, else as the 9 taps, a quarter of the size: then each item transforms them.
 * This costs 90 operations for each 36 multiply-adds of a tile, and strips are longer. */
#include <omp.h>

#include "network/graph/op.h"
#include "network/ops/winograd_tiles.h"

enum {
    GROUP = 192 /* most output channels of an item, if there are enough items */
};

/* ---- the transforms along one axis ---- */

/* G: the polynomial of the taps at each point p, divided by Π (p - q) over the other points q. */
SIMD_INLINE void transform_weights(vf *to, const vf *w)
{
    const vf even_half = w[0] * (-2.0f / 3) - w[2] * (1.0f / 3), odd_half = w[1] * (-2.0f / 3 * ROOT_HALF);
    const vf even_2 = w[0] * (1.0f / 6) + w[2] * (1.0f / 3), odd_2 = w[1] * (1.0f / 6 * ROOT_2);
    to[0] = w[0];
    to[1] = even_half + odd_half;
    to[2] = even_half - odd_half;
    to[3] = even_2 + odd_2;
    to[4] = even_2 - odd_2;
    to[5] = w[2];
}

/* Aᵀ: Σ over the points of p^i m. */
SIMD_INLINE void transform_output(vf *to, const vf *m)
{
    const vf sum_half = m[1] + m[2], difference_half = m[1] - m[2];
    const vf sum_2 = m[3] + m[4], difference_2 = m[3] - m[4];
    to[0] = m[0] + sum_half + sum_2;
    to[1] = difference_half * ROOT_HALF + difference_2 * ROOT_2;
    to[2] = sum_half * 0.5f + sum_2 * 2.0f;
    to[3] = m[5] + difference_half * (0.5f * ROOT_HALF) + difference_2 * (2.0f * ROOT_2);
}

/* ---- the division of the work ---- */

/* Whether the weights are packed transformed. */
static bool packs_transformed(const WinogradShape *s)
{
    enum { SMALL = 1 << 17 };
    return s->in.c * s->out_channels <= SMALL;
}

static int64_t strip_count(const WinogradShape *s)
{
    enum { SHORT = 32, LONG = 48 }; /* tiles */
    return divided(tiling_of(s->in).count, packs_transformed(s) ? SHORT : LONG);
}

/* The largest number of tiles in a strip. */
static int64_t strip_length(const WinogradShape *s) { return divided(tiling_of(s->in).count, strip_count(s)); }

static int64_t chunk_count(const WinogradShape *s) { return divided(s->in.c, CHUNK); }

/* The first channel of a chunk. */
static int64_t chunk_start(const WinogradShape *s, int64_t chunk)
{
    const int64_t start = part_start(chunk, divided(s->in.c, LINE), chunk_count(s)) * LINE;
    return start < s->in.c ? start : s->in.c;
}

static int64_t block_width(const WinogradShape *s, int64_t block)
{
    return block_start(block + 1, s->out_channels) - block_start(block, s->out_channels);
}

/* The number of groups of blocks: more if that makes the items a multiple of the threads. */
static int64_t group_count(const WinogradShape *s)
{
    enum { ENOUGH = 8 }; /* items for each thread */
    const int64_t strips = strip_count(s), blocks = block_count(s->out_channels);
    int64_t groups = divided(s->out_channels, GROUP);
    while (groups < blocks && strips * groups % s->threads && strips * groups < ENOUGH * s->threads) groups++;
    return groups;
}

/* Distances between positions, in floats. The cache line added avoids multiples of 4096 bytes, at which the addresses of
 * all positions would share a few lines of the level 1 cache. */
static int64_t input_stride(const WinogradShape *s) { return strip_length(s) * CHUNK + LINE; }
static int64_t product_stride(const WinogradShape *s, int64_t width) { return strip_length(s) * width + LINE; }
static int64_t weight_stride(int64_t channels, int64_t width) { return channels * width + LINE; }

/* ---- scratch memory ---- */

/* Of one thread, in floats. */
typedef struct Slab {
    float *input;   /* V */
    float *weights; /* U, if it is not packed */
    float *product; /* M, one block after the other */
    float *patch;   /* the input pixels of a tile at the border: (36, CHUNK) */
} Slab;

static int64_t product_floats(const WinogradShape *s)
{
    const int64_t blocks = divided(block_count(s->out_channels), group_count(s));
    return blocks * POSITIONS * product_stride(s, BLOCK_WIDTH);
}

/* The floats of a slab that starts at `start`; slab may be NULL. */
static int64_t lay_out(const WinogradShape *s, float *start, Slab *slab)
{
    const int64_t weights = POSITIONS * input_stride(s);
    const int64_t product = weights + (packs_transformed(s) ? 0 : POSITIONS * weight_stride(CHUNK, BLOCK_WIDTH));
    const int64_t patch = product + product_floats(s);
    if (slab) *slab = (Slab){start, start + weights, start + product, start + patch};
    return patch + POSITIONS * CHUNK;
}

static size_t scratch_bytes(const WinogradShape *s)
{
    return (size_t)(lay_out(s, NULL, NULL) * s->threads) * sizeof(float);
}

/* ---- weights ---- */

/* The taps of an input channel: (9, width). */
static void gather_taps(float *taps, const WinogradShape *s, const float *weights, bool turned, int64_t in,
                        int64_t block)
{
    const int64_t first = block_start(block, s->out_channels), width = block_width(s, block);
    const int64_t row = TAPS * (turned ? 1 : s->in.c); /* from output to output */
    const float *from = weights + (turned ? in * s->out_channels * TAPS : in * TAPS) + first * row;
    for (int64_t o = 0; o < width; o += SIMD_LANES)
        for (int k = 0; k < TAPS; k += SIMD_LANES) {
            const int count = TAPS - k < SIMD_LANES ? TAPS - k : SIMD_LANES;
            vf square[SIMD_LANES];
            for (int i = 0; i < SIMD_LANES; i++)
                square[i] = first + o + i < s->out_channels ? v_load_first(from + (o + i) * row + k, count) : (vf){0};
            v_turn(square);
            for (int i = 0; i < count; i++) v_store(taps + (turned ? TAPS - 1 - k - i : k + i) * width + o, square[i]);
        }
}

/* Transforms the taps (9, width) of a channel; the positions of the result are `stride` floats apart. */
static void transform_taps(float *to, int64_t stride, const float *taps, int64_t width)
{
    for (int64_t v = 0; v < width; v += SIMD_LANES) {
        vf half[PATCH][3];
        SIMD_UNROLL
        for (int j = 0; j < 3; j++) {
            vf column[3], result[PATCH];
            for (int i = 0; i < 3; i++) column[i] = v_load(taps + (i * 3 + j) * width + v);
            transform_weights(result, column);
            SIMD_UNROLL
            for (int i = 0; i < PATCH; i++) half[i][j] = result[i];
        }
        SIMD_UNROLL
        for (int i = 0; i < PATCH; i++) {
            vf result[PATCH];
            transform_weights(result, half[i]);
            SIMD_UNROLL
            for (int j = 0; j < PATCH; j++) v_store(to + (i * PATCH + j) * stride + v, result[j]);
        }
    }
}

/* The floats of the packed weights before a chunk of a block. */
static int64_t packed_offset(const WinogradShape *s, int64_t block, int64_t chunk)
{
    const int64_t first = block_start(block, s->out_channels), width = block_width(s, block),
                  channel = chunk_start(s, chunk);
    if (!packs_transformed(s)) return (first * s->in.c + channel * width) * TAPS;
    return (first * s->in.c + channel * width + (block * chunk_count(s) + chunk) * LINE) * POSITIONS;
}

static size_t packed_bytes(const WinogradShape *s)
{
    return (size_t)packed_offset(s, block_count(s->out_channels), 0) * sizeof(float);
}

static void pack_chunk(const WinogradShape *s, const float *weights, bool turned, int64_t block, int64_t chunk,
                       float *packed)
{
    const int64_t start = chunk_start(s, chunk), channels = chunk_start(s, chunk + 1) - start;
    const int64_t width = block_width(s, block);
    for (int64_t i = 0; i < channels; i++) {
        float taps[TAPS * BLOCK_WIDTH];
        gather_taps(taps, s, weights, turned, start + i, block);
        if (packs_transformed(s)) transform_taps(packed + i * width, weight_stride(channels, width), taps, width);
        else memcpy(packed + i * TAPS * width, taps, (size_t)(TAPS * width) * sizeof *taps);
    }
}

static void pack(const WinogradShape *s, const float *weights, bool turned, float *packed)
{
    const int64_t chunks = chunk_count(s);
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < block_count(s->out_channels) * chunks; i++)
        pack_chunk(s, weights, turned, i / chunks, i % chunks, packed + packed_offset(s, i / chunks, i % chunks));
}

/* ---- products ---- */

/* The products of all positions for `tiles` tiles, a chunk and a block. */
static void multiply_chunk(const WinogradShape *s, int64_t tiles, int64_t channels, int64_t width, const float *input,
                           const float *weights, float *product, bool add)
{
    const int64_t blocks = divided(tiles, BLOCK_ROWS);
    for (int k = 0; k < POSITIONS; k++) {
        BlockProduct p = {.a_row = CHUNK,
                          .a_step = 1,
                          .b = weights + k * weight_stride(channels, width),
                          .depth = channels,
                          .c_row = width,
                          .last_lanes = SIMD_LANES,
                          .add = add};
        for (int64_t i = 0; i < blocks; i++) {
            const int64_t first = part_start(i, tiles, blocks), rows = part_start(i + 1, tiles, blocks) - first;
            p.a = input + k * input_stride(s) + first * CHUNK;
            p.c = product + k * product_stride(s, width) + first * width;
            block_product(rows, width / SIMD_LANES, p);
        }
    }
}

/* ---- output ---- */

/* The part of a tile that is inside the image, and where its output goes. */
typedef struct Target {
    float *at;
    int64_t row, pixel; /* distances */
    int height, width;
    bool accumulate;
} Target;

SIMD_INLINE void finish_lanes(Target t, const float *m, int64_t stride, vf bias, int count)
{
    vf half[TILE][PATCH];
    SIMD_UNROLL
    for (int j = 0; j < PATCH; j++) {
        vf column[PATCH], result[TILE];
        SIMD_UNROLL
        for (int i = 0; i < PATCH; i++) column[i] = v_load(m + (i * PATCH + j) * stride);
        transform_output(result, column);
        SIMD_UNROLL
        for (int i = 0; i < TILE; i++) half[i][j] = result[i];
    }
    SIMD_UNROLL
    for (int i = 0; i < TILE; i++) {
        vf result[TILE];
        transform_output(result, half[i]);
        SIMD_UNROLL
        for (int j = 0; j < TILE; j++) {
            if (i >= t.height || j >= t.width) continue;
            float *at = t.at + i * t.row + j * t.pixel;
            const vf y = result[j] + bias;
            v_store_first(at, t.accumulate ? y + v_load_first(at, count) : y, count);
        }
    }
}

/* product: of the tile and the block. */
static void finish_tile(const WinogradShape *s, const WinogradValues *v, Tile t, int64_t block, const float *product)
{
    const int64_t first = block_start(block, s->out_channels), width = block_width(s, block), c = s->out_channels;
    const int64_t stride = product_stride(s, width), below = s->in.h - t.y, right = s->in.w - t.x;
    Target target = {v->y + pixel_at(s->in, t.image, t.y, t.x) * c + first, s->in.w * c, c, TILE, TILE, v->accumulate};
    for (int64_t i = 0; i < width; i += SIMD_LANES, target.at += SIMD_LANES) {
        const int64_t left = c - first - i;
        const int count = left < SIMD_LANES ? (int)left : SIMD_LANES;
        const vf bias = v->bias ? v_load_first(v->bias + first + i, count) : (vf){0};
        if (below >= TILE && right >= TILE && count == SIMD_LANES) {
            finish_lanes(target, product + i, stride, bias, SIMD_LANES);
            continue;
        }
        target.height = below < TILE ? (int)below : TILE;
        target.width = right < TILE ? (int)right : TILE;
        finish_lanes(target, product + i, stride, bias, count);
    }
}

/* ---- running ---- */

typedef struct Item {
    int64_t first_tile, tiles, first_block, end_block;
} Item;

static Item item_at(const WinogradShape *s, int64_t item)
{
    const int64_t groups = group_count(s), strip = item / groups, group = item % groups;
    const int64_t tiles = tiling_of(s->in).count, blocks = block_count(s->out_channels),
                  first = part_start(strip, tiles, strip_count(s));
    return (Item){first, part_start(strip + 1, tiles, strip_count(s)) - first, part_start(group, blocks, groups),
                  part_start(group + 1, blocks, groups)};
}

/* The transformed weights of a block and a chunk. */
static const float *weights_of(const WinogradShape *s, const float *packed, int64_t block, int64_t chunk,
                               float *scratch)
{
    const int64_t width = block_width(s, block), channels = chunk_start(s, chunk + 1) - chunk_start(s, chunk);
    const float *from = packed + packed_offset(s, block, chunk);
    if (packs_transformed(s)) return from;
    for (int64_t i = 0; i < channels; i++)
        transform_taps(scratch + i * width, weight_stride(channels, width), from + i * TAPS * width, width);
    return scratch;
}

static void run_item(const WinogradShape *s, const WinogradValues *v, Item item, const Slab *slab)
{
    for (int64_t chunk = 0; chunk < chunk_count(s); chunk++) {
        const int64_t start = chunk_start(s, chunk), channels = chunk_start(s, chunk + 1) - start;
        float *product = slab->product;
        for (int64_t i = 0; i < item.tiles; i++)
            transform_tile(s->in, v->x + start, tile_at(s->in, item.first_tile + i), channels, slab->input + i * CHUNK,
                           input_stride(s), slab->patch);
        for (int64_t b = item.first_block; b < item.end_block; b++) {
            const int64_t width = block_width(s, b);
            const float *weights = weights_of(s, v->packed, b, chunk, slab->weights);
            multiply_chunk(s, item.tiles, channels, width, slab->input, weights, product, chunk > 0);
            product += POSITIONS * product_stride(s, width);
        }
    }
    const float *product = slab->product;
    for (int64_t b = item.first_block; b < item.end_block; b++) {
        const int64_t width = block_width(s, b);
        for (int64_t i = 0; i < item.tiles; i++)
            finish_tile(s, v, tile_at(s->in, item.first_tile + i), b, product + i * width);
        product += POSITIONS * product_stride(s, width);
    }
}

static void run(const WinogradShape *s, const WinogradValues *v, void *scratch)
{
    const int64_t items = strip_count(s) * group_count(s), floats = lay_out(s, NULL, NULL);
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < items; i++) {
        Slab slab;
        lay_out(s, (float *)scratch + omp_get_thread_num() * floats, &slab);
        run_item(s, v, item_at(s, i), &slab);
    }
}

extern const WinogradKernel SIMD_NAME(winograd_kernel);
const WinogradKernel SIMD_NAME(winograd_kernel) = {SIMD_ID,
                                                   .packed_bytes = packed_bytes,
                                                   .scratch_bytes = scratch_bytes,
                                                   .pack = pack,
                                                   .run = run,
                                                   .weights_scratch_bytes = SIMD_NAME(winograd_weights_bytes),
                                                   .weights = SIMD_NAME(winograd_weights)};

#ifdef SIMD_BASE
int64_t winograd_tiles(Shape image) { return tiling_of(image).count; }

extern const WinogradKernel SIMD_ALL(winograd_kernel);

const WinogradKernel *const *winograd_kernels(void)
{
    static const WinogradKernel *const all[] = {SIMD_ADDRESSES(winograd_kernel), NULL};
    const WinogradKernel *const *first = all;
    while ((*first)->level > simd_level()) first++;
    return first;
}
#endif
