/* Packing into a gzip or zlib stream on all threads.
 *
 * The bytes are cut into pieces of a fixed size. Each is packed by one thread, with the bytes before it as its
 * dictionary, and ends at a whole byte (zlib's Z_SYNC_FLUSH). So the packed bytes are the same for any number of
 * threads, and every reader of gzip takes them.
 *   TRY(pack_begin(&p, gzip, emit, context, e));  TRY(pack_bytes(&p, data, bytes, e)); …  TRY(pack_end(&p, e)); */
#ifndef DATA_BYTE_PACK_H
#define DATA_BYTE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Receives packed bytes, borrowed during the call. Returns 0, or a negative code with e filled: then packing ends. */
typedef int (*PackEmit)(void *context, const void *packed, size_t bytes, Err *e);

typedef struct Packer {
    bool gzip;
    unsigned long check; /* of all bytes so far: CRC-32 for gzip, Adler-32 for zlib */
    uint64_t count;      /* of all bytes so far */
    PackEmit emit;
    void *context;
} Packer;

/* All fail: as emit. pack_bytes also: ERR_NOMEM. */
int pack_begin(Packer *p, bool gzip, PackEmit emit, void *context, Err *e);
int pack_bytes(Packer *p, const void *data, size_t bytes, Err *e);
int pack_end(Packer *p, Err *e);

/* The most bytes that are emitted in all, if pack_bytes is called once with so many bytes. */
size_t pack_bound(size_t bytes);

#endif
