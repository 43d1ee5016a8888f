/* Products of patches (patches.h).
 *
 * A row of a patch has g·D values; the same rows of the patches of an image row are a matrix (W, g·D) in place, as the
 * coarse row is one of (W,C). A segment is a part of an image row that fits into the cache. */
#include "network/ops/patches.h"

#include <omp.h>
#include <string.h>

#include "network/graph/op.h"
#include "network/ops/small_product.h"

/* ---- segments ---- */

enum {
    SEGMENT = 128, /* most pixels */
    LINE = 16      /* floats: a cache line */
};

/* Some neighbouring coarse pixels of one image row. */
typedef struct Segment {
    int64_t coarse, fine; /* the first values of both images; of `fine` in the first row of the patches */
    int64_t pixels;
} Segment;

/* Rows: a patch of one row continues in the next image row, so that all pixels are one row. */
typedef struct Rows {
    int64_t count, pixels, parts; /* of the coarse image; pixels and segments of a row */
    int64_t values;               /* of a row of a patch */
} Rows;

static Rows rows_of(const PatchShape *s)
{
    const int64_t rows = s->coarse.n * s->coarse.h;
    Rows r = {rows, s->coarse.w, 1, s->size.x * s->fine_channels};
    if (s->size.y == 1) r = (Rows){1, rows * s->coarse.w, 1, r.values};
    r.parts = divided(r.pixels, SEGMENT);
    return r;
}

static int64_t fine_row(const PatchShape *s, const Rows *r) { return s->coarse.w * r->values; }

static Segment segment_at(const PatchShape *s, const Rows *r, int64_t index)
{
    const int64_t row = index / r->parts, part = index % r->parts, first = part_start(part, r->pixels, r->parts);
    return (Segment){(row * r->pixels + first) * s->coarse.c, row * s->size.y * fine_row(s, r) + first * r->values,
                     part_start(part + 1, r->pixels, r->parts) - first};
}

/* ---- weights ---- */

/* to_fine: panels (C, columns of a row of a patch) for each row u; to_coarse: (values of a row, columns of C). */
static int64_t depth_of(const PatchShape *s, bool to_fine) { return to_fine ? s->coarse.c : rows_of(s).values; }
static int64_t columns_of(const PatchShape *s, bool to_fine) { return to_fine ? rows_of(s).values : s->coarse.c; }

/* The floats of a row's panels, and those before one of them. */
static int64_t panel_offset(const PatchShape *s, bool to_fine, int64_t block)
{
    return block_start(block, columns_of(s, to_fine)) * depth_of(s, to_fine);
}
static int64_t row_floats(const PatchShape *s, bool to_fine)
{
    return panel_offset(s, to_fine, block_count(columns_of(s, to_fine)));
}

static size_t packed_bytes(const PatchShape *s, bool to_fine)
{
    return (size_t)(s->size.y * row_floats(s, to_fine)) * sizeof(float);
}

/* The weights of a coarse channel, and among them the place of value k = (v,d) of row u of a patch. */
static int64_t weights_of_channel(const PatchShape *s) { return s->fine_channels * s->size.y * s->size.x; }
static int64_t place_of(const PatchShape *s, int64_t u, int64_t k)
{
    return (k % s->fine_channels * s->size.y + u) * s->size.x + k / s->fine_channels;
}

static void pack_panel(const PatchShape *s, bool to_fine, const float *weights, int64_t u, int64_t block, float *panel)
{
    const int64_t columns = columns_of(s, to_fine), depth = depth_of(s, to_fine), first = block_start(block, columns),
                  width = block_start(block + 1, columns) - first, all = weights_of_channel(s);
    int64_t place[BLOCK_WIDTH];
    for (int64_t i = 0; i < width; i++) place[i] = to_fine ? place_of(s, u, first + i) : (first + i) * all;
    for (int64_t k = 0; k < depth; k++) {
        const float *from = weights + (to_fine ? k * all : place_of(s, u, k));
        for (int64_t i = 0; i < width; i++) panel[k * width + i] = first + i < columns ? from[place[i]] : 0;
    }
}

static void pack(const PatchShape *s, bool to_fine, const float *weights, float *packed)
{
    const int64_t blocks = block_count(columns_of(s, to_fine));
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < s->size.y * blocks; i++)
        pack_panel(s, to_fine, weights, i / blocks, i % blocks,
                   packed + i / blocks * row_floats(s, to_fine) + panel_offset(s, to_fine, i % blocks));
}

/* ---- products of a segment ---- */

/* C (pixels, columns) = A B, of a block of columns; p: of its first pixel. */
static void multiply_pixels(int64_t pixels, int64_t vectors, BlockProduct p)
{
    for (int64_t i = 0, rows; i < pixels; i += rows, p.a += rows * p.a_row, p.c += rows * p.c_row) {
        rows = next_part(pixels - i, BLOCK_ROWS);
        block_product(rows, vectors, p);
    }
}

/* A row u of the patches of a segment; bias: of all columns. */
static void multiply_row(const PatchShape *s, bool to_fine, int64_t u, int64_t pixels, const PatchValues *v,
                         const float *from, float *to, bool add)
{
    const int64_t columns = columns_of(s, to_fine), depth = depth_of(s, to_fine);
    for (int64_t b = 0; b < block_count(columns); b++) {
        const int64_t first = block_start(b, columns), width = block_start(b + 1, columns) - first;
        const int64_t left = columns - (first + width - SIMD_LANES);
        multiply_pixels(pixels, width / SIMD_LANES,
                        (BlockProduct){.a = from,
                                       .a_row = depth,
                                       .a_step = 1,
                                       .b = v->packed + u * row_floats(s, to_fine) + panel_offset(s, to_fine, b),
                                       .depth = depth,
                                       .bias = v->bias ? v->bias + first : NULL,
                                       .c = to + first,
                                       .c_row = columns,
                                       .last_lanes = left < SIMD_LANES ? (int)left : SIMD_LANES,
                                       .add = add});
    }
}

static void add_bias(float *to, const float *bias, int64_t pixels, int64_t channels)
{
    for (int64_t p = 0; p < pixels; p++, to += channels)
        for (int64_t c = 0; c < channels; c += SIMD_LANES) {
            const int lanes = channels - c < SIMD_LANES ? (int)(channels - c) : SIMD_LANES;
            v_store_first(to + c, v_load_first(to + c, lanes) + v_load_first(bias + c, lanes), lanes);
        }
}

static void to_fine(const PatchShape *s, const PatchValues *v)
{
    const Rows r = rows_of(s);
    const PatchValues without = {.packed = v->packed};
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < r.count * r.parts; i++) {
        const Segment g = segment_at(s, &r, i);
        for (int64_t u = 0; u < s->size.y; u++) {
            float *to = v->to + g.fine + u * fine_row(s, &r);
            multiply_row(s, true, u, g.pixels, &without, v->from + g.coarse, to, v->accumulate);
            if (v->bias) add_bias(to, v->bias, g.pixels * s->size.x, s->fine_channels);
        }
    }
}

static void to_coarse(const PatchShape *s, const PatchValues *v)
{
    const Rows r = rows_of(s);
    const PatchValues without = {.packed = v->packed};
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t i = 0; i < r.count * r.parts; i++) {
        const Segment g = segment_at(s, &r, i);
        for (int64_t u = 0; u < s->size.y; u++)
            multiply_row(s, false, u, g.pixels, u ? &without : v, v->from + g.fine + u * fine_row(s, &r),
                         v->to + g.coarse, u || v->accumulate);
    }
}

/* ---- the gradient of the weights ---- */

/* The sums of an item: a group of coarse channels, and some columns of one row of a patch, over a piece of the segments.
 * The division does not depend on the number of threads. */
typedef struct Division {
    Rows rows;
    int64_t groups, blocks, pieces, items; /* groups of coarse channels, blocks of columns */
    int64_t height, width;                 /* the most of an item's sums; whole vectors */
} Division;

static Division divide(const PatchShape *s)
{
    enum { GROUP = 96, BLOCK = 192, ENOUGH = 32, LEAST_PIXELS = 1024 };
    Division d = {.rows = rows_of(s), .groups = divided(s->coarse.c, GROUP)};
    const int64_t columns = d.rows.values, segments = d.rows.count * d.rows.parts;
    d.blocks = divided(columns, BLOCK);
    const int64_t wanted = divided(ENOUGH, d.groups * d.blocks * s->size.y),
                  most = divided(shape_pixels(s->coarse), LEAST_PIXELS);
    d.pieces = wanted < most ? wanted : most;
    if (d.pieces > segments) d.pieces = segments;
    d.items = d.groups * d.blocks * s->size.y * d.pieces;
    d.height = divided(s->coarse.c, d.groups);
    d.width = divided(vector_count(columns), d.blocks) * SIMD_LANES;
    return d;
}

typedef struct Item {
    int64_t channel, channels, column, columns, u; /* first ones and numbers */
    int64_t segment, end_segment;
} Item;

static Item item_at(const PatchShape *s, const Division *d, int64_t index)
{
    const int64_t piece = index % d->pieces, part = index / d->pieces, block = part % d->blocks,
                  group = part / d->blocks % d->groups, segments = d->rows.count * d->rows.parts,
                  columns = d->rows.values, vectors = vector_count(columns);
    const int64_t channel = part_start(group, s->coarse.c, d->groups),
                  column = part_start(block, vectors, d->blocks) * SIMD_LANES,
                  end = part_start(block + 1, vectors, d->blocks) * SIMD_LANES;
    return (Item){channel,
                  part_start(group + 1, s->coarse.c, d->groups) - channel,
                  column,
                  (end < columns ? end : columns) - column,
                  part / d->blocks / d->groups,
                  part_start(piece, segments, d->pieces),
                  part_start(piece + 1, segments, d->pieces)};
}

static int64_t item_floats(const Division *d) { return d->height * d->width; }

/* Of a thread: the coarse channels and the columns of some pixels. */
static int64_t copy_floats(const Division *d) { return SEGMENT * (divided(d->height, LINE) * LINE + d->width); }

/* The sums of all items, then the copies of the threads. */
static size_t weights_scratch_bytes(const PatchShape *s)
{
    const Division d = divide(s);
    return (size_t)(d.items * item_floats(&d) + s->threads * copy_floats(&d)) * sizeof(float);
}

/* Copies rows of some columns, filled up with zeros to whole vectors. */
static void copy_columns(float *to, int64_t width, const float *from, int64_t pitch, int64_t rows, int64_t columns)
{
    for (int64_t r = 0; r < rows; r++, to += width, from += pitch)
        for (int64_t c = 0; c < columns; c += SIMD_LANES)
            v_store(to + c, v_load_first(from + c, columns - c < SIMD_LANES ? (int)(columns - c) : SIMD_LANES));
}

/* The rows of short segments are copied, so that products have many terms and dense, whole vectors. */
static void sum_item(const PatchShape *s, const Division *d, const Item *item, const float *coarse, const float *fine,
                     float *sums, float *copy)
{
    const int64_t height = divided(d->height, LINE) * LINE;
    float *b = copy + SEGMENT * height;
    int64_t pixels = 0;
    bool add = false;
    for (int64_t i = item->segment; i < item->end_segment; i++) {
        const Segment g = segment_at(s, &d->rows, i);
        copy_columns(copy + pixels * height, height, coarse + g.coarse + item->channel, s->coarse.c, g.pixels,
                     item->channels);
        copy_columns(b + pixels * d->width, d->width, fine + g.fine + item->u * fine_row(s, &d->rows) + item->column,
                     d->rows.values, g.pixels, item->columns);
        pixels += g.pixels;
        if (i + 1 < item->end_segment && pixels + divided(d->rows.pixels, d->rows.parts) <= SEGMENT) continue;
        small_product(&(SmallProduct){.rows = item->channels,
                                      .depth = pixels,
                                      .vectors = vector_count(item->columns),
                                      .a = copy,
                                      .b = b,
                                      .c = sums,
                                      .a_row = 1,
                                      .a_column = height,
                                      .b_row = d->width,
                                      .c_row = d->width,
                                      .accumulate = add});
        pixels = 0;
        add = true;
    }
}

/* Adds the sums of a part's pieces for one of its coarse channels, and writes them in PyTorch's layout. */
static void add_pieces(const PatchShape *s, const Division *d, const Item *item, int64_t channel, float *sums,
                       float *dw)
{
    const int64_t end = item->column + item->columns, taps = s->size.y * s->size.x;
    float *sum = sums + channel * d->width;
    for (int64_t piece = 1; piece < d->pieces; piece++)
        for (int64_t k = 0; k < item->columns; k += SIMD_LANES)
            v_store(sum + k, v_load(sum + k) + v_load(sum + piece * item_floats(d) + k));
    dw += (item->channel + channel) * weights_of_channel(s);
    for (int64_t k = item->column, run; k < end; k += run) { /* of the same v */
        float *at = dw + place_of(s, item->u, k);
        run = s->fine_channels - k % s->fine_channels;
        if (run > end - k) run = end - k;
        for (int64_t i = 0; i < run; i++) at[i * taps] = sum[k - item->column + i];
    }
}

static void weights(const PatchShape *s, const float *coarse, const float *fine, float *dw, void *scratch)
{
    const Division d = divide(s);
    float *sums = scratch, *copies = sums + d.items * item_floats(&d);
#pragma omp parallel num_threads(s->threads)
    {
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < d.items; i++) {
            const Item item = item_at(s, &d, i);
            sum_item(s, &d, &item, coarse, fine, sums + i * item_floats(&d),
                     copies + omp_get_thread_num() * copy_floats(&d));
        }
#pragma omp for schedule(static)
        for (int64_t k = 0; k < d.items / d.pieces * d.height; k++) {
            const int64_t first = k / d.height * d.pieces, channel = k % d.height;
            const Item item = item_at(s, &d, first);
            if (channel < item.channels) add_pieces(s, &d, &item, channel, sums + first * item_floats(&d), dw);
        }
    }
}

extern const PatchKernel SIMD_NAME(patch_kernel);
const PatchKernel SIMD_NAME(patch_kernel) = {SIMD_ID,
                                             .packed_bytes = packed_bytes,
                                             .pack = pack,
                                             .to_fine = to_fine,
                                             .to_coarse = to_coarse,
                                             .weights_scratch_bytes = weights_scratch_bytes,
                                             .weights = weights};

#ifdef SIMD_BASE
extern const PatchKernel SIMD_ALL(patch_kernel);

const PatchKernel *const *patch_kernels(void)
{
    static const PatchKernel *const all[] = {SIMD_ADDRESSES(patch_kernel), NULL};
    const PatchKernel *const *first = all;
    while ((*first)->level > simd_level()) first++;
    return first;
}
#endif
