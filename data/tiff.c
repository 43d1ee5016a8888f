/* TIFF images: gray, RGB or RGBA, palettes, whole numbers or floats of 8 to 64 bits, gray of 1, 2 and 4 bits;
 * strips or tiles, chunky or planar, either byte order, BigTIFF, any lossless compression that libtiff knows. One
 * page is a picture, several are a volume (data/tiff_stack.h). Rows and columns stay as stored whatever the
 * orientation tag says (as nnU-Net's reader does). Reduced copies of a page (pyramids) are skipped. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/convert.h"
#include "data/image_format.h"
#include "data/tiff_file.h"
#include "data/tiff_stack.h"

enum { STRIP_BYTES = 1 << 16, BIG_TIFF_BYTES = 2000000000 };

/* Values of a page's tags. */
typedef struct Layout {
    int64_t height, width;
    int samples, bits;
    DType dtype; /* of a sample in memory; less than 8 bits become a byte */
    bool planar, palette;
    int64_t ratio; /* bytes that a byte of the file gives at most by the page's compression; 0: no limit is known */
} Layout;

/* ---- reading ---- */

static int sample_type(DType *dtype, int format, int bits)
{
    static const struct {
        int format, bits;
        DType dtype;
    } known[] = {
        {SAMPLEFORMAT_UINT, 1, DTYPE_U8},     {SAMPLEFORMAT_UINT, 2, DTYPE_U8},   {SAMPLEFORMAT_UINT, 4, DTYPE_U8},
        {SAMPLEFORMAT_UINT, 8, DTYPE_U8},     {SAMPLEFORMAT_UINT, 16, DTYPE_U16}, {SAMPLEFORMAT_UINT, 32, DTYPE_U32},
        {SAMPLEFORMAT_UINT, 64, DTYPE_U64},   {SAMPLEFORMAT_INT, 8, DTYPE_I8},    {SAMPLEFORMAT_INT, 16, DTYPE_I16},
        {SAMPLEFORMAT_INT, 32, DTYPE_I32},    {SAMPLEFORMAT_INT, 64, DTYPE_I64},  {SAMPLEFORMAT_IEEEFP, 32, DTYPE_F32},
        {SAMPLEFORMAT_IEEEFP, 64, DTYPE_F64},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].format != format || known[i].bits != bits) continue;
        *dtype = known[i].dtype;
        return 0;
    }
    return -1;
}

/* PackBits repeats a byte 128 times by two; deflate: data/byte_stream.c; a code of LZW, of 9 bits and more, stands
 * for 4096 at most. */
static int64_t ratio_of(int compression)
{
    switch (compression) {
    case COMPRESSION_NONE: return 1;
    case COMPRESSION_PACKBITS: return 64;
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE: return 1032;
    case COMPRESSION_LZW: return 4096;
    default: return 0;
    }
}

static int check_kind(const TiffFile *f, Layout *l, Err *e)
{
    uint16_t photometric = PHOTOMETRIC_MINISBLACK, compression = COMPRESSION_NONE;
    TIFFGetField(f->tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetFieldDefaulted(f->tiff, TIFFTAG_COMPRESSION, &compression);
    if (compression == COMPRESSION_JPEG || compression == COMPRESSION_OJPEG)
        return err_set(e, ERR_UNSUPPORTED, "%s: JPEG compression: expected a lossless one", f->path);
    l->ratio = ratio_of(compression);
    const bool gray = photometric == PHOTOMETRIC_MINISBLACK && l->samples <= 2;
    const bool colour = photometric == PHOTOMETRIC_RGB && (l->samples == 3 || l->samples == 4) && l->bits >= 8;
    l->palette = photometric == PHOTOMETRIC_PALETTE && l->samples == 1 && l->bits <= 8 && l->dtype == DTYPE_U8;
    if (gray || colour || l->palette) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: photometric interpretation %d with %d sample(s) per pixel: expected gray "
                   "(black is zero), RGB, RGBA or a palette",
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
    if (format == SAMPLEFORMAT_VOID) format = SAMPLEFORMAT_UINT;
    *l = (Layout){.height = height,
                  .width = width,
                  .samples = samples,
                  .bits = bits,
                  .planar = planar == PLANARCONFIG_SEPARATE && samples > 1};
    if (!height || !width || height > IMAGE_MAX_PIXELS / width)
        return err_set(e, ERR_FORMAT, "%s: %u rows of %u pixels: expected at least 1 and at most 2^30 pixels", f->path,
                       height, width);
    if (sample_type(&l->dtype, format, bits))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: samples of %d bits, format %d: expected whole numbers of 1, 2, 4, 8, 16, 32 or 64 "
                       "bits, or floats of 32 or 64",
                       f->path, bits, format);
    return check_kind(f, l, e);
}

/* Whether the page is a smaller copy of another. */
static bool is_reduced(const TiffFile *f)
{
    uint32_t type = 0;
    return TIFFGetField(f->tiff, TIFFTAG_SUBFILETYPE, &type) && (type & FILETYPE_REDUCEDIMAGE);
}

/* Goes to the next page that is no smaller copy. *there: whether there is one. */
static int next_page(const TiffFile *f, bool *there, Err *e)
{
    *there = false;
    while (!TIFFLastDirectory(f->tiff)) {
        if (!TIFFReadDirectory(f->tiff)) return tiff_file_failure(f, e, "cut off, or damaged: a page cannot be read");
        if (is_reduced(f)) continue;
        *there = true;
        return 0;
    }
    return 0;
}

/* Counts the pages, which must have the same layout, and goes back to the first one. The first one's ratio becomes
 * the largest. */
static int count_pages(int64_t *pages, const TiffFile *f, Layout *first, Err *e)
{
    bool there;
    for (*pages = 1;; ++*pages) {
        Layout l;
        TRY(next_page(f, &there, e));
        if (!there) break;
        TRY(read_layout(&l, f, e));
        if (l.height != first->height || l.width != first->width || l.samples != first->samples ||
            l.dtype != first->dtype || l.bits != first->bits || l.palette != first->palette)
            return err_set(e, ERR_UNSUPPORTED,
                           "%s: page %lld is %lldx%lld with %d sample(s) of %d bits, the first %lldx%lld with %d of "
                           "%d: expected slices that are alike; write each page to a file of its own",
                           f->path, (long long)*pages, (long long)l.height, (long long)l.width, l.samples, l.bits,
                           (long long)first->height, (long long)first->width, first->samples, first->bits);
        if (!l.ratio || l.ratio > first->ratio) first->ratio = first->ratio ? l.ratio : 0;
    }
    if (TIFFSetDirectory(f->tiff, 0)) return 0;
    return tiff_file_failure(f, e, "damaged: its first page cannot be read again");
}

/* The destination of a page: its first pixel, and the distance between the planes of its samples. */
typedef struct Place {
    float *out;
    int64_t stride;
} Place;

/* Copies `count` pixels from a row of a strip or tile, to pixel `at` of the destination and following. */
static void convert_row(const Place *p, int64_t at, const Layout *l, int samples, uint8_t *row, int64_t count)
{
    float *out = p->out + at;
    if (l->bits < 8) {
        for (int64_t i = 0; i < count * samples; i++)
            out[(i % samples) * p->stride + i / samples] =
                (float)(row[i * l->bits / 8] >> (8 - l->bits - i * l->bits % 8) & ((1 << l->bits) - 1));
    } else {
        convert_to_planes(out, p->stride, samples, row, l->dtype, count, 1, 0);
    }
}

static int read_strips(const Place *p, const TiffFile *f, const Layout *l, uint8_t *row, Err *e)
{
    for (int sample = 0; sample < (l->planar ? l->samples : 1); sample++) {
        for (int64_t y = 0; y < l->height; y++) {
            if (TIFFReadScanline(f->tiff, row, (uint32_t)y, (uint16_t)sample) < 0)
                return tiff_file_failure(f, e, "cut off, or damaged");
            convert_row(p, sample * p->stride + y * l->width, l, l->planar ? 1 : l->samples, row, l->width);
        }
    }
    return 0;
}

static int read_tiles(const Place *p, const TiffFile *f, const Layout *l, uint8_t *tile, Err *e)
{
    uint32_t height = 0, width = 0;
    TIFFGetField(f->tiff, TIFFTAG_TILELENGTH, &height);
    TIFFGetField(f->tiff, TIFFTAG_TILEWIDTH, &width);
    const int64_t row_bytes = TIFFTileRowSize64(f->tiff) < INT64_MAX ? (int64_t)TIFFTileRowSize64(f->tiff) : 0;
    if (!height || !width || !row_bytes) return err_set(e, ERR_FORMAT, "%s: tiles without a size", f->path);
    for (int sample = 0; sample < (l->planar ? l->samples : 1); sample++) {
        for (int64_t y = 0; y < l->height; y += height) {
            for (int64_t x = 0; x < l->width; x += width) {
                if (TIFFReadTile(f->tiff, tile, (uint32_t)x, (uint32_t)y, 0, (uint16_t)sample) < 0)
                    return tiff_file_failure(f, e, "cut off, or damaged");
                const int64_t count = l->width - x < width ? l->width - x : width;
                for (int64_t k = 0; k < height && y + k < l->height; k++)
                    convert_row(p, sample * p->stride + (y + k) * l->width + x, l, l->planar ? 1 : l->samples,
                                tile + k * row_bytes, count);
            }
        }
    }
    return 0;
}

/* Replaces the indices in the first plane by colours in three planes. TIFF's colours have 16 bits; those of 8-bit
 * pictures are the upper byte. */
static int look_up(const Place *p, const TiffFile *f, const Layout *l, Err *e)
{
    uint16_t *colours[3];
    if (!TIFFGetField(f->tiff, TIFFTAG_COLORMAP, &colours[0], &colours[1], &colours[2]))
        return err_set(e, ERR_FORMAT, "%s: a palette image without its colours", f->path);
    for (int64_t i = 0; i < l->height * l->width; i++) {
        const int index = (int)p->out[i];
        for (int c = 0; c < 3; c++) p->out[c * p->stride + i] = (float)(colours[c][index] >> 8);
    }
    return 0;
}

static int read_page(const Place *p, const TiffFile *f, bool colours, Err *e)
{
    Layout own;
    TRY(read_layout(&own, f, e)); /* each page may be planar or not */
    const bool tiled = TIFFIsTiled(f->tiff);
    const uint64_t bytes = tiled ? TIFFTileSize64(f->tiff) : TIFFScanlineSize64(f->tiff);
    if (!bytes || bytes > TIFF_MAX_BLOCK_BYTES || (own.ratio && bytes / (uint64_t)own.ratio > f->count))
        return tiff_file_failure(f, e, "the size of its rows or tiles is 0, beyond 1 GiB, or more than the file holds");
    uint8_t *block = mem_alloc(bytes, e);
    if (!block) return ERR_NOMEM;
    int failed = (tiled ? read_tiles : read_strips)(p, f, &own, block, e);
    mem_free(block);
    return failed || !colours ? failed : look_up(p, f, &own, e);
}

/* ---- the whole file ---- */

typedef struct Reading {
    TiffFile file;
    Layout layout;
    TiffStack stack;
    int64_t pages;
    bool colours; /* the palette's colours are wanted */
} Reading;

/* Strips may share their bytes, and each page may: all pages together have a limit, too. */
static int check_size(const Reading *r, Err *e)
{
    const Layout *l = &r->layout;
    const int64_t plane = l->height * l->width, file = (int64_t)r->file.count;
    const bool few = plane <= IMAGE_LARGE_PIXELS / r->pages || plane / IMAGE_PIXELS_PER_BYTE <= file / r->pages;
    const size_t bytes = mem_product((size_t)(plane * l->samples * l->bits / 8), (size_t)r->pages);
    if (few && (!l->ratio || bytes / (size_t)l->ratio <= (size_t)file)) return 0;
    return err_set(e, ERR_FORMAT, "%s: cut off, or too large: more pixels than a file of its size holds", r->file.path);
}

static int open_for_reading(Reading *r, const char *path, ImageUse use, Err *e)
{
    void *mapped;
    size_t bytes;
    *r = (Reading){.file = {.path = path}};
    TRY(file_map(path, &mapped, &bytes, e));
    r->file.bytes = mapped;
    r->file.count = bytes;
    TRY(tiff_file_open(&r->file, "r", e));
    TRY(read_layout(&r->layout, &r->file, e));
    TRY(count_pages(&r->pages, &r->file, &r->layout, e));
    TRY(check_size(r, e));
    TRY(tiff_stack_find(&r->stack, &r->file, r->pages, r->layout.samples, use, e));
    r->colours = r->layout.palette && use == IMAGE_INTENSITIES;
    return 0;
}

static void close_after_reading(Reading *r)
{
    if (r->file.tiff) TIFFClose(r->file.tiff);
    file_unmap(r->file.bytes, r->file.count);
}

static ImageHeader header_of(const Reading *r)
{
    const TiffStack *s = &r->stack;
    const int samples = r->colours ? 3 : r->layout.samples;
    ImageHeader h = {geometry_plane(r->layout.height, r->layout.width), s->channels * samples, samples % 2 == 0};
    if (!s->volume) return h;
    h.geometry.dimensions = 3;
    h.geometry.shape_zyx[0] = s->slices;
    memcpy(h.geometry.spacing_zyx_mm, s->spacing_zyx, sizeof s->spacing_zyx);
    return h;
}

static int read_pages(Array *voxels, const Reading *r, Err *e)
{
    const TiffStack *s = &r->stack;
    const int64_t plane = r->layout.height * r->layout.width, stride = s->slices * plane;
    const int64_t samples = voxels->shape[0] / s->channels;
    for (int64_t page = 0; page < r->pages; page++) {
        bool there = true;
        if (page) TRY(next_page(&r->file, &there, e));
        if (!there) return tiff_file_failure(&r->file, e, "damaged: pages are lost");
        const int64_t channel = s->slices_together ? page / s->slices : page % s->channels;
        const int64_t slice = s->slices_together ? page % s->slices : page / s->channels;
        const Place p = {(float *)voxels->data + channel * samples * stride + slice * plane, stride};
        TRY(read_page(&p, &r->file, r->colours, e));
    }
    return 0;
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    Reading r;
    int failed = open_for_reading(&r, path, use, e);
    if (!failed) {
        const ImageHeader h = header_of(&r);
        const int64_t *n = h.geometry.shape_zyx;
        image->geometry = h.geometry;
        image->alpha = h.alpha;
        failed = array_new(&image->voxels, DTYPE_F32, 4, (int64_t[]){h.channels, n[0], n[1], n[2]}, e);
        if (!failed) failed = read_pages(&image->voxels, &r, e);
    }
    close_after_reading(&r);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    Reading r;
    const int failed = open_for_reading(&r, path, use, e);
    *header = failed ? (ImageHeader){0} : header_of(&r);
    close_after_reading(&r);
    return failed;
}

/* ---- writing ---- */

static int sample_format(DType type)
{
    return type == DTYPE_F32 ? SAMPLEFORMAT_IEEEFP : type == DTYPE_I16 ? SAMPLEFORMAT_INT : SAMPLEFORMAT_UINT;
}

static bool set_tags(TIFF *tiff, const Array *voxels, int64_t height, int64_t width)
{
    const size_t row_bytes = (size_t)width * dtype_size(voxels->dtype);
    return TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)height) &&
           TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)width) &&
           TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, (int)(8 * dtype_size(voxels->dtype))) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, sample_format(voxels->dtype)) &&
           TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1) &&
           TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK) &&
           TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE) &&
           TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, (uint32_t)(STRIP_BYTES / row_bytes + 1));
}

/* Tags of a volume's first page: ImageJ's form of slices and spacing. */
static bool set_stack(TIFF *tiff, const char *description, const double spacing_zyx[3])
{
    return TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, description) &&
           TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 1 / spacing_zyx[2]) &&
           TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 1 / spacing_zyx[1]) &&
           TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_NONE);
}

static bool write_rows(TIFF *tiff, const uint8_t *page, int64_t height, size_t row_bytes)
{
    bool good = true;
    for (int64_t row = 0; row < height && good; row++)
        good = TIFFWriteScanline(tiff, (uint8_t *)page + (size_t)row * row_bytes, (uint32_t)row, 0) >= 0;
    return good && TIFFWriteDirectory(tiff);
}

/* All pages, channels of a slice together; description NULL: a picture. */
static bool write_pages(TIFF *tiff, const Array *voxels, const TiffStack *s, const char *description)
{
    const int64_t *shape = voxels->shape + voxels->rank - 3, height = shape[1], width = shape[2];
    const size_t row_bytes = (size_t)width * dtype_size(voxels->dtype), page_bytes = row_bytes * (size_t)height;
    bool good = true;
    for (int64_t page = 0; page < s->channels * s->slices && good; page++) {
        const int64_t at = page % s->channels * s->slices + page / s->channels;
        good = set_tags(tiff, voxels, height, width);
        if (good && !page && description) good = set_stack(tiff, description, s->spacing_zyx);
        if (good) good = write_rows(tiff, (uint8_t *)voxels->data + (size_t)at * page_bytes, height, row_bytes);
    }
    return good;
}

static int write_tiff(const char *path, const Array *voxels, const TiffStack *s, Err *e)
{
    TiffFile f = {.path = path, .writing = true};
    Text description = {0};
    if (s->volume || s->channels > 1) tiff_stack_describe(&description, s);
    int failed = text_check(&description, e);
    if (!failed) failed = tiff_file_open(&f, array_bytes(voxels) > BIG_TIFF_BYTES ? "w8" : "w", e);
    if (!failed && !write_pages(f.tiff, voxels, s, description.data))
        failed = tiff_file_failure(&f, e, "cannot be packed as TIFF");
    if (f.tiff) TIFFClose(f.tiff);
    if (!failed) failed = file_put(path, f.bytes, f.count, e);
    mem_free(f.bytes);
    text_free(&description);
    return failed;
}

/* The side file is written first: where the image exists, its spacing does too. A file in memory has none. */
static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    TRY(image_expect_volume(path, voxels, e));
    const TiffStack s = {
        .channels = voxels->rank == 4 ? voxels->shape[0] : 1,
        .slices = g->shape_zyx[0],
        .volume = g->dimensions == 3,
        .spacing_zyx = {g->spacing_zyx_mm[0], g->spacing_zyx_mm[1], g->spacing_zyx_mm[2]},
    };
    if (s.volume && !path_is_open_file(path)) TRY(tiff_stack_write_side(path, s.spacing_zyx, e));
    return write_tiff(path, voxels, &s, e);
}

const ImageFormat image_format_tiff = {
    .name = "TIFF",
    .endings = (const char *const[]){".tiff", ".tif", NULL},
    .pictures = true,
    .read = read_image,
    .probe = probe_image,
    .write = write_image,
    .add_files = tiff_stack_add_side,
    .name_beside = tiff_stack_name_side,
};
