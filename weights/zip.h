/* Zip archives as PyTorch makes them: stored (uncompressed) entries, zip64 where sizes need it.
 *
 * Source: PKWARE APPNOTE 6.3.9. Reading works on a mapped file that the caller keeps; entries view it.
 * Writing streams into an OutFile. */
#ifndef WEIGHTS_ZIP_H
#define WEIGHTS_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"

typedef struct ZipEntry {
    const char *name; /* name_bytes bytes of UTF-8, no NUL behind */
    size_t name_bytes;
    const char *data;
    size_t bytes;
    uint32_t crc;    /* CRC-32 as the directory says */
    uint64_t offset; /* of the local header (writer) */
} ZipEntry;

typedef struct Zip {
    ZipEntry *entries; /* sorted by name when read, in the order of writing when written */
    int count;
} Zip;

/* Reads the directory and checks it: every entry lies within the archive under one name, is stored,
 * agrees with its local header, and has the CRC-32 that the directory says. The caller frees with zip_free;
 * on failure nothing is owned. Fails: ERR_FORMAT; ERR_UNSUPPORTED (compressed, encrypted, several
 * disks); ERR_NOMEM. */
int zip_read(Zip *z, const char *data, size_t bytes, Err *e);

/* The entry of that name, borrowed; NULL if there is none. Only after zip_read. */
const ZipEntry *zip_find(const Zip *z, const char *name);

/* Appends a stored entry to an archive that grows in f, its data at a multiple of 64 bytes (PyTorch's
 * .storage_alignment). `Zip z = {0}` starts one; name is borrowed until zip_finish. */
int zip_add(Zip *z, OutFile *f, const char *name, const void *data, size_t bytes, Err *e);

/* Writes the directory. The caller commits f and frees z. */
int zip_finish(const Zip *z, OutFile *f, Err *e);

void zip_free(Zip *z);

#endif
