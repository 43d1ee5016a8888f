/* Zip archives: as PyTorch makes them, with stored (uncompressed) entries, zip64 where sizes need it; and those that other programs
 * have compressed by deflate (zip_read_packed).
 *
 * Source: PKWARE APPNOTE 6.3.9. Reading works on a mapped file that the caller keeps; entries view it.
 * Writing streams into an OutFile. */
#ifndef WEIGHTS_ZIP_H
#define WEIGHTS_ZIP_H

#include <stdbool.h>
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
    size_t unpacked; /* bytes of its content; as `bytes`, unless it is deflated */
    bool deflated;
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

/* The same for archives of any program: entries may be deflated, and their checksums are compared by zip_unpack. */
int zip_read_packed(Zip *z, const char *data, size_t bytes, Err *e);

/* The content of an entry into `to`, which has room for entry->unpacked bytes. Fails: ERR_FORMAT, also for another CRC-32 than the
 * directory says; ERR_NOMEM. */
int zip_unpack(const ZipEntry *entry, void *to, Err *e);

/* The entry of that name, borrowed; NULL if there is none. Only after zip_read. */
const ZipEntry *zip_find(const Zip *z, const char *name);

/* Appends a stored entry to an archive that grows in f, its data at a multiple of 64 bytes (PyTorch's
 * .storage_alignment). `Zip z = {0}` starts one; name is borrowed until zip_finish. */
int zip_add(Zip *z, OutFile *f, const char *name, const void *data, size_t bytes, Err *e);

/* Writes the directory. The caller commits f and frees z. */
int zip_finish(const Zip *z, OutFile *f, Err *e);

void zip_free(Zip *z);

#endif
