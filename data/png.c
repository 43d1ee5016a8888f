/* PNG images: gray, RGB, with or without alpha, 1 to 16 bits, interlaced or not. An image with a palette is read as
 * its colours, labels as the indices. libpng reports errors by longjmp: it is only called inside guarded(). */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/convert.h"
#include "data/image_format.h"
#include "data/picture.h"

enum { DEFLATE_RATIO = 1032 };

/* A file that libpng reads or writes, with everything that must be freed. */
typedef struct PngFile {
    const char *path;
    png_structp png;
    png_infop info;
    Err error;       /* libpng's error, or another one */
    uint8_t *mapped; /* reading: the file */
    size_t count, at;
    uint8_t *pixels; /* reading: the rows as stored, one sample in one or two bytes */
    uint8_t **rows;
    OutFile out;  /* writing a file */
    Text *memory; /* writing to memory instead; borrowed */
    int64_t height, width;
    int components, depth; /* samples of a stored pixel; bits of a sample in pixels: 8 or 16 */
} PngFile;

static void on_error(png_structp png, png_const_charp text)
{
    PngFile *f = png_get_error_ptr(png);
    if (!f->error.code) err_set(&f->error, ERR_FORMAT, "%s: %s", f->path, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp take_memory(png_structp png, png_alloc_size_t bytes)
{
    PngFile *f = png_get_error_ptr(png);
    void *block = mem_alloc(bytes, NULL);
    if (!block && f) err_set(&f->error, ERR_NOMEM, "%s: out of memory", f->path); /* returned when libpng fails */
    return block;
}

static void give_memory(png_structp png, png_voidp block)
{
    (void)png;
    mem_free(block);
}

/* Runs a step that calls libpng; 0, or the code of f->error. */
static int guarded(PngFile *f, void (*step)(PngFile *))
{
    if (setjmp(png_jmpbuf(f->png))) return f->error.code;
    step(f);
    return 0;
}

/* ---- reading ---- */

static void read_bytes(png_structp png, png_bytep to, size_t bytes)
{
    PngFile *f = png_get_io_ptr(png);
    if (bytes > f->count - f->at) png_error(png, "cut off: the file ends too early");
    memcpy(to, f->mapped + f->at, bytes);
    f->at += bytes;
}

static void read_header(PngFile *f)
{
    png_read_info(f->png, f->info);
    f->height = png_get_image_height(f->png, f->info);
    f->width = png_get_image_width(f->png, f->info);
    f->components = png_get_channels(f->png, f->info);
    const int stored = png_get_bit_depth(f->png, f->info);
    f->depth = stored == 16 ? 16 : 8;
    const double needed = (double)f->height * (double)f->width * f->components * stored / 8;
    if (needed > (double)f->count * DEFLATE_RATIO) png_error(f->png, "too short for its width and height");
    if (f->height > IMAGE_MAX_PIXELS / f->width) png_error(f->png, "too large: expected at most 2^30 pixels");
    const int64_t pixels = f->height * f->width;
    if (pixels > IMAGE_LARGE_PIXELS && pixels / IMAGE_PIXELS_PER_BYTE > (int64_t)f->count)
        png_error(f->png, "too large: more pixels than a file of its size holds");
}

static void read_pixels(PngFile *f)
{
    png_set_packing(f->png);
    if (f->depth == 16) png_set_swap(f->png); /* PNG is big-endian */
    png_set_interlace_handling(f->png);
    png_read_update_info(f->png, f->info);
    png_read_image(f->png, f->rows);
    png_read_end(f->png, NULL);
}

static int open_png(PngFile *f, const char *path, Err *e)
{
    void *mapped;
    *f = (PngFile){.path = path};
    TRY(file_map(path, &mapped, &f->count, e));
    f->mapped = mapped;
    if (f->count < 8 || png_sig_cmp(f->mapped, 0, 8)) return err_set(e, ERR_FORMAT, "%s: not a PNG file", path);
    f->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, f, on_error, on_warning, NULL, take_memory, give_memory);
    if (f->png) f->info = png_create_info_struct(f->png);
    if (!f->info) return err_set(e, ERR_NOMEM, "%s: no memory to read it", path);
    png_set_read_fn(f->png, f, read_bytes);
    png_set_benign_errors(f->png, 0); /* damaged data are errors, not warnings */
    /* Only what describes the pixels is read: texts and profiles may unpack to many times the file's size. */
    png_set_keep_unknown_chunks(f->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    const int failed = guarded(f, read_header);
    if (failed && e) *e = f->error;
    return failed;
}

static void close_png(PngFile *f)
{
    if (f->png) png_destroy_read_struct(&f->png, &f->info, NULL);
    file_unmap(f->mapped, f->count);
    mem_free(f->pixels);
    mem_free(f->rows);
}

/* components: 3, or 4 where some colours are transparent; 0 for an image without a palette. */
typedef struct Palette {
    int components, count, alphas;
    png_colorp colours;
    png_bytep alpha; /* of the first `alphas` colours; the others are opaque */
} Palette;

static Palette palette_of(const PngFile *f)
{
    Palette p = {0};
    if (png_get_color_type(f->png, f->info) != PNG_COLOR_TYPE_PALETTE) return p;
    png_get_PLTE(f->png, f->info, &p.colours, &p.count);
    png_get_tRNS(f->png, f->info, &p.alpha, &p.alphas, NULL);
    p.components = p.alphas ? 4 : 3;
    return p;
}

/* Replaces palette indices by colours: out is (components, height, width). */
static void look_up(float *out, const Palette *p, const PngFile *f)
{
    const int64_t plane = f->height * f->width;
    for (int64_t i = 0; i < plane; i++) {
        const int index = f->pixels[i];
        out[i] = p->colours[index].red;
        out[plane + i] = p->colours[index].green;
        out[2 * plane + i] = p->colours[index].blue;
        if (p->components == 4) out[3 * plane + i] = index < p->alphas ? p->alpha[index] : 255;
    }
}

static bool has_alpha(const PngFile *f, const Palette *p)
{
    return p->components == 4 || (png_get_color_type(f->png, f->info) & PNG_COLOR_MASK_ALPHA);
}

static int check_indices(const Palette *p, const PngFile *f, Err *e)
{
    for (int64_t i = 0, plane = f->height * f->width; i < plane; i++)
        if (f->pixels[i] >= p->count)
            return err_set(e, ERR_FORMAT, "%s: pixel %lld has colour %d of a palette of %d", f->path, (long long)i,
                           f->pixels[i], p->count);
    return 0;
}

static int read_planes(Image *image, PngFile *f, ImageUse use, Err *e)
{
    const Palette palette = palette_of(f);
    const bool colours = palette.components && use == IMAGE_INTENSITIES;
    const int64_t channels = colours ? palette.components : f->components;
    const int64_t plane = f->height * f->width;
    const size_t row_bytes = (size_t)f->width * (size_t)f->components * (size_t)f->depth / 8;
    f->pixels = mem_alloc(mem_product(row_bytes, (size_t)f->height), e);
    f->rows = mem_zalloc((size_t)f->height, sizeof *f->rows, e);
    if (!f->pixels || !f->rows) return ERR_NOMEM;
    for (int64_t row = 0; row < f->height; row++) f->rows[row] = f->pixels + (size_t)row * row_bytes;
    const int failed = guarded(f, read_pixels);
    if (failed) {
        if (e) *e = f->error;
        return failed;
    }
    image->geometry = geometry_plane(f->height, f->width);
    TRY(array_new(&image->voxels, DTYPE_F32, 4, (int64_t[]){channels, 1, f->height, f->width}, e));
    if (palette.components) TRY(check_indices(&palette, f, e));
    image->alpha = has_alpha(f, &palette) && channels > 1;
    if (colours) return look_up(image->voxels.data, &palette, f), 0;
    convert_to_planes(image->voxels.data, plane, f->components, f->pixels, f->depth == 16 ? DTYPE_U16 : DTYPE_U8, plane,
                      1, 0);
    return 0;
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    PngFile f;
    int failed = open_png(&f, path, e);
    if (!failed) failed = read_planes(image, &f, use, e);
    close_png(&f);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    PngFile f;
    const int failed = open_png(&f, path, e);
    *header = (ImageHeader){geometry_plane(f.height, f.width), f.components, false};
    const Palette palette = failed ? (Palette){0} : palette_of(&f);
    if (palette.components && use == IMAGE_INTENSITIES) header->channels = palette.components;
    if (!failed) header->alpha = has_alpha(&f, &palette) && header->channels > 1;
    close_png(&f);
    return failed;
}

/* ---- writing ---- */

static void write_bytes(png_structp png, png_bytep from, size_t bytes)
{
    PngFile *f = png_get_io_ptr(png);
    if (f->memory) text_add_bytes(f->memory, (const char *)from, bytes);
    else if (file_write(&f->out, from, bytes, &f->error)) png_error(png, "cannot write");
}

static void flush_nothing(png_structp png) { (void)png; }

static void write_rows(PngFile *f)
{
    png_set_IHDR(f->png, f->info, (png_uint_32)f->width, (png_uint_32)f->height, f->depth,
                 f->components == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(f->png, f->info);
    if (f->depth == 16) png_set_swap(f->png);
    const size_t row_bytes = (size_t)f->width * (size_t)f->components * (size_t)f->depth / 8;
    for (int64_t row = 0; row < f->height; row++) png_write_row(f->png, f->pixels + (size_t)row * row_bytes);
    png_write_end(f->png, f->info);
}

/* Encodes f's pixels (borrowed), height, width, components and depth into f's file or memory. */
static int encode_png(PngFile *f, Err *e)
{
    const int64_t longest = INT32_MAX;
    if (f->height < 1 || f->width < 1 || f->height > longest || f->width > longest)
        return err_set(e, ERR_SHAPE, "%s: a picture of %lldx%lld pixels: expected 1 to 2^31-1 each", f->path,
                       (long long)f->height, (long long)f->width);
    f->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, f, on_error, on_warning, NULL, take_memory, give_memory);
    if (f->png) f->info = png_create_info_struct(f->png);
    int failed = 0;
    if (f->info) {
        png_set_write_fn(f->png, f, write_bytes, flush_nothing);
        png_set_user_limits(f->png, INT32_MAX, INT32_MAX);
        failed = guarded(f, write_rows);
        if (failed && e) *e = f->error;
    } else {
        failed = err_set(e, ERR_NOMEM, "%s: no memory to write it", f->path);
    }
    png_destroy_write_struct(&f->png, &f->info);
    return failed;
}

static int write_png(PngFile *f, Err *e)
{
    TRY(file_create(&f->out, f->path, e));
    const int failed = encode_png(f, e);
    if (!failed) return file_commit(&f->out, e);
    file_abort(&f->out);
    return failed;
}

static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    TRY(image_expect_plane(path, g, voxels, e));
    PngFile f = {.path = path,
                 .pixels = voxels->data,
                 .height = g->shape_zyx[1],
                 .width = g->shape_zyx[2],
                 .components = 1,
                 .depth = voxels->dtype == DTYPE_U16 ? 16 : 8};
    return write_png(&f, e);
}

int picture_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width, int components, Err *e)
{
    PngFile f = {.path = path,
                 .pixels = (uint8_t *)pixels,
                 .height = height,
                 .width = width,
                 .components = components,
                 .depth = 8};
    return write_png(&f, e);
}

int picture_encode(Text *out, const uint8_t *pixels, int64_t height, int64_t width, int components, Err *e)
{
    PngFile f = {.path = "a picture",
                 .pixels = (uint8_t *)pixels,
                 .height = height,
                 .width = width,
                 .components = components,
                 .depth = 8,
                 .memory = out};
    TRY(encode_png(&f, e));
    return text_check(out, e);
}

const ImageFormat image_format_png = {
    .name = "PNG",
    .endings = (const char *const[]){".png", NULL},
    .pictures = true,
    .read = read_image,
    .probe = probe_image,
    .write = write_image,
};
