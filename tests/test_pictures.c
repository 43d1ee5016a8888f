/* data/: pictures: palettes as labels and as colours, alpha, gray among colours, BMP, JPEG. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <png.h>
#include <stdio.h>

#include <jpeglib.h> /* behind stdio.h, which it needs */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/image_channels.h"
#include "tests/support/folder.h"

enum { HEIGHT = 5, WIDTH = 6, PLANE = HEIGHT * WIDTH };

/* Pixel i of channel c of a file of this kind. */
static uint8_t sample(int i, int c, int channels, bool constant_alpha)
{
    if (constant_alpha && channels % 2 == 0 && c == channels - 1) return 255;
    return (uint8_t)(7 * i + 50 * c);
}

static void write_png(const char *path, int type, int channels, bool constant_alpha)
{
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_color palette[4] = {{0, 0, 0}, {128, 0, 0}, {0, 128, 0}, {128, 128, 0}};
    png_init_io(png, file);
    png_set_IHDR(png, info, WIDTH, HEIGHT, 8, type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 4);
    png_write_info(png, info);
    for (int y = 0; y < HEIGHT; y++) {
        uint8_t row[4 * WIDTH];
        for (int k = 0; k < WIDTH * channels; k++) {
            const int i = y * WIDTH + k / channels;
            row[k] =
                type == PNG_COLOR_TYPE_PALETTE ? (uint8_t)(i % 4) : sample(i, k % channels, channels, constant_alpha);
        }
        png_write_row(png, row);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(file), 0);
}

static void palette_is_labels_or_colours(void **state)
{
    (void)state;
    static const uint8_t red[4] = {0, 128, 0, 128}, green[4] = {0, 0, 128, 128};
    Array labels;
    Image image;
    ImageHeader header;
    const char *path = in_folder("voc.png");
    write_png(path, PNG_COLOR_TYPE_PALETTE, 1, false);
    assert_int_equal(image_read_labels(&labels, NULL, path, NULL), 0);
    assert_int_equal(image_read(&image, path, NULL), 0);
    assert_int_equal(image.voxels.shape[0], 3);
    assert_false(image.alpha);
    for (int i = 0; i < PLANE; i++) {
        assert_int_equal(((int16_t *)labels.data)[i], i % 4);
        assert_true(((float *)image.voxels.data)[i] == red[i % 4]);
        assert_true(((float *)image.voxels.data)[PLANE + i] == green[i % 4]);
    }
    assert_int_equal(image_read_header(&header, path, IMAGE_LABELS, NULL), 0);
    assert_int_equal(header.channels, 1);
    assert_int_equal(image_read_header(&header, path, IMAGE_INTENSITIES, NULL), 0);
    assert_int_equal(header.channels, 3);
    array_free(&labels);
    image_free(&image);
}

static const char *const rgb_names[] = {"R", "G", "B", "A"};

/* Reads one file for a dataset of so many channels: 0 and the channels read, or the error's text in e. */
static int read_for(const char *path, int wanted, int64_t *channels, FaultList *notes, Err *e)
{
    Image image;
    const ChannelNames names = {wanted, rgb_names};
    const int failed = image_read_channels(&image, &path, 1, &names, notes, e);
    *channels = failed ? 0 : image.voxels.shape[0];
    image_free(&image);
    return failed;
}

static void alpha_and_gray_are_told(void **state)
{
    (void)state;
    static const struct {
        int type, channels, wanted;
        bool constant_alpha;
        const char *error, *note; /* NULL: none */
    } cases[] = {
        {PNG_COLOR_TYPE_RGB_ALPHA, 4, 3, true, NULL, "channel 3, alpha, is 255 everywhere"},
        {PNG_COLOR_TYPE_RGB_ALPHA, 4, 3, false, "channel 3, alpha, is not constant", NULL},
        {PNG_COLOR_TYPE_RGB_ALPHA, 4, 4, true, NULL, NULL},
        {PNG_COLOR_TYPE_RGB_ALPHA, 4, 4, false, NULL, NULL},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 2, 1, true, NULL, "channel 1, alpha, is 255 everywhere"},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 2, 1, false, "channel 1, alpha, is not constant", NULL},
        {PNG_COLOR_TYPE_GRAY, 1, 3, false, "gray, the dataset has 3 channels (R, G, B): convert it", NULL},
        {PNG_COLOR_TYPE_RGB, 3, 1, false, "colours (RGB), the dataset has one channel (R): convert it", NULL},
        {PNG_COLOR_TYPE_RGB_ALPHA, 4, 1, true, "colours (RGB), the dataset has one", "alpha, is 255"},
        {PNG_COLOR_TYPE_RGB, 3, 2, false, "3 channel(s) in 1 file(s)", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FaultList notes = {0};
        Err e = {0};
        int64_t channels;
        const char *path = in_folder("one.png");
        write_png(path, cases[i].type, cases[i].channels, cases[i].constant_alpha);
        const int failed = read_for(path, cases[i].wanted, &channels, &notes, &e);
        if (!cases[i].error != !failed || (failed && !strstr(e.text, cases[i].error)))
            fail_msg("case %zu: %s", i, e.text);
        if (failed) assert_non_null(strstr(e.text, path));
        else assert_int_equal(channels, cases[i].wanted);
        assert_int_equal(notes.count, cases[i].note != NULL);
        if (cases[i].note) assert_non_null(strstr(notes.faults[0].text, cases[i].note));
        faults_free(&notes);
    }
}

static void label_pictures_have_one_channel(void **state)
{
    (void)state;
    static const struct {
        int type, channels;
        const char *says;
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY_ALPHA, 2, "with 2 channels: expected one without alpha; remove it"},
        {PNG_COLOR_TYPE_RGB, 3, "with 3 channels: expected one, in which the value of each voxel is that of its label"},
    };
    for (int i = 0; i < 2; i++) {
        Array labels;
        Err e = {0};
        write_png(in_folder("colours.png"), kinds[i].type, kinds[i].channels, true);
        assert_int_equal(image_read_labels(&labels, NULL, in_folder("colours.png"), &e), ERR_SHAPE);
        assert_non_null(strstr(e.text, kinds[i].says));
    }
}

/* A dataset of one RGBA image with a palette label, as the planner loads it. */
static void dataset_takes_palette_and_alpha(void **state)
{
    (void)state;
    char *images[] = {(char *)in_folder("c_0000.png")};
    const int value[] = {0, 1, 2, 3};
    const DatasetLabel labels[] = {{"background", &value[0], 1, false},
                                   {"a", &value[1], 1, false},
                                   {"b", &value[2], 1, false},
                                   {"c", &value[3], 1, false}};
    const DatasetInfo info = {.file_ending = ".png",
                              .channel_count = 3,
                              .channel_names = rgb_names,
                              .label_count = 4,
                              .labels = labels,
                              .max_value = 3,
                              .ignore_value = -1};
    const Case c = {.id = (char *)"c", .images = images, .image_count = 1, .label = (char *)in_folder("c.png")};
    CaseData data;
    FaultList faults = {0};
    write_png(images[0], PNG_COLOR_TYPE_RGB_ALPHA, 4, true);
    write_png(c.label, PNG_COLOR_TYPE_PALETTE, 1, false);
    dataset_check_headers(&info, &c, &faults);
    assert_int_equal(faults.count, 0);
    assert_int_equal(dataset_load_case(&data, &info, &c, &faults), 0);
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.errors, 0);
    assert_non_null(strstr(faults.faults[0].text, "alpha"));
    assert_int_equal(data.image.voxels.shape[0], 3);
    assert_int_equal(((int16_t *)data.labels.data)[7], 3);
    case_data_free(&data);
    faults_free(&faults);
}

/* A BMP of WIDTH 6 and HEIGHT 5; colours are (blue, green, red, alpha). */
static size_t make_bmp(uint8_t *bytes, int bits, bool from_above, bool masks)
{
    const int header = masks ? 56 : 40, palette = bits <= 8 ? 4 << bits : 0, first = 14 + header + palette;
    const int row_bytes = (WIDTH * bits + 31) / 32 * 4;
    const int32_t height = from_above ? -HEIGHT : HEIGHT;
    static const uint8_t bgra[16] = {0, 0, 0xff, 0, 0, 0xff, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0xff};
    memset(bytes, 0, 2048);
    memcpy(bytes, "BM", 2);
    bytes[10] = (uint8_t)first;
    bytes[11] = (uint8_t)(first >> 8);
    bytes[14] = (uint8_t)header;
    bytes[18] = WIDTH;
    memcpy(bytes + 22, &height, 4);
    bytes[26] = 1;
    bytes[28] = (uint8_t)bits;
    bytes[30] = masks ? 3 : 0;
    if (masks) memcpy(bytes + 54, bgra, 16);
    for (int i = 0; i < palette / 4; i++) bytes[14 + header + 4 * i + 1] = (uint8_t)(255 - i); /* greens */
    for (int y = 0; y < HEIGHT; y++) {
        uint8_t *row = bytes + first + (from_above ? y : HEIGHT - 1 - y) * row_bytes;
        for (int x = 0; x < WIDTH; x++) {
            const int i = y * WIDTH + x;
            if (bits <= 8) row[x * bits / 8] |= (uint8_t)(i % 2 << (8 - bits - x * bits % 8));
            for (int c = 0; c < bits / 8 && bits > 8; c++) row[x * bits / 8 + c] = (uint8_t)(i + 100 - 20 * c);
        }
    }
    return (size_t)(first + row_bytes * HEIGHT);
}

static void check_bmp(int bits, bool from_above, bool masks)
{
    static uint8_t bytes[2048];
    const size_t count = make_bmp(bytes, bits, from_above, masks);
    const char *path = in_folder("x.bmp");
    Image image;
    Err e = {0};
    assert_int_equal(file_put(path, bytes, count, NULL), 0);
    if (image_read(&image, path, &e)) fail_msg("%s", e.text);
    assert_int_equal(image.voxels.shape[0], masks ? 4 : 3);
    assert_int_equal(image.alpha, masks);
    const float *values = image.voxels.data;
    for (int i = 0; i < PLANE; i++) {
        assert_true(values[PLANE + i] == (float)(bits <= 8 ? 255 - i % 2 : i + 80));
        assert_true(values[2 * PLANE + i] == (float)(bits <= 8 ? 0 : i + 100));
        assert_true(values[i] == (float)(bits <= 8 ? 0 : i + 60));
        if (masks) assert_true(values[3 * PLANE + i] == (float)(i + 40));
    }
    image_free(&image);
    Array labels;
    const int failed = image_read_labels(&labels, NULL, path, &e);
    assert_int_equal(failed, bits <= 8 ? 0 : ERR_SHAPE);
    for (int i = 0; i < PLANE && !failed; i++) assert_int_equal(((int16_t *)labels.data)[i], i % 2);
    array_free(&labels);
    for (size_t cut = 0; cut < count; cut += cut < 80 ? 1 : 13) { /* cut off anywhere, it is refused */
        assert_int_equal(file_put(path, bytes, cut, NULL), 0);
        assert_int_not_equal(image_read(&image, path, &e), 0);
        assert_non_null(strstr(e.text, path));
    }
}

static void bmp_is_read(void **state)
{
    (void)state;
    static const int bits[] = {1, 4, 8, 24, 32};
    for (int i = 0; i < 5; i++)
        for (int from_above = 0; from_above < 2; from_above++) check_bmp(bits[i], from_above, false);
    check_bmp(32, false, true);
}

static void bmp_is_written(void **state)
{
    (void)state;
    const Geometry plane = geometry_plane(HEIGHT, WIDTH);
    uint8_t values[PLANE];
    uint16_t large[PLANE] = {300};
    for (int i = 0; i < PLANE; i++) values[i] = (uint8_t)(i * 9);
    const Array voxels = array_view(DTYPE_U8, 3, plane.shape_zyx, values);
    const Array wide = array_view(DTYPE_U16, 3, plane.shape_zyx, large);
    Image image;
    Err e = {0};
    const char *path = in_folder("y.BMP");
    assert_int_equal(image_write(path, &plane, &voxels, NULL), 0);
    assert_int_equal(image_read(&image, path, NULL), 0);
    assert_int_equal(image.voxels.shape[0], 1); /* its palette is gray */
    for (int i = 0; i < PLANE; i++) assert_true(((float *)image.voxels.data)[i] == values[i]);
    image_free(&image);
    assert_int_equal(image_write(path, &plane, &wide, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "255"));
}

/* A plane of 2x3 pixels, stored with two axes, or with three and the axis of length 1 at `across`; no place. */
static Geometry plane_stored(int across)
{
    Geometry g = geometry_plane(2, 3);
    g.spacing_zyx_mm[0] = 999 * 0.5;
    g.spacing_zyx_mm[1] = 0.5;
    g.spacing_zyx_mm[2] = 0.25;
    if (across < 0) return g;
    Geometry out = {.dimensions = 3, .orientation = g.orientation};
    for (int i = 0, from = 1; i < 3; i++) {
        out.shape_zyx[i] = i == across ? 1 : g.shape_zyx[from];
        out.spacing_zyx_mm[i] = i == across ? 7 : g.spacing_zyx_mm[from];
        from += i != across;
    }
    return out;
}

/* A plane is one with two axes or three, wherever the one of length 1 stands. */
static void a_plane_is_a_plane(void **state)
{
    (void)state;
    float values[6] = {1, 2, 3, 4, 5, 6};
    for (int a = -1; a < 3; a++) {
        for (int b = -1; b < 3; b++) {
            const Geometry first = plane_stored(a), second = plane_stored(b);
            const Array one = array_view(DTYPE_F32, 3, first.shape_zyx, values);
            const Array two = array_view(DTYPE_F32, 3, second.shape_zyx, values);
            const char *paths[2] = {in_folder("p_0000.nii.gz"), in_folder("p_0001.nii.gz")};
            Image image;
            FaultList notes = {0};
            Err e = {0};
            assert_int_equal(image_write(paths[0], &first, &one, NULL), 0);
            assert_int_equal(image_write(paths[1], &second, &two, NULL), 0);
            if (image_read_channels(&image, paths, 2, NULL, &notes, &e)) fail_msg("%d, %d: %s", a, b, e.text);
            assert_int_equal(notes.count, 0);
            assert_true(geometry_same_shape(&image.geometry, &first));
            for (int i = 0; i < 12; i++) assert_true(((float *)image.voxels.data)[i] == values[i % 6]);
            image_free(&image);
        }
    }
}

/* Read for a plan whose slices lie across an axis, a plane's axis of length 1 stands there; no voxel moves. */
static void a_plane_is_read_as_a_slice(void **state)
{
    (void)state;
    for (int stored = -1; stored < 3; stored++) {
        for (int across = 0; across < 3; across++) {
            const Geometry g = plane_stored(stored);
            const GridAxes axes = grid_axes_read(&g, READER_STORED, across);
            const Geometry read = grid_axes_apply(&axes, &g);
            const int other[2] = {across == 0 ? 1 : 0, across == 2 ? 1 : 2};
            if (stored < 0) assert_true(grid_axes_is_stored(&axes)); /* a 2-D image is one already */
            if (stored < 0) continue;
            assert_int_equal(read.shape_zyx[across], 1);
            assert_true(read.shape_zyx[other[0]] == 2 && read.shape_zyx[other[1]] == 3);
            assert_true(read.spacing_zyx_mm[across] == 7 && read.spacing_zyx_mm[other[0]] == 0.5);
        }
    }
    const Geometry solid = {.dimensions = 3, .shape_zyx = {2, 3, 4}, .spacing_zyx_mm = {1, 1, 1}};
    const GridAxes axes = grid_axes_read(&solid, READER_STORED, 0);
    assert_true(grid_axes_is_stored(&axes));
}

static void other_planes_are_refused(void **state)
{
    (void)state;
    Geometry flat = plane_stored(-1),
             thick = {.dimensions = 3, .shape_zyx = {2, 2, 3}, .spacing_zyx_mm = {1, 0.5, 0.25}};
    Err e = {0};
    assert_int_equal(geometry_expect_grid(&flat, &thick, "IMAGE", &e), ERR_SHAPE);
    assert_string_equal(e.text, "is 2-D (3x2): expected the shape of IMAGE, which has three axes (3x2x2)");
    assert_int_equal(geometry_expect_grid(&thick, &flat, "IMAGE", &e), ERR_SHAPE);
    assert_string_equal(e.text, "is 3-D (3x2x2): expected the shape of IMAGE, which is 2-D (3x2)");
    Geometry wide = plane_stored(0);
    GridAxes axes;
    wide.spacing_zyx_mm[1] = 0.75;
    assert_int_equal(grid_match(&flat, &wide, &axes), GRID_DIFFERENT);
    assert_int_equal(geometry_expect_grid(&flat, &wide, "IMAGE", &e), ERR_VALUE);
    assert_null(strstr(e.text, "499.5")); /* stands in no file */
}

/* Labels of every width in NIfTI: whole numbers are whole numbers; what 16 bits do not hold is named. */
static void label_widths_of_nifti(void **state)
{
    (void)state;
    static const struct {
        int16_t code, bits;
    } types[] = {{256, 8}, {4, 16}, {512, 16}, {8, 32}, {768, 32}, {1024, 64}, {1280, 64}, {16, 32}, {64, 64}};
    const Geometry g = {
        .dimensions = 3, .shape_zyx = {1, 2, 3}, .spacing_zyx_mm = {1, 1, 1}, .orientation = {.qfac = 1}};
    uint8_t values[6] = {0, 1, 2, 3, 100, 0};
    const Array voxels = array_view(DTYPE_U8, 3, g.shape_zyx, values);
    const char *path = in_folder("width.nii");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint8_t bytes[352 + 48] = {0};
        char *header;
        size_t count;
        Array labels;
        Err e = {0};
        assert_int_equal(image_write(path, &g, &voxels, NULL), 0);
        assert_int_equal(file_get(path, &header, &count, NULL), 0);
        memcpy(bytes, header, 352);
        mem_free(header);
        memcpy(bytes + 70, &types[i].code, 2);
        memcpy(bytes + 72, &types[i].bits, 2);
        for (int large = 0; large < (types[i].bits == 64 ? 2 : 1); large++) {
            for (int k = 0; k < 6; k++) {
                const uint64_t whole = large && k == 4 ? (uint64_t)1 << 40 : values[k];
                const float real = values[k];
                const double wide = (double)whole;
                const void *from = types[i].code == 16   ? (const void *)&real
                                   : types[i].code == 64 ? (const void *)&wide
                                                         : &whole;
                memcpy(bytes + 352 + k * types[i].bits / 8, from, (size_t)types[i].bits / 8);
            }
            assert_int_equal(file_put(path, bytes, 352 + 6 * (size_t)types[i].bits / 8, NULL), 0);
            assert_int_equal(image_read_labels(&labels, NULL, path, &e), large ? ERR_VALUE : 0);
            if (large) assert_non_null(strstr(e.text, "the first 1.09951e+12 at z 0, y 1, x 1"));
            for (int k = 0; k < 6 && !large; k++) assert_int_equal(((int16_t *)labels.data)[k], values[k]);
            array_free(&labels);
        }
    }
}

/* ---- JPEG ---- */

enum { JPEG_HEIGHT = 24, JPEG_WIDTH = 40 };

/* Component c at (y,x): smooth, so that it is nearly kept. */
static int jpeg_value(int y, int x, int c) { return 40 + 3 * y + 2 * x + 20 * c; }

/* Writes a picture of 1, 3 or 4 components as x.jpg; returns its path. */
static const char *make_jpeg(int components)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    unsigned char *bytes = NULL, row[JPEG_WIDTH * 4];
    unsigned long count = 0;
    const char *path = in_folder("x.jpg");
    jpeg.err = jpeg_std_error(&manager);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &count);
    jpeg.image_height = JPEG_HEIGHT;
    jpeg.image_width = JPEG_WIDTH;
    jpeg.input_components = components;
    jpeg.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < JPEG_HEIGHT; y++) {
        for (int i = 0; i < JPEG_WIDTH * components; i++)
            row[i] = (unsigned char)jpeg_value(y, i / components, i % components);
        JSAMPROW rows = row;
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    assert_int_equal(file_put(path, bytes, count, NULL), 0);
    jpeg_destroy_compress(&jpeg);
    free(bytes);
    return path;
}

static void jpeg_is_read(void **state)
{
    (void)state;
    for (int components = 1; components <= 3; components += 2) {
        const char *path = make_jpeg(components);
        ImageHeader header;
        Image image;
        Err e = {0};
        assert_int_equal(image_read_header(&header, path, IMAGE_INTENSITIES, &e), 0);
        assert_int_equal(header.channels, components);
        assert_int_equal(header.geometry.shape_zyx[1], JPEG_HEIGHT);
        assert_int_equal(header.geometry.shape_zyx[2], JPEG_WIDTH);
        assert_int_equal(image_read(&image, path, &e), 0);
        const float *found = image.voxels.data;
        for (int i = 0; i < components * JPEG_HEIGHT * JPEG_WIDTH; i++) {
            const int x = i % JPEG_WIDTH, y = i / JPEG_WIDTH % JPEG_HEIGHT, c = i / JPEG_WIDTH / JPEG_HEIGHT;
            assert_true(fabsf(found[i] - (float)jpeg_value(y, x, c)) <= 4);
        }
        image_free(&image);
    }
}

static void other_jpegs_are_refused(void **state)
{
    (void)state;
    char *bytes;
    size_t count;
    Image image;
    Array labels;
    Err e = {0};
    assert_int_equal(image_read(&image, make_jpeg(4), &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "x.jpg: colours of four components (CMYK)"));
    const char *path = make_jpeg(1);
    assert_int_equal(image_read_labels(&labels, NULL, path, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "labels cannot be JPEG"));
    assert_int_equal(file_get(path, &bytes, &count, NULL), 0);
    assert_int_equal(file_put(path, bytes, count / 2, NULL), 0);
    assert_int_equal(image_read(&image, path, &e), ERR_FORMAT);
    assert_null(strstr(e.text, "by its content"));
    assert_int_equal(file_put(in_folder("x.png"), bytes, count, NULL), 0);
    assert_int_equal(image_read(&image, in_folder("x.png"), &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "by its content it is a JPEG file: give it the ending of one"));
    assert_int_equal(file_put(path, bytes, 3, NULL), 0);
    assert_int_equal(image_read(&image, path, &e), ERR_FORMAT);
    assert_int_equal(file_put(path, "text", 4, NULL), 0);
    assert_int_equal(image_read(&image, path, &e), ERR_FORMAT);
    mem_free(bytes);
    const Geometry g = geometry_plane(1, 1);
    const int64_t shape[] = {1, 1, 1};
    uint8_t voxel = 0;
    const Array voxels = array_view(DTYPE_U8, 3, shape, &voxel);
    assert_int_equal(image_write(path, &g, &voxels, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "JPEG changes the values"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(palette_is_labels_or_colours),
        cmocka_unit_test(alpha_and_gray_are_told),
        cmocka_unit_test(label_pictures_have_one_channel),
        cmocka_unit_test(dataset_takes_palette_and_alpha),
        cmocka_unit_test(bmp_is_read),
        cmocka_unit_test(bmp_is_written),
        cmocka_unit_test(jpeg_is_read),
        cmocka_unit_test(other_jpegs_are_refused),
        cmocka_unit_test(label_widths_of_nifti),
        cmocka_unit_test(a_plane_is_a_plane),
        cmocka_unit_test(a_plane_is_read_as_a_slice),
        cmocka_unit_test(other_planes_are_refused),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
