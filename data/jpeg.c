/* JPEG images: gray or colours, 8 bits. Only read, and not as labels: JPEG changes the values. libjpeg reports
 * errors by a call that must not return: it is only called inside guarded(). Damaged data, which libjpeg takes for a
 * warning, are errors. */
#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jpeglib.h>
#include <setjmp.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/convert.h"
#include "data/image_format.h"

/* Each block of 8x8 pixels takes a bit at least, in each component, unless the coding is arithmetic. Progressive
 * files have some ten scans; each is a pass over all pixels. */
enum { PIXELS_PER_BYTE = 512, MAX_SCANS = 500 };

/* A file that libjpeg reads, with everything that must be freed. */
typedef struct JpegFile {
    const char *path;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    Err error;
    uint8_t *mapped;
    size_t count;
    uint8_t *pixels; /* (height, width, components) */
    int64_t height, width;
    int components;
} JpegFile;

static void fail(JpegFile *f, const char *what)
{
    err_set(&f->error, ERR_FORMAT, "%s: %s", f->path, what);
    longjmp(f->back, 1);
}

static void on_error(j_common_ptr jpeg)
{
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail(jpeg->client_data, text);
}

/* level: below 0 for damaged data. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0) on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
    JpegFile *f = jpeg->client_data;
    if (f->jpeg.input_scan_number > MAX_SCANS) fail(f, "damaged: more than 500 scans");
}

/* Runs a step that calls libjpeg; 0, or the code of f->error. */
static int guarded(JpegFile *f, void (*step)(JpegFile *))
{
    if (setjmp(f->back)) return f->error.code;
    step(f);
    return 0;
}

static void read_header(JpegFile *f)
{
    jpeg_create_decompress(&f->jpeg);
    f->jpeg.progress = &f->progress;
    jpeg_mem_src(&f->jpeg, f->mapped, f->count);
    jpeg_read_header(&f->jpeg, TRUE);
    f->height = f->jpeg.image_height;
    f->width = f->jpeg.image_width;
    f->components = f->jpeg.num_components;
    if (f->components != 1 && f->components != 3)
        fail(f, "colours of four components (CMYK): expected gray or RGB; convert it");
    if (f->height > IMAGE_MAX_PIXELS / f->width) fail(f, "too large: expected at most 2^30 pixels");
    const int64_t pixels = f->height * f->width;
    const bool is_large = pixels > IMAGE_LARGE_PIXELS && pixels / IMAGE_PIXELS_PER_BYTE > (int64_t)f->count;
    if (is_large || (!f->jpeg.arith_code && pixels / PIXELS_PER_BYTE > (int64_t)f->count))
        fail(f, "too large: more pixels than a file of its size holds");
}

static void read_pixels(JpegFile *f)
{
    f->jpeg.out_color_space = f->components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(&f->jpeg);
    while (f->jpeg.output_scanline < f->jpeg.output_height) {
        JSAMPROW row = f->pixels + (int64_t)f->jpeg.output_scanline * f->width * f->components;
        jpeg_read_scanlines(&f->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&f->jpeg);
}

static int open_jpeg(JpegFile *f, const char *path, ImageUse use, Err *e)
{
    void *mapped;
    *f = (JpegFile){.path = path};
    f->jpeg.err = jpeg_std_error(&f->manager);
    f->jpeg.client_data = f;
    f->manager.error_exit = on_error;
    f->manager.emit_message = on_message;
    f->progress.progress_monitor = on_progress;
    if (use == IMAGE_LABELS)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%s: labels cannot be JPEG, which changes their values: give them as PNG, made from data without loss",
            path);
    TRY(file_map(path, &mapped, &f->count, e));
    f->mapped = mapped;
    const int failed = guarded(f, read_header);
    if (failed && e) *e = f->error;
    return failed;
}

static void close_jpeg(JpegFile *f)
{
    jpeg_destroy_decompress(&f->jpeg);
    file_unmap(f->mapped, f->count);
    mem_free(f->pixels);
}

static int read_planes(Image *image, JpegFile *f, Err *e)
{
    const int64_t plane = f->height * f->width;
    f->pixels = mem_alloc(mem_product((size_t)plane, (size_t)f->components), e);
    if (!f->pixels) return ERR_NOMEM;
    const int failed = guarded(f, read_pixels);
    if (failed) {
        if (e) *e = f->error;
        return failed;
    }
    image->geometry = geometry_plane(f->height, f->width);
    TRY(array_new(&image->voxels, DTYPE_F32, 4, (int64_t[]){f->components, 1, f->height, f->width}, e));
    convert_to_planes(image->voxels.data, plane, f->components, f->pixels, DTYPE_U8, plane, 1, 0);
    return 0;
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    JpegFile f;
    int failed = open_jpeg(&f, path, use, e);
    if (!failed) failed = read_planes(image, &f, e);
    close_jpeg(&f);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    JpegFile f;
    const int failed = open_jpeg(&f, path, use, e);
    *header = (ImageHeader){geometry_plane(f.height, f.width), f.components, false};
    close_jpeg(&f);
    return failed;
}

const ImageFormat image_format_jpeg = {
    .name = "JPEG",
    .endings = (const char *const[]){".jpg", ".jpeg", NULL},
    .pictures = true,
    .read = read_image,
    .probe = probe_image,
};
