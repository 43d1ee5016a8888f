/* Files that claim more than they hold, or that take more time or memory than their size allows, are refused before
 * that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory_file.h"
#include "base/text.h"
#include "data/image_io.h"
#include "formats/yaml.h"
#include "plans/dataset_json.h"
#include "tests/support/folder.h"
#include "tests/support/png_chunk.h"
#include "tests/support/says.h"

/* ---- documents ---- */

/* Their time grows with their size alone. */
static void many_escapes_take_little_time(void **state)
{
    (void)state;
    enum { PAIRS = 1 << 20 };
    Text text = {0};
    Doc doc;
    Err e = {0};
    text_add(&text, "[\"");
    for (int i = 0; i < PAIRS; i++) text_add_bytes(&text, "\\\\", 2);
    text_add(&text, "\\ud83D\\uDe00\"]");
    assert_int_equal(file_put(in_folder("escapes.json"), text.data, text.length, &e), 0);
    text_free(&text);
    const clock_t start = clock();
    if (doc_read(&doc, in_folder("escapes.json"), &e)) fail_msg("%s", e.text);
    assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
    assert_int_equal(strlen(doc.root->first->text), PAIRS + 4);
    assert_string_equal(doc.root->first->text + PAIRS, "\xf0\x9f\x98\x80");
    doc_free(&doc);
}

/* A file of 1 TiB, which takes no space. */
static void the_size_of_a_document_is_limited_before_it_is_read(void **state)
{
    (void)state;
    char path[MEMORY_FILE_PATH_BYTES];
    Doc doc;
    Err e = {0};
    const int fd = memory_file_new("large.yaml", path, &e);
    assert_true(fd >= 0 && !ftruncate(fd, (off_t)1 << 40));
    assert_int_equal(doc_read(&doc, path, &e), ERR_FORMAT);
    assert_says(&e, "expected at most");
    close(fd);
}

static void the_number_of_labels_is_limited(void **state)
{
    (void)state;
    enum { LABELS = 1 << 18 };
    Text text = {0};
    DatasetInfo info;
    Err e = {0};
    text_add(&text, "{\"channel_names\": {\"0\": \"CT\"}, \"labels\": {");
    for (int i = 0; i < LABELS; i++) text_add(&text, "\"%d_\": [1, 2],", i);
    text_add(&text, "\"background\": 0}}");
    assert_int_equal(file_put(in_folder("labels.json"), text.data, text.length, &e), 0);
    text_free(&text);
    assert_int_equal(dataset_info_read(&info, in_folder("labels.json"), &e), ERR_FORMAT);
    assert_says(&e, "expected at most 32768");
}

/* ---- pictures ---- */

static void refused(const char *name, const char *says)
{
    Image image;
    Err e = {0};
    assert_int_equal(image_read(&image, in_folder(name), &e), ERR_FORMAT);
    assert_says(&e, in_folder(name));
    assert_says(&e, says);
}

/* A page of 16384x16384 pixels of four samples, 1 GiB, in a few hundred bytes. */
static void a_tiff_holds_what_it_claims(void **state)
{
    (void)state;
    static const int packed[] = {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_PACKBITS, COMPRESSION_ADOBE_DEFLATE};
    enum { SIZE = 1 << 14 };
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        uint8_t row[16] = {0};
        TIFF *tiff = TIFFOpen(in_folder("bomb.tif"), "w");
        assert_non_null(tiff);
        assert_true(TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, SIZE) && TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, SIZE) &&
                    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8) && TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 4) &&
                    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB) &&
                    TIFFSetField(tiff, TIFFTAG_COMPRESSION, packed[i]) &&
                    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, SIZE));
        assert_true(TIFFWriteRawStrip(tiff, 0, row, sizeof row) == sizeof row);
        TIFFClose(tiff);
        refused("bomb.tif", "too large");
    }
}

static void put_jpeg(const char *name, int scans, const jpeg_scan_info *script, unsigned size)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long count = 0;
    JSAMPLE row[16] = {0, 255, 9, 8, 7, 100, 30, 2, 0, 255, 9, 8, 7, 100, 30, 2};
    JSAMPROW rows = row;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &count);
    jpeg.image_width = jpeg.image_height = 16;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg.scan_info = script;
    jpeg.num_scans = scans;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < 16; y++) jpeg_write_scanlines(&jpeg, &rows, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    for (unsigned long i = 0; size && i + 8 < count; i++) { /* other sizes into the frame's header */
        if (bytes[i] != 0xff || bytes[i + 1] != 0xc0) continue;
        bytes[i + 5] = bytes[i + 7] = (unsigned char)(size >> 8);
        bytes[i + 6] = bytes[i + 8] = (unsigned char)size;
        break;
    }
    assert_int_equal(file_put(in_folder(name), bytes, count, NULL), 0);
    free(bytes);
}

static void a_jpeg_holds_what_it_claims(void **state)
{
    (void)state;
    Image image;
    Err e = {0};
    put_jpeg("bomb.jpg", 0, NULL, 0);
    if (image_read(&image, in_folder("bomb.jpg"), &e)) fail_msg("%s", e.text);
    image_free(&image);
    put_jpeg("bomb.jpg", 0, NULL, 16000);
    refused("bomb.jpg", "too large");
}

/* Each scan is a pass over all pixels, and may take a few bytes only. */
static void the_scans_of_a_jpeg_are_limited(void **state)
{
    (void)state;
    enum { COEFFICIENTS = 63, PASSES = 11 };
    static jpeg_scan_info script[1 + COEFFICIENTS * PASSES];
    int count = 0;
    script[count++] = (jpeg_scan_info){.comps_in_scan = 1};
    for (int k = 1; k <= COEFFICIENTS; k++)
        for (int bit = PASSES - 1; bit >= 0; bit--)
            script[count++] =
                (jpeg_scan_info){.comps_in_scan = 1, .Ss = k, .Se = k, .Ah = bit < PASSES - 1 ? bit + 1 : 0, .Al = bit};
    put_jpeg("scans.jpg", count, script, 0);
    refused("scans.jpg", "more than 500 scans");
}

/* Texts and profiles of a PNG are not unpacked: they may be many times as long as the file, and what is damaged in
 * them does not matter. */
static void the_texts_of_a_png_are_not_read(void **state)
{
    (void)state;
    static const uint8_t header[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0}, row[2] = {0, 77};
    uint8_t packed[64];
    uLongf bytes = sizeof packed;
    Text t = {0};
    Image image;
    Err e = {0};
    assert_int_equal(compress(packed, &bytes, row, sizeof row), Z_OK);
    text_add_bytes(&t, "\x89PNG\r\n\x1a\n", 8);
    png_chunk_add(&t, "IHDR", header, sizeof header);
    png_chunk_add(&t, "iCCP", "name\0\0damaged", 13);
    png_chunk_add(&t, "zTXt", "Comment\0\0damaged", 16);
    png_chunk_add(&t, "IDAT", packed, bytes);
    png_chunk_add(&t, "IEND", "", 0);
    assert_int_equal(file_put(in_folder("texts.png"), t.data, t.length, &e), 0);
    text_free(&t);
    if (image_read(&image, in_folder("texts.png"), &e)) fail_msg("%s", e.text);
    assert_true(((const float *)image.voxels.data)[0] == 77);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_escapes_take_little_time),
        cmocka_unit_test(the_size_of_a_document_is_limited_before_it_is_read),
        cmocka_unit_test(the_number_of_labels_is_limited),
        cmocka_unit_test(a_tiff_holds_what_it_claims),
        cmocka_unit_test(a_jpeg_holds_what_it_claims),
        cmocka_unit_test(the_scans_of_a_jpeg_are_limited),
        cmocka_unit_test(the_texts_of_a_png_are_not_read),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
