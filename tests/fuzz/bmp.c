/* BMP. The project writes gray of 8 bits; the other kinds are put together here. */
#include <string.h>

#include "base/file.h"
#include "tests/fuzz/images.h"
#include "weights/bytes.h"

static bool run(const uint8_t *data, size_t bytes) { return fuzz_image_named("image.bmp", data, bytes); }

enum { FILE_HEADER = 14, INFO_HEADER = 40, V4_HEADER = 108, CORE_HEADER = 12 };

/* 4x3 pixels. colours: of the palette; masks: of a V4 header with alpha. */
static int seed_kind(const char *folder, const char *name, int header, int bits, int colours, Err *e)
{
    uint8_t bytes[1024] = "BM";
    const bool core = header == CORE_HEADER;
    const size_t palette = (size_t)(FILE_HEADER + header), pixels = palette + (size_t)colours * (core ? 3 : 4);
    const size_t row = (size_t)(4 * bits + 31) / 32 * 4;
    bytes_put_le(bytes + 10, 4, pixels);
    bytes_put_le(bytes + 14, 4, (uint64_t)header);
    bytes_put_le(bytes + 18, core ? 2 : 4, 4);
    bytes_put_le(bytes + (core ? 20 : 22), core ? 2 : 4, 3);
    bytes_put_le(bytes + (core ? 24 : 28), 2, (uint64_t)bits);
    if (header == V4_HEADER) {
        bytes_put_le(bytes + 30, 4, 3);
        for (int i = 0; i < 4; i++) bytes_put_le(bytes + 54 + 4 * i, 4, UINT64_C(255) << 8 * i);
    }
    for (size_t i = palette; i < pixels + 3 * row; i++) bytes[i] = (uint8_t)(i % 2);
    return file_put(fuzz_seed_path(folder, name), bytes, pixels + 3 * row, e);
}

static int seed(const char *folder, Err *e)
{
    TRY(seed_kind(folder, "bits.bmp", INFO_HEADER, 1, 2, e));
    TRY(seed_kind(folder, "nibbles.bmp", CORE_HEADER, 4, 16, e));
    TRY(seed_kind(folder, "colours.bmp", INFO_HEADER, 24, 0, e));
    TRY(seed_kind(folder, "alpha.bmp", V4_HEADER, 32, 0, e));
    return fuzz_seed_image(folder, "written.bmp", DTYPE_U8, (const int[]){0, 1, 4, 5}, false, e);
}

const FuzzTarget fuzz_target_bmp = {"bmp", run, seed, NULL};
