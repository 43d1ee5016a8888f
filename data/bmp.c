/* BMP images (Windows bitmaps): 1, 4 and 8 bits with a palette, 24 and 32 bits of colour; rows bottom-up or
 * top-down; not compressed. An image with a palette is read as its colours, labels as the indices. A palette whose
 * colour i is the gray value i makes a gray image (as in Pillow, which nnU-Net's reader uses). The fourth byte of
 * 32 bits is alpha only where the header has a mask for it. Written: 8 bits, gray. Source: Microsoft's
 * BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_format.h"

enum {
    FILE_HEADER = 14,
    CORE_HEADER = 12,
    INFO_HEADER = 40,
    V3_HEADER = 56,
    MAX_COLOURS = 256,
    RGB = 0,
    BIT_FIELDS = 3,
    ALPHA_BIT_FIELDS = 6
};

typedef struct Bmp {
    const char *path;
    uint8_t *bytes; /* the mapped file */
    size_t count;
    int64_t height, width, row_bytes;
    int bits, colours; /* of a pixel; of the palette */
    const uint8_t *palette, *pixels;
    int entry_bytes;       /* of a colour in the palette: blue, green, red, and a byte of padding */
    int place[4];          /* the byte of red, green, blue, alpha in 24 or 32 bits; -1: none */
    bool from_above, gray; /* gray: colour i of the palette is (i,i,i) */
} Bmp;

static uint32_t number(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
    return value;
}

/* A mask of one whole byte: which one; -1 for none, -2 for other masks. */
static int byte_of_mask(uint32_t mask)
{
    if (!mask) return -1;
    for (int i = 0; i < 4; i++)
        if (mask == (uint32_t)0xff << 8 * i) return i;
    return -2;
}

static int read_masks(Bmp *b, uint32_t header, uint32_t compression, Err *e)
{
    const int plain[4] = {2, 1, 0, -1};
    memcpy(b->place, plain, sizeof plain);
    if (compression == RGB) return 0;
    if (b->count < FILE_HEADER + INFO_HEADER + 16)
        return err_set(e, ERR_FORMAT, "%s: cut off: the masks of its colours are missing", b->path);
    const bool has_alpha = compression == ALPHA_BIT_FIELDS || header >= V3_HEADER;
    for (int i = 0; i < 3 + has_alpha; i++)
        b->place[i] = byte_of_mask(number(b->bytes + FILE_HEADER + INFO_HEADER + 4 * i, 4));
    if (b->bits == 32 && b->place[0] >= 0 && b->place[1] >= 0 && b->place[2] >= 0 && b->place[3] > -2) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s: colours of %d bits by masks: expected 32 bits, a byte for each colour",
                   b->path, b->bits);
}

static int read_sizes(Bmp *b, uint32_t header, uint32_t *compression, Err *e)
{
    const uint8_t *at = b->bytes + FILE_HEADER;
    const bool core = header == CORE_HEADER;
    const int64_t height = core ? (int32_t)number(at + 6, 2) : (int32_t)number(at + 8, 4);
    b->width = core ? (int32_t)number(at + 4, 2) : (int32_t)number(at + 4, 4);
    b->from_above = height < 0;
    b->height = height < 0 ? -height : height;
    b->bits = (int)number(at + (core ? 10 : 14), 2);
    *compression = core ? RGB : number(at + 16, 4);
    if (b->width < 1 || b->height < 1 || b->height > IMAGE_MAX_PIXELS / b->width)
        return err_set(e, ERR_FORMAT, "%s: %lld rows of %lld pixels: expected at least 1 and at most 2^30 pixels",
                       b->path, (long long)b->height, (long long)b->width);
    if (b->bits != 1 && b->bits != 4 && b->bits != 8 && b->bits != 24 && b->bits != 32)
        return err_set(e, ERR_UNSUPPORTED, "%s: %d bits per pixel: expected 1, 4, 8, 24 or 32", b->path, b->bits);
    if (*compression != RGB && *compression != BIT_FIELDS && *compression != ALPHA_BIT_FIELDS)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: compression %u: expected a BMP that is not compressed; save it without "
                       "compression, or as PNG",
                       b->path, *compression);
    b->row_bytes = (b->width * b->bits + 31) / 32 * 4;
    return 0;
}

static int read_palette(Bmp *b, uint32_t header, size_t at, Err *e)
{
    if (b->bits > 8) return 0;
    const uint32_t used = header == CORE_HEADER ? 0 : number(b->bytes + FILE_HEADER + 32, 4);
    b->colours = used ? (int)(used < MAX_COLOURS ? used : MAX_COLOURS) : 1 << b->bits;
    b->entry_bytes = header == CORE_HEADER ? 3 : 4;
    if (used > MAX_COLOURS || b->count - at < (size_t)b->colours * (size_t)b->entry_bytes)
        return err_set(e, ERR_FORMAT, "%s: cut off, or a wrong header: a palette of %u colours", b->path,
                       used ? used : (uint32_t)b->colours);
    b->palette = b->bytes + at;
    b->gray = true;
    for (int i = 0; i < b->colours; i++)
        for (int k = 0; k < 3; k++) b->gray = b->gray && b->palette[i * b->entry_bytes + k] == i;
    return 0;
}

static int parse(Bmp *b, Err *e)
{
    uint32_t compression;
    if (b->count < FILE_HEADER + CORE_HEADER || memcmp(b->bytes, "BM", 2))
        return err_set(e, ERR_FORMAT, "%s: not a BMP file", b->path);
    const uint32_t header = number(b->bytes + FILE_HEADER, 4), data = number(b->bytes + 10, 4);
    if ((header != CORE_HEADER && header < INFO_HEADER) || header > 1024 || b->count < FILE_HEADER + (size_t)header)
        return err_set(e, ERR_FORMAT, "%s: cut off, or a header of %u bytes: expected 12, or 40 to 124", b->path,
                       header);
    TRY(read_sizes(b, header, &compression, e));
    TRY(read_masks(b, header, compression, e));
    TRY(read_palette(b, header, FILE_HEADER + (size_t)header, e));
    const uint64_t needed = (uint64_t)b->row_bytes * (uint64_t)b->height;
    if (data < FILE_HEADER + header || data > b->count || needed > b->count - data)
        return err_set(e, ERR_FORMAT,
                       "%s: cut off, or a wrong header: %lldx%lld pixels of %d bits need %llu bytes from byte %u "
                       "on, the file has %zu",
                       b->path, (long long)b->width, (long long)b->height, b->bits, (unsigned long long)needed, data,
                       b->count);
    b->pixels = b->bytes + data;
    return 0;
}

static int open_bmp(Bmp *b, const char *path, Err *e)
{
    void *mapped;
    *b = (Bmp){.path = path};
    TRY(file_map(path, &mapped, &b->count, e));
    b->bytes = mapped;
    return parse(b, e);
}

static const uint8_t *row_of(const Bmp *b, int64_t y)
{
    return b->pixels + (b->from_above ? y : b->height - 1 - y) * b->row_bytes;
}

static int index_of(const Bmp *b, const uint8_t *row, int64_t x)
{
    const int64_t bit = x * b->bits;
    return row[bit / 8] >> (8 - b->bits - bit % 8) & ((1 << b->bits) - 1);
}

/* Number of channels for this purpose. */
static int channels_of(const Bmp *b, ImageUse use)
{
    if (b->palette) return use == IMAGE_LABELS || b->gray ? 1 : 3;
    return b->place[3] >= 0 ? 4 : 3;
}

static int read_indexed(float *out, const Bmp *b, int channels, Err *e)
{
    const int64_t plane = b->height * b->width;
    for (int64_t y = 0; y < b->height; y++) {
        for (int64_t x = 0; x < b->width; x++, out++) {
            const int index = index_of(b, row_of(b, y), x);
            if (index >= b->colours)
                return err_set(e, ERR_FORMAT, "%s: row %lld, column %lld has colour %d of a palette of %d", b->path,
                               (long long)y, (long long)x, index, b->colours);
            if (channels == 1) *out = (float)index;
            for (int c = 0; c < channels && channels == 3; c++)
                out[c * plane] = b->palette[index * b->entry_bytes + 2 - c];
        }
    }
    return 0;
}

static void read_colours(float *out, const Bmp *b, int channels)
{
    const int64_t plane = b->height * b->width;
    for (int64_t y = 0; y < b->height; y++) {
        const uint8_t *pixel = row_of(b, y);
        for (int64_t x = 0; x < b->width; x++, out++, pixel += b->bits / 8)
            for (int c = 0; c < channels; c++) out[c * plane] = pixel[b->place[c]];
    }
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    Bmp b;
    int failed = open_bmp(&b, path, e);
    const int channels = failed ? 0 : channels_of(&b, use);
    image->geometry = geometry_plane(b.height, b.width);
    image->alpha = channels == 4;
    if (!failed) failed = array_new(&image->voxels, DTYPE_F32, 4, (int64_t[]){channels, 1, b.height, b.width}, e);
    if (!failed && b.palette) failed = read_indexed(image->voxels.data, &b, channels, e);
    else if (!failed) read_colours(image->voxels.data, &b, channels);
    file_unmap(b.bytes, b.count);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    Bmp b;
    const int failed = open_bmp(&b, path, e);
    const int channels = failed ? 0 : channels_of(&b, use);
    *header = (ImageHeader){geometry_plane(b.height, b.width), channels, channels == 4};
    file_unmap(b.bytes, b.count);
    return failed;
}

static void put_number(uint8_t *at, int64_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

/* File header, header and palette, before `data_bytes` of pixels. */
static void put_headers(uint8_t *bytes, int64_t first, int64_t data_bytes, int64_t height, int64_t width)
{
    memcpy(bytes, "BM", 2);
    put_number(bytes + 2, first + data_bytes);
    put_number(bytes + 10, first);
    put_number(bytes + 14, INFO_HEADER);
    put_number(bytes + 18, width);
    put_number(bytes + 22, height);
    bytes[26] = 1; /* plane */
    bytes[28] = 8; /* bits per pixel */
    put_number(bytes + 34, data_bytes);
    put_number(bytes + 46, MAX_COLOURS);
    for (int i = 0; i < MAX_COLOURS; i++) memset(bytes + FILE_HEADER + INFO_HEADER + 4 * i, i, 3);
}

static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    TRY(image_expect_plane(path, g, voxels, e));
    if (voxels->dtype != DTYPE_U8)
        return err_set(e, ERR_UNSUPPORTED, "%s: values beyond 255: BMP holds 8 bits; use another format (.png, .tif)",
                       path);
    const int64_t height = g->shape_zyx[1], width = g->shape_zyx[2], row_bytes = (width + 3) / 4 * 4;
    const int64_t first = FILE_HEADER + INFO_HEADER + 4 * MAX_COLOURS;
    if (height > (INT32_MAX - first) / row_bytes)
        return err_set(e, ERR_SHAPE, "%s: %lldx%lld pixels are too many for BMP (2 GiB): use another format (.png)",
                       path, (long long)width, (long long)height);
    uint8_t *bytes = mem_zalloc(1, (size_t)(first + row_bytes * height), e);
    if (!bytes) return ERR_NOMEM;
    put_headers(bytes, first, row_bytes * height, height, width);
    for (int64_t y = 0; y < height; y++)
        memcpy(bytes + first + (height - 1 - y) * row_bytes, (uint8_t *)voxels->data + y * width, (size_t)width);
    const int failed = file_put(path, bytes, (size_t)(first + row_bytes * height), e);
    mem_free(bytes);
    return failed;
}

const ImageFormat image_format_bmp = {
    .name = "BMP",
    .endings = (const char *const[]){".bmp", NULL},
    .pictures = true,
    .read = read_image,
    .probe = probe_image,
    .write = write_image,
};
