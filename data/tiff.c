/* TIFF images: one page of gray, RGB or RGBA, whole numbers or floats of 8 to 64 bits, one-bit masks;
 * strips or tiles, chunky or planar, any lossless compression that libtiff knows. Rows and columns stay
 * as stored whatever the orientation tag says (as nnU-Net's reader does). */
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/convert.h"
#include "data/image_format.h"

enum { MAX_BLOCK_BYTES = 1 << 30, STRIP_BYTES = 1 << 16 };

/* A file in memory: the mapped file that is read, or the one that grows while it is written. */
typedef struct TiffFile {
    const char *path;
    TIFF *tiff;
    Err error;                 /* what libtiff said first */
    uint8_t *bytes;
    uint64_t count, capacity, at;
    bool writing;
} TiffFile;

/* What the tags say. */
typedef struct Layout {
    int64_t height, width;
    int samples, bits;
    DType dtype;               /* of a sample in memory; one bit becomes a byte */
    bool planar;
} Layout;

static tsize_t read_bytes(thandle_t handle, void *to, tsize_t wanted)
{
    TiffFile *f = handle;
    const uint64_t left = f->at < f->count ? f->count - f->at : 0;
    const uint64_t bytes = (uint64_t)wanted < left ? (uint64_t)wanted : left;
    if (bytes) memcpy(to, f->bytes + f->at, bytes);
    f->at += bytes;
    return (tsize_t)bytes;
}

static tsize_t write_bytes(thandle_t handle, void *from, tsize_t bytes)
{
    TiffFile *f = handle;
    const uint64_t end = f->at + (uint64_t)bytes;
    if (!f->writing) return 0;
    if (end > f->capacity) {
        void *larger = f->bytes;
        if (mem_grow(&larger, f->count, 2 * end, &f->error)) return 0;
        f->bytes = larger;
        f->capacity = 2 * end;
    }
    if (f->at > f->count) memset(f->bytes + f->count, 0, f->at - f->count);
    memcpy(f->bytes + f->at, from, (size_t)bytes);
    f->at = end;
    f->count = end > f->count ? end : f->count;
    return bytes;
}

static toff_t seek_to(thandle_t handle, toff_t offset, int whence)
{
    TiffFile *f = handle;
    f->at = offset + (whence == SEEK_CUR ? f->at : whence == SEEK_END ? f->count : 0);
    return f->at;
}

static int close_nothing(thandle_t handle) { return (void)handle, 0; }
static toff_t size_of(thandle_t handle) { return ((TiffFile *)handle)->count; }

static int map_bytes(thandle_t handle, void **base, toff_t *bytes)
{
    const TiffFile *f = handle;
    *base = f->bytes;
    *bytes = f->count;
    return !f->writing;
}

static void unmap_nothing(thandle_t handle, void *base, toff_t bytes)
{
    (void)handle;
    (void)base;
    (void)bytes;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    TiffFile *f = user;
    char text[512];
    (void)tiff;
    (void)module;
    vsnprintf(text, sizeof text, format, args);
    if (!f->error.code) err_set(&f->error, ERR_FORMAT, "%s: %s", f->path, text);
    return 1; /* not to stderr */
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

/* Hands the first error on, or `otherwise` if libtiff gave none. */
static int failure(const TiffFile *f, Err *e, const char *otherwise)
{
    if (!f->error.code) return err_set(e, ERR_FORMAT, "%s: %s", f->path, otherwise);
    if (e) *e = f->error;
    return f->error.code;
}

static int open_tiff(TiffFile *f, const char *mode, Err *e)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return err_set(e, ERR_NOMEM, "%s: no memory to open it", f->path);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, f);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, f);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_BLOCK_BYTES);
    f->tiff = TIFFClientOpenExt(f->path, mode, f, read_bytes, write_bytes, seek_to, close_nothing, size_of,
                                map_bytes, unmap_nothing, options);
    TIFFOpenOptionsFree(options);
    return f->tiff ? 0 : failure(f, e, "not a TIFF file");
}

/* ---- reading ---- */

static int sample_type(DType *dtype, int format, int bits)
{
    static const struct {
        int format, bits;
        DType dtype;
    } known[] = {
        {SAMPLEFORMAT_UINT, 1, DTYPE_U8},     {SAMPLEFORMAT_UINT, 8, DTYPE_U8},
        {SAMPLEFORMAT_UINT, 16, DTYPE_U16},   {SAMPLEFORMAT_UINT, 32, DTYPE_U32},
        {SAMPLEFORMAT_INT, 8, DTYPE_I8},      {SAMPLEFORMAT_INT, 16, DTYPE_I16},
        {SAMPLEFORMAT_INT, 32, DTYPE_I32},    {SAMPLEFORMAT_IEEEFP, 32, DTYPE_F32},
        {SAMPLEFORMAT_IEEEFP, 64, DTYPE_F64},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].format != format || known[i].bits != bits) continue;
        *dtype = known[i].dtype;
        return 0;
    }
    return -1;
}

static int check_kind(const TiffFile *f, const Layout *l, Err *e)
{
    uint16_t photometric = PHOTOMETRIC_MINISBLACK, compression = COMPRESSION_NONE;
    TIFFGetField(f->tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_COMPRESSION, &compression);
    if (compression == COMPRESSION_JPEG || compression == COMPRESSION_OJPEG)
        return err_set(e, ERR_UNSUPPORTED, "%s: JPEG inside: expected a lossless compression", f->path);
    const bool gray = photometric == PHOTOMETRIC_MINISBLACK && l->samples <= 2;
    const bool colour = photometric == PHOTOMETRIC_RGB && (l->samples == 3 || l->samples == 4) && l->bits > 1;
    if (gray || colour) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: photometric interpretation %d with %d sample(s) per pixel: expected gray "
                   "(black is zero), RGB or RGBA",
                   f->path, photometric, l->samples);
}

static int read_layout(Layout *l, const TiffFile *f, Err *e)
{
    uint32_t height = 0, width = 0;
    uint16_t samples = 1, bits = 1, format = SAMPLEFORMAT_UINT, planar = PLANARCONFIG_CONTIG;
    TIFFGetField(f->tiff, TIFFTAG_IMAGELENGTH, &height);
    TIFFGetField(f->tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_PLANARCONFIG, &planar);
    *l = (Layout){.height = height, .width = width, .samples = samples, .bits = bits,
                  .planar = planar == PLANARCONFIG_SEPARATE && samples > 1};
    if (!height || !width || height > IMAGE_MAX_PIXELS / width)
        return err_set(e, ERR_FORMAT, "%s: %u rows of %u pixels: expected at least 1 and at most 2^30 pixels",
                       f->path, height, width);
    if (sample_type(&l->dtype, format, bits))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: samples of %d bits, format %d: expected whole numbers of 1, 8, 16 or "
                       "32 bits, or floats of 32 or 64",
                       f->path, bits, format);
    TRY(check_kind(f, l, e));
    const unsigned pages = (unsigned)TIFFNumberOfDirectories(f->tiff);
    if (pages != 1)
        return err_set(e, ERR_UNSUPPORTED, "%s: %u pages: expected one; write each to a file of its own",
                       f->path, pages);
    return 0;
}

/* `count` pixels of one row, as they lie in a row of a strip or tile, to their place in the planes. */
static void convert_row(float *out, int64_t plane, const Layout *l, int samples, uint8_t *row, int64_t count)
{
    if (l->bits == 1) {
        for (int64_t i = 0; i < count * samples; i++)
            out[(i % samples) * plane + i / samples] = row[i / 8] >> (7 - i % 8) & 1;
    } else {
        convert_to_planes(out, plane, samples, row, l->dtype, count, 1, 0);
    }
}

static int read_strips(float *out, const TiffFile *f, const Layout *l, uint8_t *row, Err *e)
{
    const int64_t plane = l->height * l->width;
    for (int sample = 0; sample < (l->planar ? l->samples : 1); sample++) {
        for (int64_t y = 0; y < l->height; y++) {
            if (TIFFReadScanline(f->tiff, row, (uint32_t)y, (uint16_t)sample) < 0)
                return failure(f, e, "cut off, or damaged");
            convert_row(out + sample * plane + y * l->width, plane, l, l->planar ? 1 : l->samples, row,
                        l->width);
        }
    }
    return 0;
}

static int read_tiles(float *out, const TiffFile *f, const Layout *l, uint8_t *tile, Err *e)
{
    uint32_t height = 0, width = 0;
    const int64_t plane = l->height * l->width;
    TIFFGetField(f->tiff, TIFFTAG_TILELENGTH, &height);
    TIFFGetField(f->tiff, TIFFTAG_TILEWIDTH, &width);
    const int64_t row_bytes =
        TIFFTileRowSize64(f->tiff) < INT64_MAX ? (int64_t)TIFFTileRowSize64(f->tiff) : 0;
    if (!height || !width || !row_bytes) return err_set(e, ERR_FORMAT, "%s: tiles without a size", f->path);
    for (int sample = 0; sample < (l->planar ? l->samples : 1); sample++) {
        for (int64_t y = 0; y < l->height; y += height) {
            for (int64_t x = 0; x < l->width; x += width) {
                if (TIFFReadTile(f->tiff, tile, (uint32_t)x, (uint32_t)y, 0, (uint16_t)sample) < 0)
                    return failure(f, e, "cut off, or damaged");
                const int64_t count = l->width - x < width ? l->width - x : width;
                for (int64_t k = 0; k < height && y + k < l->height; k++)
                    convert_row(out + sample * plane + (y + k) * l->width + x, plane, l,
                                l->planar ? 1 : l->samples, tile + k * row_bytes, count);
            }
        }
    }
    return 0;
}

static int read_planes(Image *image, const TiffFile *f, const Layout *l, Err *e)
{
    const bool tiled = TIFFIsTiled(f->tiff);
    const uint64_t bytes = tiled ? TIFFTileSize64(f->tiff) : TIFFScanlineSize64(f->tiff);
    if (!bytes || bytes > MAX_BLOCK_BYTES)
        return failure(f, e, "the size of its rows or tiles is 0 or beyond 1 GiB");
    uint8_t *block = mem_alloc(bytes, e);
    if (!block) return ERR_NOMEM;
    image->geometry = geometry_plane(l->height, l->width);
    image->alpha = l->samples % 2 == 0;
    int failed = array_new(&image->voxels, DTYPE_F32, 4, (int64_t[]){l->samples, 1, l->height, l->width}, e);
    if (!failed) failed = (tiled ? read_tiles : read_strips)(image->voxels.data, f, l, block, e);
    mem_free(block);
    return failed;
}

static int open_for_reading(TiffFile *f, Layout *l, const char *path, Err *e)
{
    void *mapped;
    size_t bytes;
    *f = (TiffFile){.path = path};
    *l = (Layout){0};
    TRY(file_map(path, &mapped, &bytes, e));
    f->bytes = mapped;
    f->count = bytes;
    TRY(open_tiff(f, "r", e));
    return read_layout(l, f, e);
}

static void close_after_reading(TiffFile *f)
{
    if (f->tiff) TIFFClose(f->tiff);
    file_unmap(f->bytes, f->count);
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    (void)use;
    TiffFile f;
    Layout l;
    int failed = open_for_reading(&f, &l, path, e);
    if (!failed) failed = read_planes(image, &f, &l, e);
    close_after_reading(&f);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    (void)use;
    TiffFile f;
    Layout l;
    const int failed = open_for_reading(&f, &l, path, e);
    *header = (ImageHeader){geometry_plane(l.height, l.width), l.samples, l.samples % 2 == 0};
    close_after_reading(&f);
    return failed;
}

/* ---- writing ---- */

static bool write_rows(TIFF *tiff, const Array *voxels)
{
    const int64_t height = voxels->shape[1], width = voxels->shape[2];
    const size_t row_bytes = (size_t)width * dtype_size(voxels->dtype);
    const uint32_t rows = (uint32_t)(STRIP_BYTES / row_bytes + 1);
    bool good = TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)height) &&
                TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)width) &&
                TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, (int)(8 * dtype_size(voxels->dtype))) &&
                TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) &&
                TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK) &&
                TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE) &&
                TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows);
    for (int64_t row = 0; row < height && good; row++)
        good =
            TIFFWriteScanline(tiff, (uint8_t *)voxels->data + (size_t)row * row_bytes, (uint32_t)row, 0) >= 0;
    return good && TIFFFlush(tiff);
}

static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    TiffFile f = {.path = path, .writing = true};
    TRY(image_expect_plane(path, g, voxels, e));
    TRY(open_tiff(&f, "w", e));
    int failed = 0;
    if (!write_rows(f.tiff, voxels)) failed = failure(&f, e, "cannot be packed as TIFF");
    TIFFClose(f.tiff);
    if (!failed) failed = file_put(path, f.bytes, f.count, e);
    mem_free(f.bytes);
    return failed;
}

const ImageFormat image_format_tiff = {
    .name = "TIFF",
    .endings = (const char *const[]){".tiff", ".tif", NULL},
    .pictures = true,
    .read = read_image,
    .probe = probe_image,
    .write = write_image,
};
