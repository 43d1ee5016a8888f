#include "data/tiff_file.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

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

#if TIFFLIB_VERSION >= 20221213 /* 4.5.0 */
static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static TIFF *open_tiff(TiffFile *f, const char *mode)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) {
        err_set(&f->error, ERR_NOMEM, "%s: no memory to open it", f->path);
        return NULL;
    }
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, f);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, f);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, TIFF_MAX_BLOCK_BYTES);
    TIFF *tiff = TIFFClientOpenExt(f->path, mode, f, read_bytes, write_bytes, seek_to, close_nothing, size_of,
                                   map_bytes, unmap_nothing, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}
#else
/* Older versions (Ubuntu 22.04) have one handler for all files, which gets the file too. They limit no allocations. */
static void on_error_of(thandle_t handle, const char *module, const char *format, va_list args)
{
    if (handle) on_error(NULL, handle, module, format, args);
}

static TIFF *open_tiff(TiffFile *f, const char *mode)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(on_error_of);
    TIFFSetWarningHandler(NULL);
    return TIFFClientOpen(f->path, mode, f, read_bytes, write_bytes, seek_to, close_nothing, size_of, map_bytes,
                          unmap_nothing);
}
#endif

int tiff_file_failure(const TiffFile *f, Err *e, const char *otherwise)
{
    if (!f->error.code) return err_set(e, ERR_FORMAT, "%s: %s", f->path, otherwise);
    if (e) *e = f->error;
    return f->error.code;
}

int tiff_file_open(TiffFile *f, const char *mode, Err *e)
{
    f->tiff = open_tiff(f, mode);
    return f->tiff ? 0 : tiff_file_failure(f, e, "not a TIFF file");
}
