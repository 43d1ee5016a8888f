#include "dicom/volume.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "dicom/pixels.h"

/* The file whose frames are read, and room for a frame. */
typedef struct Reader {
    const DicomSources *source;
    int file; /* index of the scan's files; -1: none */
    SourceBytes bytes;
    DicomPixels *pixels;
    int32_t *values;
} Reader;

static void close_file(Reader *r)
{
    dicom_pixels_close(r->pixels);
    r->pixels = NULL;
    sources_release(&r->bytes);
    r->file = -1;
}

static int open_file(Reader *r, const Series *s, int file, Err *e)
{
    if (r->file == file) return 0;
    close_file(r);
    TRY(sources_get(&r->bytes, r->source, s->scan.files[file].source, e));
    r->file = file;
    if (!dicom_pixels_open(&r->pixels, r->bytes.data, r->bytes.count, e)) return 0;
    return err_context(e, "%s", sources_name(r->source, s->scan.files[file].source));
}

/* *whole: stays set if all values are whole numbers that int16 has. */
static void rescale(float *to, const int32_t *from, size_t count, const Frame *f, bool *whole)
{
    for (size_t i = 0; i < count; i++) {
        const double value = from[i] * f->slope + f->intercept;
        to[i] = (float)value;
        *whole &= value >= INT16_MIN && value <= INT16_MAX && value == floor(value);
    }
}

static int read_slices(Reader *r, float *to, const Series *s, bool *whole, Err *e)
{
    const size_t count = (size_t)(s->geometry.shape_zyx[1] * s->geometry.shape_zyx[2]);
    for (int i = 0; i < s->count; i++) {
        const Frame *f = series_frame(s, i);
        TRY(open_file(r, s, f->file, e));
        if (dicom_pixels_frame(r->pixels, f->number, r->values, count, e))
            return err_context(e, "%s", sources_name(r->source, series_file(s, i)->source));
        rescale(to + (size_t)i * count, r->values, count, f, whole);
    }
    return 0;
}

/* Replaces float32 voxels by int16. Rounds: voxels are whole numbers. */
static int to_int16(Array *voxels, Err *e)
{
    Array small;
    const float *from = voxels->data;
    TRY(array_new(&small, DTYPE_I16, 3, voxels->shape, e));
    for (int64_t i = 0; i < array_count(voxels); i++) ((int16_t *)small.data)[i] = (int16_t)from[i];
    array_free(voxels);
    *voxels = small;
    return 0;
}

int volume_read(Array *voxels, const Series *s, const DicomSources *source, Err *e)
{
    Reader r = {.source = source, .file = -1};
    bool whole = true;
    TRY(array_new(voxels, DTYPE_F32, 3, s->geometry.shape_zyx, e));
    r.values = mem_alloc((size_t)(voxels->shape[1] * voxels->shape[2]) * sizeof *r.values, e);
    int code = r.values ? read_slices(&r, voxels->data, s, &whole, e) : ERR_NOMEM;
    close_file(&r);
    mem_free(r.values);
    if (!code && whole) code = to_int16(voxels, e);
    if (code) array_free(voxels);
    return code;
}
