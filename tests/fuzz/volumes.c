/* MetaImage and NRRD: with the voxels in the header's file; else there are files of 12 and of 6 bytes beside it. */
#include <string.h>

#include "tests/fuzz/images.h"

#define META "NDims = 3\nDimSize = 2 3 2\nElementType = "
#define NRRD "NRRD0004\ndimension: 3\nsizes: 2 3 2\ntype: "
static bool run_apart(const char *name, const uint8_t *data, size_t bytes)
{
    static const char voxels[] = "012345678901";
    fuzz_in_folder("voxels.raw", voxels, 12);
    fuzz_in_folder("voxels1.raw", voxels, 6);
    fuzz_in_folder("voxels2.raw", voxels, 6);
    return fuzz_image(fuzz_in_folder(name, data, bytes), bytes);
}

static bool has(const uint8_t *data, size_t bytes, const char *word) { return memmem(data, bytes, word, strlen(word)); }

static bool run_metaimage(const uint8_t *data, size_t bytes)
{
    if (!has(data, bytes, "LOCAL")) return run_apart("image.mhd", data, bytes);
    return fuzz_image_named("image.mha", data, bytes);
}

static int seed_metaimage(const char *folder, Err *e)
{
    static const struct {
        const char *name, *text;
    } texts[] = {
        {"apart.mhd", META "MET_UCHAR\nHeaderSize = -1\nElementDataFile = voxels.raw\n"},
        {"list.mhd", META "MET_UCHAR\nElementDataFile = LIST\nvoxels1.raw\nvoxels2.raw\n"},
        {"pattern.mhd", META "MET_UCHAR\nElementDataFile = voxels%d.raw 1 2 1\n"},
        {"plain.mha", META "MET_UCHAR\nElementDataFile = LOCAL\n012345678901"},
        {"text.mha", META "MET_SHORT\nBinaryData = False\nElementDataFile = LOCAL\n0 1 2 3 4 5 6 7 8 9 10 11\n"},
        {"place.mha", META "MET_USHORT\nBinaryDataByteOrderMSB = True\nTransformMatrix = 0 1 0 1 0 0 0 0 1\n"
                           "Offset = 1 2 3\nElementSpacing = 1 2 0.5\nElementDataFile = LOCAL\n"
                           "012345678901012345678901"},
        {"four.mha", "ObjectType = Image\nNDims = 4\nDimSize = 2 3 2 2\nElementType = MET_CHAR\nElementSize = 1 1 2 1\n"
                     "ElementNumberOfChannels = 2\nElementDataFile = LOCAL\n"
                     "012345678901012345678901012345678901012345678901"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        TRY(fuzz_seed_text(folder, texts[i].name, texts[i].text, e));
    TRY(fuzz_seed_image(folder, "plane.mha", DTYPE_U8, (const int[]){0, 1, 4, 5}, false, e));
    TRY(fuzz_seed_image(folder, "channels.mha", DTYPE_F32, (const int[]){2, 2, 3, 4}, true, e));
    return fuzz_seed_image(folder, "placed.mha", DTYPE_I16, (const int[]){0, 3, 4, 5}, true, e);
}

const FuzzTarget fuzz_target_metaimage = {"metaimage", run_metaimage, seed_metaimage, NULL};

static bool run_nrrd(const uint8_t *data, size_t bytes)
{
    if (has(data, bytes, "file:")) return run_apart("image.nhdr", data, bytes);
    return fuzz_image_named("image.nrrd", data, bytes);
}

static int seed_nrrd(const char *folder, Err *e)
{
    static const struct {
        const char *name, *text;
    } texts[] = {
        {"apart.nhdr", NRRD "uchar\nencoding: raw\ndata file: voxels.raw\n\n"},
        {"list.nhdr", NRRD "uchar\nencoding: raw\ndata file: LIST 2\nvoxels1.raw\nvoxels2.raw\n"},
        {"pattern.nhdr", NRRD "uchar\nencoding: raw\ndata file: voxels%01d.raw 1 2 1\n\n"},
        {"plain.nrrd", NRRD "uchar\nencoding: raw\nspacings: 1 2 0.5\n\n012345678901"},
        {"text.nrrd", NRRD "short\nencoding: ascii\n# comment\nkey:=value\n\n0 1 2 3 4 5 6 7 8 9 10 11\n"},
        {"place.nrrd", NRRD "ushort\nencoding: raw\nendian: big\nspace: RAS\nspace origin: (1,2,3)\n"
                            "space directions: (0,1,0) (1,0,0) (0,0,2)\nkinds: domain domain domain\n\n"
                            "012345678901012345678901"},
        {"skip.nrrd", NRRD "int8\nencoding: raw\nline skip: 1\nbyte skip: 2\n\nline\n..012345678901"},
        {"colours.nrrd",
         "NRRD0005\ndimension: 3\nsizes: 4 2 3\ntype: uint8\nencoding: raw\nkinds: RGBA-color domain domain\n"
         "space dimension: 2\nspace directions: none (1,0) (0,1)\n\n012345678901012345678901"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        TRY(fuzz_seed_text(folder, texts[i].name, texts[i].text, e));
    TRY(fuzz_seed_image(folder, "plane.nrrd", DTYPE_U8, (const int[]){0, 1, 4, 5}, false, e));
    TRY(fuzz_seed_image(folder, "channels.nrrd", DTYPE_F32, (const int[]){2, 2, 3, 4}, true, e));
    return fuzz_seed_image(folder, "placed.nrrd", DTYPE_I16, (const int[]){0, 3, 4, 5}, true, e);
}

const FuzzTarget fuzz_target_nrrd = {"nrrd", run_nrrd, seed_nrrd, NULL};
