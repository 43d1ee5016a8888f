/* data/: TIFF files of several pages: slices, channels, spacing; every width of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "tests/support/folder.h"

enum { HEIGHT = 3, WIDTH = 5, PLANE = HEIGHT * WIDTH };

/* Page p is filled with p * 10 + column. */
static void write_pages(const char *name, const char *mode, int pages, int format, int bits, const char *description)
{
    TIFF *tiff = TIFFOpen(in_folder(name), mode);
    assert_non_null(tiff);
    for (int page = 0; page < pages; page++) {
        TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
        TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
        TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
        TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, format);
        TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
        TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 2);
        if (!page && description) TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, description);
        if (!page && description) TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 1 / 0.25);
        if (!page && description) TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 1 / 0.5);
        for (int row = 0; row < HEIGHT; row++) {
            double line[WIDTH] = {0};
            for (int column = 0; column < WIDTH; column++) {
                const int value = page * 10 + column;
                const float real = (float)value;
                const double wide = value;
                const uint64_t whole = (uint64_t)value; /* little-endian, as this machine is; libtiff swaps */
                const void *from = format != SAMPLEFORMAT_IEEEFP ? (const void *)&whole
                                   : bits == 32                  ? (const void *)&real
                                                                 : &wide;
                memcpy((char *)line + column * bits / 8, from, (size_t)bits / 8);
            }
            assert_int_equal(TIFFWriteScanline(tiff, line, (uint32_t)row, 0), 1);
        }
        assert_true(TIFFWriteDirectory(tiff));
    }
    TIFFClose(tiff);
}

/* Reads for a use and expects channels x slices, the page at (channel, slice), and a spacing. */
static void expect(const char *name, ImageUse use, int channels, int slices, int channel_step, int slice_step,
                   const double spacing[3])
{
    Image image;
    ImageHeader header;
    Err e = {0};
    if (image_read_as(&image, in_folder(name), use, &e)) fail_msg("%s", e.text);
    assert_int_equal(image.voxels.shape[0], channels);
    assert_int_equal(image.voxels.shape[1], slices);
    const float *values = image.voxels.data;
    for (int c = 0; c < channels; c++)
        for (int z = 0; z < slices; z++)
            for (int i = 0; i < PLANE; i++)
                assert_true(values[(c * slices + z) * PLANE + i] ==
                            (float)((c * channel_step + z * slice_step) * 10 + i % WIDTH));
    for (int i = 0; i < 3; i++)
        if (fabs(image.geometry.spacing_zyx_mm[i] - spacing[i]) > 1e-6)
            fail_msg("%s: spacing %d is %g", name, i, image.geometry.spacing_zyx_mm[i]);
    assert_int_equal(image_read_header(&header, in_folder(name), use, NULL), 0);
    assert_true(header.channels == channels && geometry_same_shape(&header.geometry, &image.geometry));
    image_free(&image);
}

static const double ones[3] = {1, 1, 1}, told[3] = {2.5, 0.5, 0.25}, plane[3] = {999, 1, 1};

static void every_width_is_read(void **state)
{
    (void)state;
    static const struct {
        int format, bits;
    } kinds[] = {{SAMPLEFORMAT_UINT, 8},    {SAMPLEFORMAT_UINT, 16},  {SAMPLEFORMAT_UINT, 32}, {SAMPLEFORMAT_UINT, 64},
                 {SAMPLEFORMAT_INT, 8},     {SAMPLEFORMAT_INT, 16},   {SAMPLEFORMAT_INT, 32},  {SAMPLEFORMAT_INT, 64},
                 {SAMPLEFORMAT_IEEEFP, 32}, {SAMPLEFORMAT_IEEEFP, 64}};
    static const char *const modes[] = {"w", "wb", "w8"}; /* little, big-endian, BigTIFF */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int k = 0; k < 3; k++) {
            write_pages("width.tif", modes[k], 4, kinds[i].format, kinds[i].bits, NULL);
            expect("width.tif", IMAGE_LABELS, 1, 4, 0, 1, ones);
        }
}

static void metadata_tell_slices_and_channels(void **state)
{
    (void)state;
#define OME(TEXT) \
    "<?xml version=\"1.0\"?><OME><Image><Pixels DimensionOrder=" TEXT "><TiffData/></Pixels></Image></OME>"
    static const struct {
        const char *description;
        int channels, slices, channel_step, slice_step; /* as intensities */
        const double *spacing;
    } files[] = {
        {"ImageJ=1.53t\nimages=6\nslices=6\nunit=mm\nspacing=2.5\n", 1, 6, 0, 1, told},
        {"ImageJ=1.53t\nimages=6\nchannels=2\nslices=3\nspacing=2.5\n", 2, 3, 1, 2, told},
        {"ImageJ=1.53t\nimages=6\nchannels=6\n", 6, 1, 1, 0, plane},
        {"ImageJ=1.53t\nimages=6\nframes=6\nspacing=2.5\n", 1, 6, 0, 1, told},
        {OME("\"XYZCT\" SizeC=\"2\" SizeZ=\"3\" PhysicalSizeX=\"0.25\" PhysicalSizeY=\"0.5\" "
             "PhysicalSizeZ=\"2.5\""),
         2, 3, 3, 1, told},
        {OME("'XYCZT' SizeC='2' SizeZ='3'"), 2, 3, 1, 2, ones},
        {"a program's own words", 1, 6, 0, 1, ones},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        write_pages("meta.tif", "w", 6, SAMPLEFORMAT_UINT, 16, files[i].description);
        expect("meta.tif", IMAGE_INTENSITIES, files[i].channels, files[i].slices, files[i].channel_step,
               files[i].slice_step, files[i].spacing);
    }
    write_pages("meta.tif", "w", 6, SAMPLEFORMAT_UINT, 16, files[2].description);
    expect("meta.tif", IMAGE_LABELS, 1, 6, 0, 1, (double[3]){1, 0.5, 0.25});
}

static void side_file_gives_spacing(void **state)
{
    (void)state;
    static const double side[3] = {4, 0.5, 0.125};
    static const char text[] = "{\"spacing\": [4, 0.5, 0.125]}", other[] = "{\"version\": \"5.0\", \"shapes\": []}";
    write_pages("case_0000.tif", "w", 4, SAMPLEFORMAT_UINT, 8, "ImageJ=1\nimages=4\nslices=4\nspacing=9\n");
    write_pages("case.tif", "w", 1, SAMPLEFORMAT_UINT, 8, NULL);
    write_pages("photo.tif", "w", 1, SAMPLEFORMAT_UINT, 8, NULL);
    assert_int_equal(file_put(in_folder("case.json"), text, sizeof text - 1, NULL), 0);
    assert_int_equal(file_put(in_folder("photo.json"), other, sizeof other - 1, NULL), 0);
    expect("case_0000.tif", IMAGE_INTENSITIES, 1, 4, 0, 1, side);
    expect("case.tif", IMAGE_LABELS, 1, 1, 0, 0, side); /* a volume of one slice */
    expect("photo.tif", IMAGE_INTENSITIES, 1, 1, 0, 0, plane);
    static const char *const wrong[] = {"{\"spacing\": [1, 2]}", "{\"spacing\": [1, 2, 0]}",
                                        "{\"spacing\": [1, 2, x]}"};
    for (int i = 0; i < 3; i++) {
        Image image;
        Err e = {0};
        assert_int_equal(file_put(in_folder("case.json"), wrong[i], strlen(wrong[i]), NULL), 0);
        assert_int_not_equal(image_read(&image, in_folder("case_0000.tif"), &e), 0);
        assert_non_null(strstr(e.text, "case.json:1:"));
    }
}

static void side_files_have_to_agree(void **state)
{
    (void)state;
    static const double side[3] = {3, 0.5, 0.25};
    static const char text[] = "{\"spacing\": [3, 0.5, 0.25]}", same[] = "{\"spacing\": [3.0, 0.50, 0.25], \"a\": 1}",
                      other[] = "{\"spacing\": [2, 0.5, 0.25]}", none[] = "{\"shapes\": []}";
    Image image;
    Err e = {0};
    write_pages("both_0000.tif", "w", 4, SAMPLEFORMAT_UINT, 8, NULL);
    assert_int_equal(file_put(in_folder("both.json"), text, sizeof text - 1, NULL), 0);
    assert_int_equal(file_put(in_folder("both_0000.json"), same, sizeof same - 1, NULL), 0);
    expect("both_0000.tif", IMAGE_INTENSITIES, 1, 4, 0, 1, side);
    assert_int_equal(file_put(in_folder("both_0000.json"), none, sizeof none - 1, NULL), 0);
    expect("both_0000.tif", IMAGE_INTENSITIES, 1, 4, 0, 1, side); /* it has no spacing */
    assert_int_equal(file_put(in_folder("both_0000.json"), other, sizeof other - 1, NULL), 0);
    assert_int_not_equal(image_read(&image, in_folder("both_0000.tif"), &e), 0);
    assert_non_null(strstr(e.text, "[2, 0.5, 0.25] in both_0000.json and [3, 0.5, 0.25] in both.json"));
}

static void volumes_round_trip(void **state)
{
    (void)state;
    const int64_t several[4] = {2, 3, HEIGHT, WIDTH};
    Geometry g = {.dimensions = 3, .shape_zyx = {3, HEIGHT, WIDTH}, .spacing_zyx_mm = {2.5, 0.7, 0.3}};
    static float values[2 * 3 * PLANE];
    for (int i = 0; i < 2 * 3 * PLANE; i++) values[i] = (float)i - 20;
    static const DType types[] = {DTYPE_U8, DTYPE_U16, DTYPE_I16, DTYPE_F32, DTYPE_F32};
    for (int k = 0; k < 10; k++) {
        Image image;
        Err e = {0};
        const int type = k % 5;
        const Array voxels =
            type < 4 ? array_view(types[type], 3, g.shape_zyx, values) : array_view(DTYPE_F32, 4, several, values);
        if (k == 5) assert_int_equal(file_remove(in_folder("volume.json"), NULL), 0);
        if (image_write(in_folder("volume.tif"), &g, &voxels, &e)) fail_msg("%s", e.text);
        if (k >= 5)
            assert_int_equal(file_remove(in_folder("volume.json"), NULL), 0); /* ImageJ's description is enough */
        if (image_read(&image, in_folder("volume.tif"), &e)) fail_msg("%s", e.text);
        assert_true(geometry_same_shape(&g, &image.geometry) && image.geometry.dimensions == 3);
        for (int i = 0; i < 3; i++)
            assert_true(fabs(image.geometry.spacing_zyx_mm[i] - g.spacing_zyx_mm[i]) <= (k < 5 ? 0 : 1e-6));
        const float *found = image.voxels.data;
        for (int i = 0; i < array_count(&voxels); i++) {
            uint8_t byte;
            uint16_t word;
            int16_t number;
            memcpy(&byte, (char *)values + i, 1);
            memcpy(&word, (char *)values + 2 * i, 2);
            memcpy(&number, &word, 2);
            assert_true(found[i] == (type == 0 ? byte : type == 1 ? word : type == 2 ? number : values[i]));
        }
        image_free(&image);
    }
}

static void other_stacks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *description, *says;
    } files[] = {
        {"ImageJ=1.53t\nimages=9\nslices=9\n", "6 page(s), and its metadata name 9 slice(s)"},
        {"ImageJ=1.53t\nimages=6\nslices=3\nframes=2\n", "2 time points of 3 slices"},
        {OME("\"XYZCT\" SizeZ=\"6\" PhysicalSizeX=\"1\" PhysicalSizeXUnit=\"mm\" PhysicalSizeZ=\"1\""),
         "different units"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Image image;
        Err e = {0};
        write_pages("no.tif", "w", 6, SAMPLEFORMAT_UINT, 8, files[i].description);
        assert_int_not_equal(image_read(&image, in_folder("no.tif"), &e), 0);
        if (!strstr(e.text, files[i].says)) fail_msg("%s", e.text);
    }
    char *bytes;
    size_t count;
    write_pages("whole.tif", "w", 6, SAMPLEFORMAT_UINT, 8, files[0].description);
    assert_int_equal(file_get(in_folder("whole.tif"), &bytes, &count, NULL), 0);
    for (size_t cut = 0; cut < count; cut += 7) {
        Image image;
        Err e = {0};
        FILE *file = fopen(in_folder("cut.tif"), "wb");
        assert_int_equal(fwrite(bytes, 1, cut, file), cut);
        assert_int_equal(fclose(file), 0);
        assert_int_not_equal(image_read(&image, in_folder("cut.tif"), &e), 0);
        assert_non_null(strstr(e.text, "cut.tif"));
    }
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_is_read),     cmocka_unit_test(metadata_tell_slices_and_channels),
        cmocka_unit_test(side_file_gives_spacing), cmocka_unit_test(side_files_have_to_agree),
        cmocka_unit_test(volumes_round_trip),      cmocka_unit_test(other_stacks_are_refused),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
