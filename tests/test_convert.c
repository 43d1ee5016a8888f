/* convert/: the values of what is converted. Layouts and faults: tests/cli/convert_dataset.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/random.h"
#include "convert/boundary.h"
#include "convert/conversion.h"
#include "convert/endovis17_folders.h"
#include "convert/stretch.h"
#include "data/image_io.h"
#include "data/picture.h"
#include "tests/support/exists.h"
#include "tests/support/folder.h"
#include "tests/support/says.h"

static void make(const char *name)
{
    Err e;
    assert_int_equal(file_make_folders(in_folder(name), &e), 0);
}

static void put_labels(const char *name, int64_t z, int64_t y, int64_t x, const uint8_t *values)
{
    Geometry g = geometry_plane(y, x);
    Err e = {0};
    if (z > 1) g = (Geometry){.dimensions = 3, .shape_zyx = {z, y, x}, .spacing_zyx_mm = {3, 1, 1}};
    const Array view = array_view(DTYPE_U8, 3, g.shape_zyx, (void *)values);
    if (image_write(in_folder(name), &g, &view, &e)) fail_msg("%s", e.text);
}

static void expect_labels(const char *name, const uint8_t *values, int64_t count)
{
    Array found;
    Err e = {0};
    if (image_read_labels(&found, NULL, in_folder(name), &e)) fail_msg("%s", e.text);
    assert_int_equal(array_count(&found), count);
    for (int64_t i = 0; i < count; i++) assert_int_equal(((const int16_t *)found.data)[i], values[i]);
    array_free(&found);
}

/* Converts folder/in to folder/out; returns the failure, with the first fault in e. */
static int convert(const ConversionSource *source, const char *in, const char *out, int width, int shrink, Err *e)
{
    char from[64], to[64];
    Progress progress;
    snprintf(from, sizeof from, "%s", in_folder(in));
    snprintf(to, sizeof to, "%s", in_folder(out));
    Conversion c = {.source = source, .in = from, .out = to, .boundary_width = width, .shrink = shrink};
    progress_begin(&progress, "convert", 1, true);
    int code = conversion_find(&c, e);
    if (!code) code = conversion_write(&c, &progress, e);
    progress_end(&progress);
    for (int i = 0; code && i < c.faults.count; i++)
        if (c.faults.faults[i].severity == FAULT_ERROR) {
            err_set(e, ERR_VALUE, "%s", c.faults.faults[i].text);
            break;
        }
    conversion_free(&c);
    return code;
}

static void convert_well(const ConversionSource *source, const char *in, const char *out, int width, int shrink)
{
    Err e = {0};
    if (convert(source, in, out, width, shrink, &e)) fail_msg("%s", e.text);
}

/* ---- the boundary ---- */

enum { ROWS = 12, COLUMNS = 16 };

static void boundary_is_drawn(void **state)
{
    (void)state;
    static const char map[ROWS][COLUMNS + 1] = {"aaaaaaaabbbbbbbb", "aaaaaaaabbbbbbbb", "aaaaaaaabbbbbbbb",
                                                "aaaaaaaabbbbbbbb", "aaaaaaaabbbbbbbb", "aaaaaaaabbbbbbbb",
                                                "................", "................", "................",
                                                "..ccccc.........", "..ccccc.........", "..ccccc........."};
    static const char wanted[ROWS][COLUMNS + 1] = {"iiiiii####iiiiii", "iiiiii####iiiiii", "iiiiii####iiiiii",
                                                   "iiiiii####iiiiii", "################", "################",
                                                   "################", "................", "..#####.........",
                                                   ".#######........", ".#######........", ".###.###........"};
    float ids[ROWS * COLUMNS];
    uint8_t classes[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        ids[i] = map[i / COLUMNS][i % COLUMNS] == '.' ? 0 : (float)map[i / COLUMNS][i % COLUMNS];
    assert_int_equal(boundary_classes(classes, ids, ROWS, COLUMNS, 2, NULL), 0);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        const char w = wanted[i / COLUMNS][i % COLUMNS];
        assert_int_equal(classes[i], w == '#' ? 2 : w == 'i' ? 1 : 0);
    }
}

/* By the definition, pixel by pixel: how many pixels the interior of i has is found by spreading from it. */
static bool is_edge(const float *ids, int y, int x)
{
    const int dy[] = {0, 0, 1, -1}, dx[] = {1, -1, 0, 0};
    for (int k = 0; k < 4; k++) {
        const int v = y + dy[k], u = x + dx[k];
        if (v >= 0 && v < ROWS && u >= 0 && u < COLUMNS && ids[v * COLUMNS + u] != ids[y * COLUMNS + x])
            return ids[y * COLUMNS + x] > 0;
    }
    return false;
}

static bool is_boundary(const float *ids, int y, int x, int radius)
{
    for (int v = 0; v < ROWS; v++)
        for (int u = 0; u < COLUMNS; u++)
            if ((v - y) * (v - y) + (u - x) * (u - x) <= radius * radius && is_edge(ids, v, u)) return true;
    return false;
}

static int interior_size(const bool *interior, int i)
{
    bool reached[ROWS * COLUMNS] = {false};
    int size = 0, before = -1;
    for (reached[i] = true; size != before;) {
        before = size;
        size = 0;
        for (int k = 0; k < ROWS * COLUMNS; k++) {
            const int x = k % COLUMNS;
            if (interior[k] &&
                ((x && reached[k - 1]) || (x + 1 < COLUMNS && reached[k + 1]) ||
                 (k >= COLUMNS && reached[k - COLUMNS]) || (k + COLUMNS < ROWS * COLUMNS && reached[k + COLUMNS])))
                reached[k] = true;
            size += reached[k];
        }
    }
    return size;
}

static void boundary_is_as_defined(void **state)
{
    (void)state;
    int kinds[3] = {0}, small = 0;
    for (int trial = 0; trial < 300; trial++) {
        float ids[ROWS * COLUMNS] = {0};
        uint8_t classes[ROWS * COLUMNS];
        bool interior[ROWS * COLUMNS];
        const int width = 1 + trial % 3;
        Rng rng = rng_make(7, 0, (uint32_t)trial, 0, RNG_TEST);
        for (int cell = 1; cell < 6; cell++) {
            const int y0 = (int)rng_below(&rng, ROWS), x0 = (int)rng_below(&rng, COLUMNS);
            const int h = 2 + (int)rng_below(&rng, 8), w = 2 + (int)rng_below(&rng, 9);
            for (int y = y0; y < y0 + h && y < ROWS; y++)
                for (int x = x0; x < x0 + w && x < COLUMNS; x++) ids[y * COLUMNS + x] = (float)cell;
        }
        assert_int_equal(boundary_classes(classes, ids, ROWS, COLUMNS, width, NULL), 0);
        for (int i = 0; i < ROWS * COLUMNS; i++)
            interior[i] = ids[i] > 0 && !is_boundary(ids, i / COLUMNS, i % COLUMNS, width - 1);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            const int size = interior[i] ? interior_size(interior, i) : 0;
            const int wanted = is_boundary(ids, i / COLUMNS, i % COLUMNS, width - 1) ? 2 : size >= INTERIOR_LEAST;
            assert_int_equal(classes[i], wanted);
            kinds[wanted]++;
            small += size && size < INTERIOR_LEAST;
        }
    }
    assert_true(kinds[0] > 1000 && kinds[1] > 1000 && kinds[2] > 1000 && small > 100);
}

/* ---- contrast ---- */

static void contrast_is_stretched(void **state)
{
    (void)state;
    float values[110] = {0}; /* ten zeros, which do not count, and 1 to 100: percentiles 1.99 and 99.01 */
    uint8_t out[3 * 110];
    Err e = {0};
    for (int i = 0; i < 100; i++) values[10 + i] = (float)(i + 1);
    assert_int_equal(stretch_channel(out, 3, values, 110, &e), 0);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[3 * 10], 0);
    assert_int_equal(out[3 * 59], 126); /* (50 - 1.99) / 97.02 * 255 = 126.19 */
    assert_int_equal(out[3 * 60], 128); /* 128.81 */
    assert_int_equal(out[3 * 109], 255);
}

static void flat_images_stay(void **state)
{
    (void)state;
    static const struct {
        float value;
        int wanted;
    } cases[] = {{0, 0}, {7, 7}, {300, 255}, {-3, 0}};
    for (int i = 0; i < 4; i++) {
        const float values[] = {cases[i].value, cases[i].value, cases[i].value};
        uint8_t out[3];
        assert_int_equal(stretch_channel(out, 1, values, 3, NULL), 0);
        assert_int_equal(out[1], cases[i].wanted);
    }
    Err e;
    uint8_t out[2];
    assert_int_equal(stretch_channel(out, 1, (const float[]){1, 0.f / 0.f}, 2, &e), ERR_VALUE);
    assert_says(&e, "pixel 1 is not finite");
}

/* ---- AMOS ---- */

/* The organs as AMOS numbers them, by the names of U-Mamba's dataset.json; NULL: not among these. */
static const char *const amos[] = {"background",
                                   "spleen",
                                   "right kidney",
                                   "left kidney",
                                   "gallbladder",
                                   "esophagus",
                                   "liver",
                                   "stomach",
                                   "aorta",
                                   "inferior vena cava",
                                   "pancreas",
                                   "right adrenal gland",
                                   "left adrenal gland",
                                   "duodenum",
                                   NULL,
                                   NULL};

static void amos_organs_keep_their_names(void **state)
{
    (void)state;
    uint8_t stored[2 * 4 * 2], wanted[16];
    DatasetInfo info;
    Err e = {0};
    for (int i = 0; i < 16; i++) stored[i] = (uint8_t)i;
    make("amos/imagesTr");
    make("amos/labelsTr");
    put_labels("amos/imagesTr/amos_0507.nii.gz", 2, 4, 2, stored);
    put_labels("amos/labelsTr/amos_0507.nii.gz", 2, 4, 2, stored);
    convert_well(&source_amos_mri, "amos", "amos_out", 0, 0);
    if (dataset_info_read(&info, in_folder("amos_out/dataset.json"), &e)) fail_msg("%s", e.text);
    assert_int_equal(info.label_count, 14);
    assert_int_equal(info.num_training, 1);
    for (int i = 0; i < 16; i++) {
        wanted[i] = 0;
        for (int k = 0; amos[i] && k < info.label_count; k++)
            if (!strcmp(info.labels[k].name, amos[i])) wanted[i] = (uint8_t)info.labels[k].values[0];
        assert_true(!amos[i] || !i || wanted[i]);
    }
    dataset_info_free(&info);
    expect_labels("amos_out/labelsTr/amos_0507.nii.gz", wanted, 16);
    expect_labels("amos_out/imagesTr/amos_0507_0000.nii.gz", stored, 16);
    stored[9] = 16;
    put_labels("amos/labelsTr/amos_0507.nii.gz", 2, 4, 2, stored);
    assert_int_equal(convert(&source_amos_mri, "amos", "amos_bad", 0, 0, &e), ERR_VALUE);
    assert_says(&e, "amos_0507.nii.gz: voxel 9 is 16: AMOS' labels are 0 to 15");
    assert_false(exists(in_folder("amos_bad")));
}

/* ---- EndoVis ---- */

static void instruments_are_known_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        int value;
    } cases[] = {{"Maryland_Bipolar_Forceps_labels", 1},
                 {"Left_Prograsp_Forceps_labels", 2},
                 {"Prograsp_Forceps", 2},
                 {"Large_Needle_Driver_Right_labels", 3},
                 {"Right_Vessel_Sealer", 4},
                 {"Left_Grasping_Retractor_labels", 5},
                 {"Monopolar_Curved_Scissors_labels", 6},
                 {"Other_labels", 7},
                 {"labels", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(endovis17_value(cases[i].folder), cases[i].value);
}

/* A frame of 6x6, two masks that overlap in the last row, and a test frame: a third of it, 2x2. */
static void frames_are_reduced(void **state)
{
    (void)state;
    uint8_t frame[6 * 6 * 3], needle[36] = {0}, sealer[36] = {0}, types[36] = {0};
    Image image;
    Err e = {0};
    for (int i = 0; i < 36; i++)
        for (int k = 0; k < 3; k++) frame[3 * i + k] = (uint8_t)(k * 50 + i);
    make("eye/train/instrument_dataset_1/left_frames");
    make("eye/train/instrument_dataset_1/ground_truth/Large_Needle_Driver_Left_labels");
    make("eye/train/instrument_dataset_1/ground_truth/Vessel_Sealer_labels");
    make("eye/test/instrument_dataset_1/left_frames");
    make("eye/truth/instrument_dataset_1/gt/TypeSegmentation");
    needle[1 * 6 + 1] = 10; /* the middle of the first ninth; others around it do not count */
    needle[4 * 6 + 4] = needle[4 * 6 + 1] = sealer[4 * 6 + 1] = sealer[0] = 30;
    types[1 * 6 + 4] = 8;
    types[4 * 6 + 4] = 6;
    assert_int_equal(
        picture_write(in_folder("eye/train/instrument_dataset_1/left_frames/frame000.png"), frame, 6, 6, 3, &e), 0);
    assert_int_equal(
        picture_write(in_folder("eye/test/instrument_dataset_1/left_frames/frame225.png"), frame, 6, 6, 3, &e), 0);
    put_labels("eye/train/instrument_dataset_1/ground_truth/Large_Needle_Driver_Left_labels/frame000.png", 1, 6, 6,
               needle);
    put_labels("eye/train/instrument_dataset_1/ground_truth/Vessel_Sealer_labels/frame000.png", 1, 6, 6, sealer);
    put_labels("eye/truth/instrument_dataset_1/gt/TypeSegmentation/frame225.png", 1, 6, 6, types);
    convert_well(&source_endovis17, "eye", "eye_out", 0, 3);
    expect_labels("eye_out/labelsTr/instrument_dataset_1_frame000.png", (const uint8_t[]){3, 0, 4, 3}, 4);
    expect_labels("eye_out/labelsTs/instrument_dataset_1_frame225.png", (const uint8_t[]){0, 7, 0, 6}, 4);
    if (image_read(&image, in_folder("eye_out/imagesTr/instrument_dataset_1_frame000_0000.png"), &e))
        fail_msg("%s", e.text);
    assert_int_equal(image.voxels.shape[0], 3);
    const float middles[] = {7, 10, 25, 28}; /* the mean of a ninth is its middle pixel */
    for (int i = 0; i < 12; i++)
        assert_true(((const float *)image.voxels.data)[i] == (float)(i / 4 * 50) + middles[i % 4]);
    image_free(&image);
    convert_well(&source_endovis17, "eye", "eye_full", 0, 1);
    expect_labels("eye_full/labelsTs/instrument_dataset_1_frame225.png",
                  types[10] == 8 ? (types[10] = 7, types) : types, 36);
}

/* ---- cells ---- */

static void cells_get_three_channels(void **state)
{
    (void)state;
    uint8_t gray[64], cells[64] = {0};
    Image image;
    Err e = {0};
    for (int i = 0; i < 64; i++) gray[i] = (uint8_t)(10 + i / 32 * 100);
    for (int i = 0; i < 64; i++) cells[i] = i % 8 < 6;
    make("cells/Training-labeled/images");
    make("cells/Training-labeled/labels");
    put_labels("cells/Training-labeled/images/cell_00001.bmp", 1, 8, 8, gray);
    put_labels("cells/Training-labeled/labels/cell_00001_label.tiff", 1, 8, 8, cells);
    convert_well(&source_neurips_cell, "cells", "cells_out", 1, 0);
    for (int i = 0; i < 64; i++) cells[i] = i % 8 < 5 ? 1 : i % 8 == 5 ? 2 : 0;
    expect_labels("cells_out/labelsTr/cell_00001.png", cells, 64);
    if (image_read(&image, in_folder("cells_out/imagesTr/cell_00001_0000.png"), &e)) fail_msg("%s", e.text);
    assert_int_equal(image.voxels.shape[0], 3);
    for (int i = 0; i < 192; i++) assert_true(((const float *)image.voxels.data)[i] == (i % 64 < 32 ? 0 : 255));
    image_free(&image);
    for (int i = 0; i < 64; i++) cells[i] = i % 8 < 6;
    expect_labels("cells_out/instancesTr/cell_00001.tiff", cells, 64);
}

/* ---- the Decathlon ---- */

static void channels_are_split(void **state)
{
    (void)state;
    enum { VOXELS = 3 * 2 * 2 };
    static const char json[] = "{\"name\": \"TWO\", \"modality\": {\"1\": \"ADC\", \"0\": \"T2\"}, \"licence\": \"CC\","
                               "\"labels\": {\"0\": \"background\", \"1\": \"a\"}, \"numTraining\": 1}";
    static const float values[2][VOXELS] = {{-5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 30000},
                                            {0.5f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};
    const Geometry g = {.dimensions = 3, .shape_zyx = {3, 2, 2}, .spacing_zyx_mm = {3, 1, 2}};
    const Array view = array_view(DTYPE_F32, 4, (const int64_t[]){2, 3, 2, 2}, (void *)values);
    const char *const names[] = {"two_out/imagesTr/p_0000.nii.gz", "two_out/imagesTr/p_0001.nii.gz"};
    uint8_t labels[VOXELS] = {0, 1};
    DatasetInfo info;
    Err e = {0};
    make("two/imagesTr");
    make("two/labelsTr");
    assert_int_equal(file_put(in_folder("two/dataset.json"), json, strlen(json), &e), 0);
    if (image_write(in_folder("two/imagesTr/p.nii.gz"), &g, &view, &e)) fail_msg("%s", e.text);
    const Array label_view = array_view(DTYPE_U8, 3, g.shape_zyx, labels);
    if (image_write(in_folder("two/labelsTr/p.nii.gz"), &g, &label_view, &e)) fail_msg("%s", e.text);
    convert_well(&source_msd, "two", "two_out", 0, 0);
    for (int k = 0; k < 2; k++) {
        Image image;
        if (image_read(&image, in_folder(names[k]), &e)) fail_msg("%s", e.text);
        assert_int_equal(image.voxels.shape[0], 1);
        assert_true(geometry_same_spacing(&image.geometry, &g));
        assert_memory_equal(image.voxels.data, values[k], sizeof values[k]);
        image_free(&image);
    }
    expect_labels("two_out/labelsTr/p.nii.gz", labels, VOXELS);
    if (dataset_info_read(&info, in_folder("two_out/dataset.json"), &e)) fail_msg("%s", e.text);
    assert_string_equal(info.channel_names[1], "ADC");
    assert_string_equal(info.description, "licence: CC; made by convert_dataset msd");
    dataset_info_free(&info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundary_is_drawn),
        cmocka_unit_test(boundary_is_as_defined),
        cmocka_unit_test(contrast_is_stretched),
        cmocka_unit_test(flat_images_stay),
        cmocka_unit_test(amos_organs_keep_their_names),
        cmocka_unit_test(instruments_are_known_by_name),
        cmocka_unit_test(frames_are_reduced),
        cmocka_unit_test(cells_get_three_channels),
        cmocka_unit_test(channels_are_split),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
