/* data/: .npy files; images that are written and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_channels.h"
#include "data/npy.h"
#include "data/picture.h"
#include "tests/support/exists.h"
#include "tests/support/folder.h"

static void npy_round_trip(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        for (int rank = 0; rank <= 4; rank++) {
            const int64_t shape[4] = {3, 1, 5, 2};
            Array a, b;
            assert_int_equal(array_new(&a, (DType)dtype, rank, shape, NULL), 0);
            for (size_t i = 0; i < array_bytes(&a); i++) ((uint8_t *)a.data)[i] = (uint8_t)(i * 37);
            assert_int_equal(npy_write(in_folder("a.npy"), &a, NULL), 0);
            assert_int_equal(npy_read(&b, in_folder("a.npy"), NULL), 0);
            assert_int_equal(b.owner, ARRAY_MAPPED);
            assert_int_equal(b.dtype, a.dtype);
            assert_int_equal(b.rank, a.rank);
            assert_memory_equal(b.shape, a.shape, sizeof a.shape);
            assert_memory_equal(b.data, a.data, array_bytes(&a));
            array_free(&a);
            array_free(&b);
        }
    }
}

static int read_npy_text(char version, const char *header, const char *data, size_t data_bytes, Array *a, Err *e)
{
    char bytes[1024] = "\x93NUMPY";
    const size_t length = strlen(header), start = version == 1 ? 10 : 12;
    bytes[6] = version;
    bytes[8] = (char)length;
    memcpy(bytes + start, header, length);
    memcpy(bytes + start + length, data, data_bytes);
    assert_int_equal(file_put(in_folder("b.npy"), bytes, start + length + data_bytes, e), 0);
    return npy_read(a, in_folder("b.npy"), e);
}

static void npy_reads_all_headers(void **state)
{
    (void)state;
    const int16_t values[3] = {-5, 7, 300};
    for (char version = 1; version <= 3; version++) {
        Array a;
        Err e = {0};
        assert_int_equal(read_npy_text(version, "{\"shape\":( 3, ),'fortran_order':False , 'descr': '<i2'}\n",
                                       (const char *)values, sizeof values, &a, &e),
                         0);
        assert_int_equal(a.dtype, DTYPE_I16);
        assert_int_equal(a.rank, 1);
        assert_memory_equal(a.data, values, sizeof values);
        array_free(&a);
    }
}

static void npy_refuses_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *header, *says;
        ErrCode code;
    } cases[] = {
        {"{'descr': '>i2', 'fortran_order': False, 'shape': (3,)}", ">i2", ERR_UNSUPPORTED},
        {"{'descr': '<i2', 'fortran_order': True, 'shape': (3,)}", "Fortran", ERR_UNSUPPORTED},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (4,)}", "8 bytes", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "bytes", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999999999999,)}", "2^63", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (-3,)}", "extent", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "axes", ERR_SHAPE},
        {"{'descr': '<i2', 'shape': (3,)}", "fortran_order", ERR_FORMAT},
        {"{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (3,)}", "string", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (3,)", "}", ERR_FORMAT},
        {"{'descr': '<i2", "string", ERR_FORMAT},
        {"", "{", ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Array a;
        Err e = {0};
        assert_int_equal(read_npy_text(1, cases[i].header, "abcdef", 6, &a, &e), cases[i].code);
        assert_non_null(strstr(e.text, cases[i].says));
        assert_non_null(strstr(e.text, "b.npy"));
        assert_null(a.data);
    }
}

static void npy_refuses_cut_files(void **state)
{
    (void)state;
    const int64_t shape[1] = {4};
    Array a;
    assert_int_equal(array_new(&a, DTYPE_F64, 1, shape, NULL), 0);
    assert_int_equal(npy_write(in_folder("whole.npy"), &a, NULL), 0);
    array_free(&a);
    char *bytes;
    size_t count;
    assert_int_equal(file_get(in_folder("whole.npy"), &bytes, &count, NULL), 0);
    for (size_t cut = 0; cut < count; cut++) {
        Err e = {0};
        assert_int_equal(file_put(in_folder("cut.npy"), bytes, cut, NULL), 0);
        assert_int_equal(npy_read(&a, in_folder("cut.npy"), &e), ERR_FORMAT);
    }
    mem_free(bytes);
}

static const Geometry oblique = {
    .dimensions = 3,
    .shape_zyx = {4, 3, 5},
    .spacing_zyx_mm = {2.5, 0.75, 0.5},
    .orientation = {.units = 2,
                    .qform_code = 1,
                    .sform_code = 2,
                    .qfac = -1,
                    .quatern_bcd = {0.1, 0.2, -0.3},
                    .offset_xyz = {-12.5, 3.25, 7},
                    .depth = 2.5,
                    .sform = {{0.5, 0.25, 0, -9}, {-0.125, 0.75, 0, 4}, {0, 0, 2.5, 1.5}}},
};

static void assert_same_place(const Geometry *a, const Geometry *b)
{
    const Orientation *o = &a->orientation, *p = &b->orientation;
    assert_int_equal(a->dimensions, b->dimensions);
    assert_true(geometry_same_shape(a, b) && geometry_same_spacing(a, b) && geometry_same_affine(a, b));
    assert_int_equal(o->qform_code, p->qform_code);
    assert_int_equal(o->sform_code, p->sform_code);
    assert_int_equal(o->units, p->units);
    assert_true(o->qfac == p->qfac && o->depth == p->depth);
    for (int i = 0; i < 3; i++) {
        assert_float_equal(o->quatern_bcd[i], p->quatern_bcd[i], 1e-7);
        assert_float_equal(o->offset_xyz[i], p->offset_xyz[i], 1e-7);
    }
}

/* Writes `voxels` under `name`, reads it again and compares values and geometry. */
static void round_trip(const char *name, const Geometry *g, const Array *voxels)
{
    Image image;
    Err e = {0};
    if (image_write(in_folder(name), g, voxels, &e) || image_read(&image, in_folder(name), &e)) fail_msg("%s", e.text);
    assert_same_place(g, &image.geometry);
    assert_int_equal(array_count(&image.voxels), array_count(voxels));
    const float *got = image.voxels.data;
    for (int64_t i = 0; i < array_count(voxels); i++) {
        const double wanted = voxels->dtype == DTYPE_U8    ? ((uint8_t *)voxels->data)[i]
                              : voxels->dtype == DTYPE_U16 ? ((uint16_t *)voxels->data)[i]
                              : voxels->dtype == DTYPE_I16 ? ((int16_t *)voxels->data)[i]
                                                           : (double)((float *)voxels->data)[i];
        assert_true((double)got[i] == wanted);
    }
    image_free(&image);
}

static void nifti_round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {"a.nii.gz", "a.nii", "b.hdr", "c.img.gz"};
    static const DType types[] = {DTYPE_U8, DTYPE_U16, DTYPE_I16, DTYPE_F32};
    for (int i = 0; i < 16; i++) {
        Array voxels;
        assert_int_equal(array_new(&voxels, types[i / 4], 3, oblique.shape_zyx, NULL), 0);
        for (int64_t k = 0; k < array_count(&voxels); k++) {
            if (types[i / 4] == DTYPE_F32) ((float *)voxels.data)[k] = 0.1f * (float)k;
            else ((uint8_t *)voxels.data)[k * (int64_t)dtype_size(types[i / 4])] = (uint8_t)(3 * k);
        }
        round_trip(names[i % 4], &oblique, &voxels);
        array_free(&voxels);
    }
}

static void nifti_keeps_two_axes_and_long_ones(void **state)
{
    (void)state;
    Array voxels;
    Geometry plane = geometry_plane(2, 40000); /* NIfTI-1 ends at 32767 */
    plane.spacing_zyx_mm[0] = 999 * 2;
    plane.spacing_zyx_mm[1] = 2;
    assert_int_equal(array_new(&voxels, DTYPE_U8, 3, plane.shape_zyx, NULL), 0);
    ((uint8_t *)voxels.data)[79999] = 200;
    round_trip("long.nii", &plane, &voxels);
    array_free(&voxels);

    const int64_t shape[4] = {2, 4, 3, 5};
    assert_int_equal(array_new(&voxels, DTYPE_F32, 4, shape, NULL), 0);
    ((float *)voxels.data)[61] = 0.25f;
    round_trip("volumes.nii.gz", &oblique, &voxels);
    array_free(&voxels);
}

/* A probe fails where reading would: what follows it calculates with the sizes. */
static void nifti_sizes_must_fit_the_file(void **state)
{
    (void)state;
    Err e;
    Array voxels;
    Image image;
    ImageHeader header;
    static const char *const names[] = {"huge.nii", "huge.hdr"};
    const Geometry plane = geometry_plane(2, 40000); /* NIfTI-2: dim is 8 numbers of 8 bytes from byte 16 on */
    assert_int_equal(array_new(&voxels, DTYPE_U8, 3, plane.shape_zyx, NULL), 0);
    for (int i = 0; i < 2; i++) {
        const char *path = in_folder(names[i]);
        void *mapped;
        size_t count;
        assert_int_equal(image_write(path, &plane, &voxels, NULL), 0);
        assert_int_equal(image_read_header(&header, path, IMAGE_INTENSITIES, NULL), 0);
        assert_int_equal(file_map(path, &mapped, &count, NULL), 0);
        uint8_t *bytes = malloc(count);
        assert_non_null(bytes);
        memcpy(bytes, mapped, count);
        file_unmap(mapped, count);
        for (int axis = 1; axis <= 2; axis++) memcpy(bytes + 16 + 8 * axis, &(int64_t){(int64_t)1 << 40}, 8);
        assert_int_equal(file_put(path, bytes, count, NULL), 0);
        free(bytes);
        assert_int_equal(image_read_header(&header, path, IMAGE_INTENSITIES, &e), ERR_FORMAT);
        assert_non_null(strstr(e.text, "cut off, or the header is wrong"));
        assert_int_equal(image_read(&image, path, &e), ERR_FORMAT);
    }
    array_free(&voxels);
}

static void pictures_round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {"a.png", "b.tif", "c.tiff", "d.PNG"};
    const Geometry plane = geometry_plane(211, 390);
    Err e = {0};
    for (int i = 0; i < 8; i++) {
        Array voxels;
        assert_int_equal(array_new(&voxels, i / 4 ? DTYPE_U16 : DTYPE_U8, 3, plane.shape_zyx, NULL), 0);
        for (size_t k = 0; k < array_bytes(&voxels); k++) ((uint8_t *)voxels.data)[k] = (uint8_t)(k * k / 7);
        round_trip(names[i % 4], &plane, &voxels);
        voxels.dtype = DTYPE_F32;
        if (i % 4 == 0 || i % 4 == 3)
            assert_int_equal(image_write(in_folder(names[i % 4]), &plane, &voxels, &e), ERR_UNSUPPORTED);
        array_free(&voxels);
    }
    Array solid;
    assert_int_equal(array_new(&solid, DTYPE_U8, 3, oblique.shape_zyx, NULL), 0);
    assert_int_equal(image_write(in_folder("solid.png"), &oblique, &solid, &e), ERR_SHAPE);
    array_free(&solid);
}

static void colour_pictures_are_three_channels(void **state)
{
    (void)state;
    const uint8_t pixels[2][2][3] = {{{1, 2, 3}, {4, 5, 6}}, {{7, 8, 9}, {10, 11, 255}}};
    Image image;
    Err e = {0};
    assert_int_equal(picture_write(in_folder("colour.png"), &pixels[0][0][0], 2, 2, 3, NULL), 0);
    assert_int_equal(image_read(&image, in_folder("colour.png"), NULL), 0);
    assert_int_equal(image.voxels.shape[0], 3);
    for (int i = 0; i < 12; i++)
        assert_true(((float *)image.voxels.data)[i] == (float)(&pixels[0][0][0])[i % 4 * 3 + i / 4]);
    image_free(&image);
    Text encoded = {0};
    char *written;
    size_t bytes;
    assert_int_equal(picture_encode(&encoded, &pixels[0][0][0], 2, 2, 3, &e), 0);
    assert_int_equal(file_get(in_folder("colour.png"), &written, &bytes, &e), 0);
    assert_int_equal(encoded.length, bytes);
    assert_memory_equal(encoded.data, written, bytes);
    mem_free(written);
    text_free(&encoded);
    assert_int_equal(picture_encode(&encoded, &pixels[0][0][0], 0, 2, 3, &e), ERR_SHAPE);
    assert_int_equal(picture_write(in_folder("none/colour.png"), &pixels[0][0][0], 2, 2, 3, &e), ERR_IO);
    assert_int_equal(picture_write(in_folder("empty.png"), &pixels[0][0][0], 0, 2, 3, &e), ERR_SHAPE);
    assert_false(exists(in_folder("empty.png")));
}

static void labels_must_be_whole(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *says; /* NULL: fine */
    } cases[] = {{1.5f, "1.5 at z 1, y 0, x 2 (voxel 17"},
                 {NAN, "nan"},
                 {40000, "40000"},
                 {INFINITY, "inf"},
                 {1.9999f, NULL},
                 {-1, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Image image = {0};
        Array labels;
        Err e = {0};
        assert_int_equal(array_new(&image.voxels, DTYPE_F32, 4, (int64_t[]){1, 4, 3, 5}, NULL), 0);
        ((float *)image.voxels.data)[17] = cases[i].value;
        assert_int_equal(image_to_labels(&labels, &image, &e), cases[i].says ? ERR_VALUE : 0);
        if (cases[i].says) assert_non_null(strstr(e.text, cases[i].says));
        else assert_int_equal(((int16_t *)labels.data)[17], lrintf(cases[i].value));
        array_free(&labels);
        image_free(&image);
    }
}

static void channels_must_fit(void **state)
{
    (void)state;
    Array voxels;
    Image image;
    Err e = {0};
    FaultList notes = {0};
    Geometry other = oblique;
    char first[256], second[256];
    snprintf(first, sizeof first, "%s", in_folder("first.nii"));
    snprintf(second, sizeof second, "%s", in_folder("second.nii"));
    const char *const paths[] = {first, second};
    assert_int_equal(array_new(&voxels, DTYPE_I16, 3, oblique.shape_zyx, NULL), 0);
    ((int16_t *)voxels.data)[1] = -300;
    assert_int_equal(image_write(first, &oblique, &voxels, NULL), 0);
    ((int16_t *)voxels.data)[1] = 77;
    assert_int_equal(image_write(second, &oblique, &voxels, NULL), 0);
    assert_int_equal(image_read_channels(&image, paths, 2, NULL, &notes, &e), 0);
    assert_int_equal(image.voxels.shape[0], 2);
    assert_true(((float *)image.voxels.data)[1] == -300 && ((float *)image.voxels.data)[61] == 77);
    image_free(&image);
    assert_int_equal(notes.count, 0);

    /* the same grid with other axes: reoriented, with a note */
    const GridAxes turn = {.from = {2, 0, 1}, .flip = {true, false, true}};
    Geometry turned = grid_axes_apply(&turn, &oblique);
    assert_int_equal(grid_axes_turn(&turn, &voxels, NULL), 0);
    assert_int_equal(image_write(second, &turned, &voxels, NULL), 0);
    assert_int_equal(image_read_channels(&image, paths, 2, NULL, &notes, &e), 0);
    assert_true(((float *)image.voxels.data)[1] == -300 && ((float *)image.voxels.data)[61] == 77);
    assert_memory_equal(image.geometry.shape_zyx, oblique.shape_zyx, sizeof oblique.shape_zyx);
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(notes.faults[0].text, "second.nii"));
    assert_non_null(strstr(notes.faults[0].text, "turned onto the grid of"));
    faults_free(&notes);
    image_free(&image);
    const GridAxes back = grid_axes_inverse(&turn);
    assert_int_equal(grid_axes_turn(&back, &voxels, NULL), 0);

    /* another origin: a note; another direction: refused */
    turned = grid_axes_apply(&back, &turned);
    Geometry moved = turned;
    moved.orientation.sform[0][3] += 40;
    assert_int_equal(image_write(second, &moved, &voxels, NULL), 0);
    assert_int_equal(image_read_channels(&image, paths, 2, NULL, &notes, &e), 0);
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(notes.faults[0].text, "as they are stored"));
    faults_free(&notes);
    image_free(&image);
    for (int i = 0; i < 3; i++) turned.orientation.sform[i][0] *= -1;
    assert_int_equal(image_write(second, &turned, &voxels, NULL), 0);
    assert_int_equal(image_read_channels(&image, paths, 2, NULL, &notes, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "direction"));
    assert_non_null(strstr(e.text, "first.nii"));

    other.spacing_zyx_mm[1] = 1;
    assert_int_equal(image_write(second, &other, &voxels, NULL), 0);
    assert_int_equal(image_read_channels(&image, paths, 2, NULL, &notes, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "0.5x1x2.5"));
    other.shape_zyx[0] = 2;
    voxels.shape[0] = 2;
    assert_int_equal(image_write(second, &oblique, &voxels, &e), ERR_SHAPE);
    assert_int_equal(image_write(second, &other, &voxels, NULL), 0);
    assert_int_equal(image_read_channels(&image, paths, 2, NULL, &notes, &e), ERR_SHAPE);
    assert_non_null(strstr(e.text, "5x3x2"));
    assert_int_equal(image_read(&image, in_folder("picture.gif"), &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, ".nii.gz"));
    array_free(&voxels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_round_trip),
        cmocka_unit_test(npy_reads_all_headers),
        cmocka_unit_test(npy_refuses_bad_files),
        cmocka_unit_test(npy_refuses_cut_files),
        cmocka_unit_test(nifti_round_trip),
        cmocka_unit_test(nifti_keeps_two_axes_and_long_ones),
        cmocka_unit_test(nifti_sizes_must_fit_the_file),
        cmocka_unit_test(pictures_round_trip),
        cmocka_unit_test(colour_pictures_are_three_channels),
        cmocka_unit_test(labels_must_be_whole),
        cmocka_unit_test(channels_must_fit),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
