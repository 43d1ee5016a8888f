/* data/: MetaImage and NRRD: files of other programs are read, written files are read back, hostile headers are
 * rejected. */
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
#include "data/byte_stream.h"
#include "data/image_io.h"
#include "tests/support/folder.h"

/* As file_put, without waiting for the disk. */
static void put_bytes(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void put(const char *name, const char *header, const void *data, size_t bytes)
{
    static char all[8192];
    const size_t length = strlen(header);
    memcpy(all, header, length);
    memcpy(all + length, data, bytes);
    put_bytes(in_folder(name), all, length + bytes);
}

/* ---- what is read ---- */

/* 2x3x2 voxels (x,y,z), values 0 to 11 and 100 more for a second channel. */
static const uint8_t bytes12[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const uint8_t mixed24[24] = {0, 100, 1, 101, 2, 102, 3, 103, 4,  104, 5,  105,
                                    6, 106, 7, 107, 8, 108, 9, 109, 10, 110, 11, 111};
static const uint8_t planes24[24] = {0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,
                                     100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111};
static const uint8_t big24[24] = {0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0, 10, 0, 11};
static const char text12[] = "0 1 2\n3 4 5 6 7\n8 9 10 11\n";

#define META(MORE) "ObjectType = Image\nNDims = 3\nDimSize = 2 3 2\n" MORE "ElementDataFile = LOCAL\n"
#define NRRD(MORE) "NRRD0005\n# a comment\nkey:=value: more\ndimension: 3\nsizes: 2 3 2\n" MORE "\n"

static const struct {
    const char *name, *header;
    const void *data;
    size_t bytes;
    int channels;
} plain[] = {
    {"a.mha", META("ElementType = MET_UCHAR\n"), bytes12, 12, 1},
    {"b.mha", META("ElementNumberOfChannels = 2\nElementType = MET_UCHAR\n"), mixed24, 24, 2},
    {"c.mha", META("ElementByteOrderMSB = True\nElementType = MET_USHORT\n"), big24, 24, 1},
    {"d.mha", META("BinaryData = False\nElementType = MET_FLOAT\n"), text12, sizeof text12 - 1, 1},
    {"e.mha", "NDims = 4\r\nDimSize = 2 3 2 2\r\nElementType = MET_UCHAR\r\nElementDataFile = LOCAL\r\n", planes24, 24,
     2},
    {"a.nrrd", NRRD("type: uchar\nencoding: raw\n"), bytes12, 12, 1},
    {"b.nrrd", NRRD("type: unsigned short\nendian: big\nencoding: raw\n"), big24, 24, 1},
    {"c.nrrd", NRRD("type: double\nencoding: txt\n"), text12, sizeof text12 - 1, 1},
    {"d.nrrd",
     "NRRD0004\ntype: uint8\ndimension: 4\nsizes: 2 2 3 2\nkinds: vector domain domain domain\nencoding: "
     "raw\n\n",
     mixed24, 24, 2},
    {"e.nrrd",
     "NRRD0004\ntype: uint8\ndimension: 4\nsizes: 2 3 2 2\nspace: RAS\nspace directions: (1,0,0) (0,1,0) "
     "(0,0,1) none\n"
     "encoding: raw\n\n",
     planes24, 24, 2},
    {"f.nrrd", NRRD("type: uchar\nbyte skip: 4\nencoding: raw\n"), "skip\0\1\2\3\4\5\6\7\10\11\12\13", 16, 1},
    {"g.nrrd", NRRD("type: uchar\nline skip: 1\nbyte skip: -1\nencoding: raw\n"),
     "line\n..\0\1\2\3\4\5\6\7\10\11\12\13", 19, 1},
};

static void check_values(const char *name, int channels)
{
    Image image;
    ImageHeader header;
    Err e = {0};
    if (image_read(&image, in_folder(name), &e)) fail_msg("%s", e.text);
    const float *values = image.voxels.data;
    assert_int_equal(image.voxels.shape[0], channels);
    for (int i = 0; i < 12; i++)
        for (int c = 0; c < channels; c++) assert_true(values[12 * c + i] == (float)(100 * c + i));
    assert_true(image.voxels.shape[1] == 2 && image.voxels.shape[2] == 3 && image.voxels.shape[3] == 2);
    assert_int_equal(image_read_header(&header, in_folder(name), IMAGE_LABELS, NULL), 0);
    assert_true(header.channels == channels && geometry_same_shape(&header.geometry, &image.geometry));
    image_free(&image);
}

static void voxels_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        put(plain[i].name, plain[i].header, plain[i].data, plain[i].bytes);
        check_values(plain[i].name, plain[i].channels);
    }
}

static void voxels_lie_in_other_files(void **state)
{
    (void)state;
    void *packed;
    size_t bytes;
    put("all.raw", "head", bytes12, 12);
    put("s1.raw", "", bytes12, 6);
    put("s2.raw", "", bytes12 + 6, 6);
    assert_int_equal(bytes_pack(&packed, &bytes, bytes12, 12, true, NULL), 0);
    put("all.raw.gz", "", packed, bytes);
    mem_free(packed);
    assert_int_equal(bytes_pack(&packed, &bytes, bytes12, 12, false, NULL), 0);
    put("all.zraw", "", packed, bytes);
#define MHD "NDims = 3\nDimSize = 2 3 2\nElementType = MET_UCHAR\n"
    put("a.mhd", MHD "HeaderSize = 4\nElementDataFile = all.raw\n", "", 0);
    put("b.mhd", MHD "HeaderSize = -1\nElementDataFile = all.raw\n", "", 0);
    put("c.mhd", MHD "ElementDataFile = LIST\ns1.raw\ns2.raw\n", "", 0);
    put("d.mhd", MHD "ElementDataFile = s%d.raw 1 2 1\n", "", 0);
    put("e.mhd", MHD "CompressedData = True\nElementDataFile = all.zraw\n", "", 0);
    put("f.mha", MHD "CompressedData = True\nElementDataFile = LOCAL\n", packed, bytes);
    put("a.nhdr", "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 3 2\nencoding: gz\ndata file: all.raw.gz\n", "", 0);
    put("b.nhdr", "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 3 2\nencoding: raw\ndata file: LIST\ns1.raw\ns2.raw\n",
        "", 0);
    put("c.nhdr", "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 3 2\nencoding: raw\ndata file: s%1d.raw 1 2 1\n", "",
        0);
    static const char *const names[] = {"a.mhd", "b.mhd",  "c.mhd",  "d.mhd", "e.mhd",
                                        "f.mha", "a.nhdr", "b.nhdr", "c.nhdr"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_values(names[i], 1);
    mem_free(packed);
}

static void assert_affine(const char *name, const double wanted[12])
{
    Image image;
    Err e = {0};
    double found[3][4];
    if (image_read(&image, in_folder(name), &e)) fail_msg("%s", e.text);
    geometry_affine(&image.geometry, found);
    for (int i = 0; i < 12; i++)
        if (fabs(found[i / 4][i % 4] - wanted[i]) > 1e-12) fail_msg("%s: %d: %g", name, i, found[i / 4][i % 4]);
    image_free(&image);
}

/* Axis x of the file runs up, y to the left, z to the front, by 2, 3 and 4 mm; the first voxel lies at (5,6,7) in
 * RAS: the same image in several notations. */
static void space_is_that_of_nifti(void **state)
{
    (void)state;
    static const double wanted[12] = {0, -3, 0, 5, 0, 0, 4, 6, 2, 0, 0, 7};
#define SIZED "type: uint8\ndimension: 3\nsizes: 2 3 2\nencoding: raw\n"
    put("a.mha",
        META("TransformMatrix = 0 0 1 1 0 0 0 -1 0\nOffset = -5 -6 7\nElementSpacing = 2 3 4\n"
             "ElementType = MET_UCHAR\n"),
        bytes12, 12);
    put("b.mha",
        META("Orientation = 0 0 1 1 0 0 0 -1 0\nPosition = -5 -6 7\nElementSize = 2 3 4\n"
             "ElementType = MET_UCHAR\n"),
        bytes12, 12);
    put("a.nrrd",
        "NRRD0004\n" SIZED "space: left-posterior-superior\nspace directions: (0,0,2) (3,0,0) (0, -4, 0)\n"
        "space origin: (-5,-6,7)\n\n",
        bytes12, 12);
    put("b.nrrd",
        "NRRD0004\n" SIZED "space: RAS\nspace directions: (0,0,2) (-3,0,0) (0,4,0)\nspace origin: (5,6,7)\n\n", bytes12,
        12);
    put("c.nrrd",
        "NRRD0004\n" SIZED "space: left-anterior-superior\nspace directions: (0,0,2) (3,0,0) (0,4,0)\n"
        "space origin: (-5,6,7)\n\n",
        bytes12, 12);
    static const char *const names[] = {"a.mha", "b.mha", "a.nrrd", "b.nrrd", "c.nrrd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_affine(names[i], wanted);
}

/* ---- what is written ---- */

static const Geometry oblique = {.dimensions = 3,
                                 .shape_zyx = {2, 3, 2},
                                 .spacing_zyx_mm = {2.5, 0.7, 1.25},
                                 .orientation = {.units = 2,
                                                 .sform_code = 1,
                                                 .qfac = 1,
                                                 .depth = 1,
                                                 .sform = {{1, 0.42, 0, -7}, {-0.75, 0.56, 0, 3.3}, {0, 0, 2.5, 11}}}};

static void round_trip(const char *name, const Geometry *g, const Array *voxels)
{
    Image image;
    Err e = {0};
    if (image_write(in_folder(name), g, voxels, &e) || image_read(&image, in_folder(name), &e)) fail_msg("%s", e.text);
    assert_int_equal(image.geometry.dimensions, g->dimensions);
    assert_true(geometry_same_shape(g, &image.geometry));
    assert_true(geometry_same_spacing(g, &image.geometry) && geometry_same_affine(&image.geometry, g));
    assert_int_equal(image.geometry.orientation.sform_code, g->orientation.sform_code);
    assert_int_equal(image.voxels.shape[0], voxels->rank == 4 ? voxels->shape[0] : 1);
    const float *found = image.voxels.data;
    for (int64_t i = 0; i < array_count(voxels); i++) {
        const void *at = (char *)voxels->data + (size_t)i * dtype_size(voxels->dtype);
        const double wanted = voxels->dtype == DTYPE_U8    ? *(const uint8_t *)at
                              : voxels->dtype == DTYPE_U16 ? *(const uint16_t *)at
                              : voxels->dtype == DTYPE_I16 ? *(const int16_t *)at
                                                           : (double)*(const float *)at;
        assert_true((double)found[i] == wanted);
    }
    image_free(&image);
}

static void written_images_are_read_back(void **state)
{
    (void)state;
    static const char *const names[] = {"w.mha", "w.MHD", "w.nrrd", "w.nhdr"};
    static float values[24];
    for (int i = 0; i < 24; i++) values[i] = (float)i - 7.5f;
    const Geometry plane = {.dimensions = 2,
                            .shape_zyx = {1, 4, 3},
                            .spacing_zyx_mm = {999 * 0.5, 0.5, 0.3},
                            .orientation = {.units = 2,
                                            .sform_code = 1,
                                            .qfac = 1,
                                            .depth = 1,
                                            .sform = {{-0.3, 0, 0, 4}, {0, -0.5, 0, 5}, {0, 0, 1, 0}}}};
    Geometry nowhere = oblique;
    nowhere.orientation = (Orientation){.qfac = 1, .depth = 1};
    const int64_t channels[4] = {2, 2, 3, 2};
    for (int i = 0; i < 4; i++) {
        for (int type = 0; type < 4; type++) {
            static const DType types[] = {DTYPE_U8, DTYPE_U16, DTYPE_I16, DTYPE_F32};
            const Array voxels = array_view(types[type], 3, oblique.shape_zyx, values);
            round_trip(names[i], &oblique, &voxels);
        }
        const Array several = array_view(DTYPE_F32, 4, channels, values);
        const Array flat = array_view(DTYPE_F32, 3, plane.shape_zyx, values);
        round_trip(names[i], &oblique, &several);
        round_trip(names[i], &nowhere, &several);
        round_trip(names[i], &plane, &flat);
        const Array wrong = array_view(DTYPE_F64, 3, plane.shape_zyx, values);
        assert_int_equal(image_write(in_folder(names[i]), &plane, &wrong, NULL), ERR_UNSUPPORTED);
    }
}

/* ---- what is refused ---- */

#define HEAD "NRRD0004\ntype: uint8\ndimension: 3\nencoding: raw\n"
static const struct {
    const char *name, *header, *says;
} hostile[] = {
    {"h.mha", "not a header", "not MetaImage"},
    {"h.mha", "NDims = 3\nDimSize = 2 3\n", "DimSize"},
    {"h.mha", "NDims = 3\nDimSize = 2 0 2\n", "DimSize"},
    {"h.mha", "NDims = 900\n", "NDims"},
    {"h.mha", META("ElementType = MET_OTHER\n"), "MET_OTHER"},
    {"h.mha", META(""), "ElementType is missing"},
    {"h.mha", META("ElementType = MET_UCHAR\nElementSpacing = 1 0 1\n"), "spacing of axis 1 is 0"},
    {"h.mha", META("ElementType = MET_UCHAR\nElementSpacing = 1 one 1\n"), "ElementSpacing is '1 one 1'"},
    {"h.mha", META("ElementType = MET_UCHAR\nTransformMatrix = 1 0 0 1\n"), "too few numbers"},
    {"h.mha", META("ElementType = MET_UCHAR\nOffset = 1 nan 0\n"), "not finite"},
    {"h.mha", META("ElementType = MET_FLOAT\n"), "needs|need 48 bytes"},
    {"h.mha",
     "NDims = 3\nDimSize = 4000000000 4000000000 4000000000\nElementType = MET_UCHAR\nElementDataFile = "
     "LOCAL\n",
     "more than 2^63 bytes|cut off"},
    {"h.mha", "NDims = 3\nDimSize = 99999999999999999999 1 1\nElementType = MET_UCHAR\n", "DimSize"},
    {"h.mha", META("ElementType = MET_UCHAR\nCompressedData = maybe\n"), "CompressedData is 'maybe'"},
    {"h.mha", "NDims = 2\nDimSize = 3 3\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
     "3 bytes more than the header says"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = none.raw\n", "none.raw"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = /etc/hostname\n",
     "in the folder of the header, or below"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = a/../../x.raw\n",
     "in the folder of the header, or below"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = ../x%d.raw 1 2 1\n",
     "in the folder of the header, or below"},
    {"h.nrrd", "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 2 3\nencoding: ascii\ndata file: ..\n\n",
     "in the folder of the header, or below"},
    {"h.nrrd", "NRRD0004\ntype: uint8\ndimension: 2\nsizes: 2 3\nencoding: ascii\n\n1 2 secret 4 5 6",
     "value 2 of its voxels is no number"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = x%s%n.raw 1 2 1\n", "with one %d"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = x%d.raw 1 999999999 1\n",
     "with one %d"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = x%0707d.raw 1 4 1\n",
     "with one %d"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = LIST\n", "no file is named"},
    {"h.mha", "NDims = 3\nDimSize = 4294967296 2147483648 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
     "more than 2^63 bytes"}, /* 2^63 voxels */
    {"h.mha", "NDims = 2\nDimSize = 2 3\nNDims = 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
     "DimSize is missing"},
    {"h.mhd", "NDims = 2\nDimSize = 3 4\nElementType = MET_UCHAR\nElementDataFile = x%d.raw 1 2 1e300\n",
     "with one %d"},
    {"h.nrrd", "NRRD0004\ntype: uint8\nencoding: raw\ndimension: 2\nsizes: 2 3\ndimension: 4\n\n", "sizes is missing"},
    {"h.nrrd", "NRRD1\n", "not NRRD"},
    {"h.nrrd", HEAD "sizes: 2 3\n\n", "sizes is '2 3'"},
    {"h.nrrd", HEAD "\n", "sizes is missing"},
    {"h.nrrd", HEAD "sizes: 2 3 2", "the empty line"},
    {"h.nrrd", HEAD "sizes: 2 3 900\n\n", "need 5400 bytes"},
    {"h.nrrd", "NRRD0004\ntype: short\ndimension: 3\nsizes: 1 3 2\nencoding: raw\n\n", "endian is missing"},
    {"h.nrrd", "NRRD0004\ntype: block\n", "type 'block'"},
    {"h.nrrd", "NRRD0004\nencoding: bzip2\n", "encoding 'bzip2'"},
    {"h.nrrd", HEAD "sizes: 2 3 2\nspace: RAS\nspace directions: (1,0,0) (0,1,0)\n\n", "space directions"},
    {"h.nrrd", HEAD "sizes: 2 3 2\nspace: RAS\nspace directions: (1,0,0) (0,0,0) (0,0,1)\n\n",
     "spacing of axis 1 is 0"},
    {"h.nrrd", "NRRD0004\ntype: uint8\ndimension: 4\nsizes: 1 2 3 2\nencoding: raw\n\n", "4 axes"},
    {"h.nrrd", HEAD "sizes: 2 3 2\nbyte skip: 99\n\n", "bytes to skip"},
    {"h.nrrd", "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 3 2\nencoding: gzip\n\n",
     "damaged packed data|end in the middle"},
};

static bool says(const char *text, const char *either)
{
    char copy[256], *rest = copy, *words;
    snprintf(copy, sizeof copy, "%s", either);
    while ((words = strsep(&rest, "|")))
        if (strstr(text, words)) return true;
    return false;
}

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        Image image;
        Err e = {0};
        const size_t length = strlen(hostile[i].header);
        put(hostile[i].name, hostile[i].header, bytes12, length && hostile[i].header[length - 1] == '\n' ? 12 : 0);
        assert_int_not_equal(image_read(&image, in_folder(hostile[i].name), &e), 0);
        if (!strstr(e.text, folder) || !says(e.text, hostile[i].says)) fail_msg("%zu: %s", i, e.text);
    }
}

/* Cut off anywhere, or with any byte changed, a file ends in an image or in an error that names it. */
static void damaged_files_are_survived(void **state)
{
    (void)state;
    const char *const names[] = {"e.nrrd", "a.mha", "f.mha"};
    for (int i = 0; i < 3; i++) {
        char *bytes;
        size_t count;
        Image image;
        Err e = {0};
        assert_int_equal(file_get(in_folder(names[i]), &bytes, &count, NULL), 0);
        const char *path = in_folder(i ? "damaged.mha" : "damaged.nrrd");
        for (size_t cut = 0; cut < count; cut++) {
            put_bytes(path, bytes, cut);
            if (!image_read(&image, path, &e)) fail_msg("%s: read when cut at %zu", names[i], cut);
            if (!strstr(e.text, path)) fail_msg("%s: cut at %zu: %s", names[i], cut, e.text);
        }
        for (size_t k = 0; k < 4 * count; k++) {
            const char kept = bytes[k / 4];
            bytes[k / 4] = "9\n-\xff"[k % 4];
            put_bytes(path, bytes, count);
            if (image_read(&image, path, &e)) assert_non_null(strstr(e.text, folder));
            image_free(&image);
            bytes[k / 4] = kept;
        }
        mem_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(voxels_are_read),
        cmocka_unit_test(voxels_lie_in_other_files),
        cmocka_unit_test(space_is_that_of_nifti),
        cmocka_unit_test(written_images_are_read_back),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(damaged_files_are_survived),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
