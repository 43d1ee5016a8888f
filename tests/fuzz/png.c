/* PNG: every colour type, with and without interlacing. Seeds are put together here: the project writes two types
 * only. */
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "tests/fuzz/images.h"
#include "tests/fuzz/packing.h"
#include "tests/support/png_chunk.h"

static bool run(const uint8_t *data, size_t bytes) { return fuzz_image_named("image.png", data, bytes); }

typedef struct Kind {
    const char *name;
    int bits, colour, samples, interlaced;
} Kind;

/* 8x8 pixels, all rows without a filter; interlaced: the rows of the seven passes. */
static size_t fill_rows(uint8_t *rows, const Kind *k)
{
    static const int passes[7][2] = {{1, 1}, {1, 1}, {1, 2}, {2, 2}, {2, 4}, {4, 4}, {4, 8}}; /* rows, columns */
    const int whole[1][2] = {{8, 8}};
    size_t bytes = 0;
    for (int pass = 0; pass < (k->interlaced ? 7 : 1); pass++) {
        const int *size = k->interlaced ? passes[pass] : whole[0];
        for (int row = 0; row < size[0]; row++) {
            rows[bytes++] = 0;
            for (int i = (size[1] * k->bits * k->samples + 7) / 8; i > 0; i--, bytes++)
                rows[bytes] = (uint8_t)(bytes % 4);
        }
    }
    return bytes;
}

static int seed_kind(const char *folder, const Kind *k, Err *e)
{
    static const uint8_t mark[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const uint8_t header[13] = {
        0, 0, 0, 8, 0, 0, 0, 8, (uint8_t)k->bits, (uint8_t)k->colour, 0, 0, (uint8_t)k->interlaced};
    static const uint8_t palette[12] = {0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255}, opaque[3] = {0, 255, 7};
    uint8_t rows[1024], packed[2048];
    const size_t bytes = fuzz_deflate(packed, sizeof packed, rows, fill_rows(rows, k), 15);
    Text t = {0};
    text_add_bytes(&t, (const char *)mark, sizeof mark);
    png_chunk_add(&t, "IHDR", header, sizeof header);
    if (k->colour == 3) png_chunk_add(&t, "PLTE", palette, sizeof palette);
    if (k->colour == 3 && k->bits == 8) png_chunk_add(&t, "tRNS", opaque, sizeof opaque);
    png_chunk_add(&t, "tEXt", "Comment\0fuzz", 12);
    png_chunk_add(&t, "IDAT", packed, bytes);
    png_chunk_add(&t, "IEND", "", 0);
    int code = text_check(&t, e);
    if (!code) code = file_put(fuzz_seed_path(folder, k->name), t.data, t.length, e);
    text_free(&t);
    return code;
}

static int seed(const char *folder, Err *e)
{
    static const Kind kinds[] = {
        {"gray1.png", 1, 0, 1, 0},    {"gray4.png", 4, 0, 1, 1},       {"gray16.png", 16, 0, 1, 1},
        {"palette2.png", 2, 3, 1, 1}, {"palette8.png", 8, 3, 1, 0},    {"colours.png", 8, 2, 3, 1},
        {"alpha.png", 8, 6, 4, 0},    {"gray_alpha.png", 16, 4, 2, 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) TRY(seed_kind(folder, &kinds[i], e));
    return fuzz_seed_image(folder, "written.png", DTYPE_U16, (const int[]){0, 1, 4, 5}, false, e);
}

const FuzzTarget fuzz_target_png = {"png", run, seed, fuzz_mutate_png};
