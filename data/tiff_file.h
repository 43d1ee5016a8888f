/* TiffFile: a TIFF file in memory for libtiff, so that libtiff neither reads or writes files nor prints. */
#ifndef DATA_TIFF_FILE_H
#define DATA_TIFF_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <tiffio.h>

#include "base/error.h"

enum { TIFF_MAX_BLOCK_BYTES = 1 << 30 };

/* A file in memory: the mapped file that is read, or a growing block that is written. */
typedef struct TiffFile {
    const char *path;
    TIFF *tiff;
    Err error; /* libtiff's first error */
    uint8_t *bytes;
    uint64_t count, capacity, at;
    bool writing;
} TiffFile;

/* Opens the file at f->path: "r" reads f->bytes, "w" and "w8" (BigTIFF) write to f->bytes, which grow.
 * TIFFClose(f->tiff) ends it. Fails: ERR_FORMAT, ERR_NOMEM. */
int tiff_file_open(TiffFile *f, const char *mode, Err *e);

/* Returns libtiff's first error, or `otherwise` if there is none. */
int tiff_file_failure(const TiffFile *f, Err *e, const char *otherwise);

#endif
