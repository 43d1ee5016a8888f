/* JPEG: baseline, progressive and arithmetic, gray and colours. Seeds are written by libjpeg. */
#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jpeglib.h>
#include <stdlib.h>

#include "base/file.h"
#include "tests/fuzz/images.h"

static bool run(const uint8_t *data, size_t bytes) { return fuzz_image_named("image.jpg", data, bytes); }

typedef struct Kind {
    const char *name;
    int components;
    bool progressive, arithmetic;
    unsigned restart; /* rows of blocks */
} Kind;

enum { SIZE = 24 };

/* libjpeg ends the program if it fails. */
static int seed_kind(const char *folder, const Kind *k, Err *e)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long count = 0;
    JSAMPLE row[SIZE * 3];
    JSAMPROW rows = row;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &count);
    jpeg.image_width = jpeg.image_height = SIZE;
    jpeg.input_components = k->components;
    jpeg.in_color_space = k->components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (k->progressive) jpeg_simple_progression(&jpeg);
    jpeg.arith_code = k->arithmetic;
    jpeg.restart_in_rows = (int)k->restart;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < SIZE; y++) {
        for (int i = 0; i < SIZE * k->components; i++) row[i] = (JSAMPLE)(i * y);
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    const int code = file_put(fuzz_seed_path(folder, k->name), bytes, count, e);
    free(bytes);
    return code;
}

static int seed(const char *folder, Err *e)
{
    static const Kind kinds[] = {
        {"gray.jpg", 1, false, false, 0},
        {"colours.jpg", 3, false, false, 1},
        {"progressive.jpg", 3, true, false, 0},
#ifdef C_ARITH_CODING_SUPPORTED
        {"arithmetic.jpg", 1, false, true, 0},
#endif
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) TRY(seed_kind(folder, &kinds[i], e));
    return 0;
}

const FuzzTarget fuzz_target_jpeg = {"jpeg", run, seed, NULL};
