/* Bytes of a file one after the other, plain or packed (gzip, zlib).
 *
 * ByteSource reads: the format is recognised by the first bytes, not by the name. gzip members may follow each
 * other; each one's checksum and length are tested. ByteSink writes atomically (base/file.h). */
#ifndef DATA_BYTE_STREAM_H
#define DATA_BYTE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "data/byte_pack.h"

typedef struct ByteSource {
    const char *path;   /* borrowed */
    uint8_t *bytes;     /* the mapped file */
    size_t count, at;   /* its length; the first byte not yet used */
    bool packed, ended; /* ended: the gzip member, or the zlib stream, is complete */
    z_stream zlib;
} ByteSource;

/* Unpacks a file that is gzip. Fails: ERR_IO, ERR_NOMEM. source_close frees it, also after a failed open. */
int source_open(ByteSource *s, const char *path, Err *e);

/* The first reads the bytes as stored. source_unpack: from the current position on they are gzip or zlib, and are
 * unpacked. Fail: as source_open. */
int source_open_plain(ByteSource *s, const char *path, Err *e);
int source_unpack(ByteSource *s, Err *e);
void source_close(ByteSource *s);

/* Reads exactly so many bytes. Fails: ERR_FORMAT (there are fewer, or they are damaged). */
int source_read(ByteSource *s, void *out, size_t bytes, Err *e);
int source_skip(ByteSource *s, uint64_t bytes, Err *e);

/* Upper bound of the bytes that follow: the rest of a plain file; for a packed one by deflate's best ratio. */
uint64_t source_limit(const ByteSource *s);

/* Tests the checksum of a packed stream whose bytes have been read. Fails: ERR_FORMAT. */
int source_finish(ByteSource *s, Err *e);

/* Packs bytes into a block of its own (mem_free), gzip or zlib, on all threads (data/byte_pack.h). Fails: ERR_NOMEM. */
int bytes_pack(void **packed, size_t *count, const void *data, size_t bytes, bool gzip, Err *e);

/* Must not move while it is open. */
typedef struct ByteSink {
    OutFile file;
    bool gzip;
    Packer packer; /* if gzip */
} ByteSink;

/* Fails: ERR_IO, ERR_NOMEM; then nothing is open. sink_abort may be called at any time after sink_open. */
int sink_open(ByteSink *s, const char *path, bool gzip, Err *e);
int sink_write(ByteSink *s, const void *data, size_t bytes, Err *e);
int sink_commit(ByteSink *s, Err *e);
void sink_abort(ByteSink *s);

#endif
