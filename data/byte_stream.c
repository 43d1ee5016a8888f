#include "data/byte_stream.h"

#include <string.h>

#include "data/zlib_memory.h"

/* A byte of deflate gives at most 1032 (two bits for 258). */
enum { DEFLATE_RATIO = 1032, MAX_STEP = 1 << 30, BUFFER_BYTES = 1 << 16 };
enum { EITHER_WINDOW = 15 + 32 }; /* gzip or zlib */

int source_open_plain(ByteSource *s, const char *path, Err *e)
{
    void *mapping;
    *s = (ByteSource){.path = path, .zlib = zlib_stream()};
    TRY(file_map(path, &mapping, &s->count, e));
    s->bytes = mapping;
    return 0;
}

int source_unpack(ByteSource *s, Err *e)
{
    if (inflateInit2(&s->zlib, EITHER_WINDOW) != Z_OK)
        return err_set(e, ERR_NOMEM, "%s: no memory to unpack it", s->path);
    s->packed = true;
    return 0;
}

int source_open(ByteSource *s, const char *path, Err *e)
{
    TRY(source_open_plain(s, path, e));
    return s->count < 2 || s->bytes[0] != 0x1f || s->bytes[1] != 0x8b ? 0 : source_unpack(s, e);
}

void source_close(ByteSource *s)
{
    if (s->packed) inflateEnd(&s->zlib);
    file_unmap(s->bytes, s->count);
    *s = (ByteSource){0};
}

uint64_t source_limit(const ByteSource *s)
{
    const uint64_t left = s->count - s->at;
    if (!s->packed) return left;
    return mem_product(left, DEFLATE_RATIO) + BUFFER_BYTES; /* plus the content of zlib's window */
}

/* One step of unpacking: at most `bytes` to out; *got is their number. */
static int unpack(ByteSource *s, void *out, size_t bytes, size_t *got, Err *e)
{
    const size_t left = s->count - s->at;
    *got = 0;
    if (s->ended) {
        if (!left) return err_set(e, ERR_FORMAT, "%s: cut off: the packed data are complete, but too short", s->path);
        inflateReset(&s->zlib);
        s->ended = false;
    }
    s->zlib.next_in = s->bytes + s->at;
    s->zlib.avail_in = (unsigned)(left < MAX_STEP ? left : MAX_STEP);
    s->zlib.next_out = out;
    s->zlib.avail_out = (unsigned)(bytes < MAX_STEP ? bytes : MAX_STEP);
    const unsigned given = s->zlib.avail_in, wanted = s->zlib.avail_out;
    const int status = inflate(&s->zlib, Z_NO_FLUSH);
    s->at += given - s->zlib.avail_in;
    *got = wanted - s->zlib.avail_out;
    s->ended = status == Z_STREAM_END;
    s->zlib.avail_in = 0;
    if (status == Z_OK || status == Z_STREAM_END) return 0;
    if (status == Z_MEM_ERROR) return err_set(e, ERR_NOMEM, "%s: no memory to unpack it", s->path);
    if (status == Z_BUF_ERROR) return err_set(e, ERR_FORMAT, "%s: cut off: the packed data end in the middle", s->path);
    return err_set(e, ERR_FORMAT, "%s: damaged packed data near byte %zu: %s", s->path, s->at,
                   s->zlib.msg ? s->zlib.msg : "a preset dictionary is needed");
}

int source_read(ByteSource *s, void *out, size_t bytes, Err *e)
{
    if (s->packed) {
        for (size_t done = 0, got = 0; done < bytes; done += got)
            TRY(unpack(s, (uint8_t *)out + done, bytes - done, &got, e));
        return 0;
    }
    if (bytes > s->count - s->at)
        return err_set(e, ERR_FORMAT, "%s: cut off: %zu bytes left, %zu needed from byte %zu on", s->path, s->count,
                       bytes, s->at);
    if (bytes) memcpy(out, s->bytes + s->at, bytes);
    s->at += bytes;
    return 0;
}

int source_skip(ByteSource *s, uint64_t bytes, Err *e)
{
    uint8_t waste[4096];
    for (uint64_t left = bytes; left;) {
        const size_t step = left < sizeof waste ? (size_t)left : sizeof waste;
        TRY(source_read(s, waste, step, e));
        left -= step;
    }
    return 0;
}

int source_finish(ByteSource *s, Err *e)
{
    uint8_t waste[16384];
    for (size_t got = 0; s->packed && !s->ended;) TRY(unpack(s, waste, sizeof waste, &got, e));
    return 0;
}

typedef struct PackedBlock {
    uint8_t *bytes;
    size_t count;
} PackedBlock;

static int append(void *context, const void *packed, size_t bytes, Err *e)
{
    (void)e;
    PackedBlock *block = context;
    memcpy(block->bytes + block->count, packed, bytes);
    block->count += bytes;
    return 0;
}

int bytes_pack(void **packed, size_t *count, const void *data, size_t bytes, bool gzip, Err *e)
{
    PackedBlock block = {mem_alloc(pack_bound(bytes), e), 0};
    Packer p;
    *packed = NULL;
    if (!block.bytes) return ERR_NOMEM;
    int failed = pack_begin(&p, gzip, append, &block, e);
    if (!failed) failed = pack_bytes(&p, data, bytes, e);
    if (!failed) failed = pack_end(&p, e);
    if (failed) {
        mem_free(block.bytes);
        return failed;
    }
    *packed = block.bytes;
    *count = block.count;
    return 0;
}

static int write_packed(void *context, const void *packed, size_t bytes, Err *e)
{
    return file_write(context, packed, bytes, e);
}

int sink_open(ByteSink *s, const char *path, bool gzip, Err *e)
{
    *s = (ByteSink){.gzip = gzip};
    TRY(file_create(&s->file, path, e));
    const int failed = gzip ? pack_begin(&s->packer, true, write_packed, &s->file, e) : 0;
    if (failed) sink_abort(s);
    return failed;
}

int sink_write(ByteSink *s, const void *data, size_t bytes, Err *e)
{
    return s->gzip ? pack_bytes(&s->packer, data, bytes, e) : file_write(&s->file, data, bytes, e);
}

int sink_commit(ByteSink *s, Err *e)
{
    const int failed = s->gzip ? pack_end(&s->packer, e) : 0;
    if (!failed) return file_commit(&s->file, e);
    sink_abort(s);
    return failed;
}

void sink_abort(ByteSink *s) { file_abort(&s->file); }
