/* TIFF. Seeds are written by libtiff: strips, tiles, planes, palettes, either byte order, BigTIFF. */
#include <tiffio.h>

#include "base/file.h"
#include "tests/fuzz/images.h"

static bool run(const uint8_t *data, size_t bytes) { return fuzz_image_named("image.tif", data, bytes); }

typedef struct Kind {
    const char *name, *mode;
    int bits, samples, format, photometric, planar, compression, tile, pages;
    const char *description;
} Kind;

enum { SIZE = 16 };

static bool put_tags(TIFF *tiff, const Kind *k)
{
    static uint16_t colours[3][256];
    for (int i = 0; i < 256; i++) colours[0][i] = colours[1][i] = (uint16_t)(i << 8);
    return TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, SIZE) && TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, SIZE) &&
           TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, k->bits) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, k->samples) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, k->format) &&
           TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, k->photometric) &&
           TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, k->planar) &&
           TIFFSetField(tiff, TIFFTAG_COMPRESSION, k->compression) &&
           (k->tile ? TIFFSetField(tiff, TIFFTAG_TILELENGTH, SIZE) && TIFFSetField(tiff, TIFFTAG_TILEWIDTH, SIZE)
                    : TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 5)) &&
           (k->photometric != PHOTOMETRIC_PALETTE ||
            TIFFSetField(tiff, TIFFTAG_COLORMAP, colours[0], colours[1], colours[2])) &&
           (!k->description || TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, k->description));
}

static bool put_page(TIFF *tiff, const Kind *k)
{
    static uint8_t block[SIZE * SIZE * 4 * 8];
    bool good = put_tags(tiff, k);
    for (size_t i = 0; i < sizeof block; i++) block[i] = (uint8_t)(i / 16);
    for (int sample = 0; sample < (k->planar == PLANARCONFIG_SEPARATE ? k->samples : 1); sample++) {
        if (k->tile) good = good && TIFFWriteTile(tiff, block, 0, 0, 0, (uint16_t)sample) >= 0;
        for (uint32_t row = 0; row < SIZE && !k->tile; row++)
            good = good && TIFFWriteScanline(tiff, block, row, (uint16_t)sample) >= 0;
    }
    return good && TIFFWriteDirectory(tiff);
}

static int seed_kind(const char *folder, const Kind *k, Err *e)
{
    const char *path = fuzz_seed_path(folder, k->name);
    TIFF *tiff = TIFFOpen(path, k->mode);
    bool good = tiff != NULL;
    for (int page = 0; page < k->pages; page++) good = good && put_page(tiff, k);
    if (tiff) TIFFClose(tiff);
    return good ? 0 : err_set(e, ERR_IO, "%s: cannot be written", path);
}

#define GRAY SAMPLEFORMAT_UINT, PHOTOMETRIC_MINISBLACK, PLANARCONFIG_CONTIG
#define OME                                                                                \
    "<OME><Pixels DimensionOrder=\"XYZCT\" SizeC=\"2\" SizeZ=\"2\" PhysicalSizeX=\"0.5\" " \
    "PhysicalSizeZ='2'></Pixels></OME>"
static const Kind kinds[] = {
    {"bits.tif", "w", 1, 1, GRAY, COMPRESSION_PACKBITS, 0, 1, NULL},
    {"nibbles.tif", "wb", 4, 1, GRAY, COMPRESSION_LZW, 0, 2, NULL},
    {"tiles.tif", "w", 16, 1, GRAY, COMPRESSION_ADOBE_DEFLATE, 1, 1, NULL},
    {"big.tif", "w8", 32, 1, SAMPLEFORMAT_IEEEFP, PHOTOMETRIC_MINISBLACK, PLANARCONFIG_CONTIG, COMPRESSION_NONE, 0, 1,
     NULL},
    {"palette.tif", "w", 8, 1, SAMPLEFORMAT_UINT, PHOTOMETRIC_PALETTE, PLANARCONFIG_CONTIG, COMPRESSION_LZW, 0, 1,
     NULL},
    {"colours.tif", "wb", 8, 3, SAMPLEFORMAT_UINT, PHOTOMETRIC_RGB, PLANARCONFIG_SEPARATE, COMPRESSION_NONE, 0, 1,
     NULL},
    {"alpha.tif", "w", 16, 4, SAMPLEFORMAT_UINT, PHOTOMETRIC_RGB, PLANARCONFIG_CONTIG, COMPRESSION_DEFLATE, 1, 1, NULL},
    {"imagej.tif", "w", 8, 1, GRAY, COMPRESSION_NONE, 0, 4,
     "ImageJ=1.53t\nimages=4\nchannels=2\nslices=2\nspacing=2\n"},
    {"ome.tif", "w8", 64, 1, SAMPLEFORMAT_INT, PHOTOMETRIC_MINISBLACK, PLANARCONFIG_CONTIG, COMPRESSION_LZW, 0, 4, OME},
};

static int seed(const char *folder, Err *e)
{
    TIFFSetWarningHandler(NULL); /* of an older number of a compression, which is read as well */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) TRY(seed_kind(folder, &kinds[i], e));
    return fuzz_seed_image(folder, "written.tif", DTYPE_F32, (const int[]){2, 2, 4, 5}, true, e);
}

const FuzzTarget fuzz_target_tiff = {"tiff", run, seed, NULL};
