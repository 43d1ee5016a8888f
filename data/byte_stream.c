#include "data/byte_stream.h"

#include <string.h>

#include "base/memory.h"

/* A byte of deflate gives at most 1032 (two bits for 258). */
enum { DEFLATE_RATIO = 1032, MAX_STEP = 1 << 30, BUFFER_BYTES = 1 << 16 };
enum { ZLIB_WINDOW = 15, GZIP_WINDOW = 15 + 16, EITHER_WINDOW = 15 + 32 };

static void *zlib_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return mem_zalloc(items, size, NULL);
}

static void zlib_free(void *opaque, void *block)
{
    (void)opaque;
    mem_free(block);
}

int source_open_plain(ByteSource *s, const char *path, Err *e)
{
    void *mapping;
    *s = (ByteSource){.path = path, .zlib = {.zalloc = zlib_alloc, .zfree = zlib_free}};
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

int bytes_pack(void **packed, size_t *count, const void *data, size_t bytes, bool gzip, Err *e)
{
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free};
    *packed = NULL;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip ? GZIP_WINDOW : ZLIB_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return err_set(e, ERR_NOMEM, "no memory to pack %zu bytes", bytes);
    const size_t most = deflateBound(&z, bytes);
    *packed = mem_alloc(most, e);
    z.next_in = (uint8_t *)data;
    z.next_out = *packed;
    for (size_t done = 0; *packed && done <= bytes; done += MAX_STEP) { /* zlib counts by unsigned */
        const size_t left = bytes - done, room = most - z.total_out;
        z.avail_in = (unsigned)(left < MAX_STEP ? left : MAX_STEP);
        z.avail_out = (unsigned)(room < UINT32_MAX ? room : UINT32_MAX);
        deflate(&z, left <= MAX_STEP ? Z_FINISH : Z_NO_FLUSH); /* the buffer is large enough */
    }
    deflateEnd(&z);
    *count = z.total_out;
    return *packed ? 0 : ERR_NOMEM;
}

int sink_open(ByteSink *s, const char *path, bool gzip, Err *e)
{
    *s = (ByteSink){.zlib = {.zalloc = zlib_alloc, .zfree = zlib_free}};
    TRY(file_create(&s->file, path, e));
    if (!gzip) return 0;
    s->buffer = mem_alloc(BUFFER_BYTES, e);
    if (s->buffer &&
        deflateInit2(&s->zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
        s->gzip = true;
        return 0;
    }
    sink_abort(s);
    return err_set(e, ERR_NOMEM, "%s: no memory to pack it", path);
}

static int pack(ByteSink *s, int flush, Err *e)
{
    do {
        s->zlib.next_out = s->buffer;
        s->zlib.avail_out = BUFFER_BYTES;
        deflate(&s->zlib, flush); /* cannot fail: the state is sound, the buffer empty */
        TRY(file_write(&s->file, s->buffer, BUFFER_BYTES - s->zlib.avail_out, e));
    } while (!s->zlib.avail_out);
    return 0;
}

int sink_write(ByteSink *s, const void *data, size_t bytes, Err *e)
{
    if (!s->gzip) return file_write(&s->file, data, bytes, e);
    for (const uint8_t *at = data; bytes;) {
        const size_t step = bytes < MAX_STEP ? bytes : MAX_STEP;
        s->zlib.next_in = (uint8_t *)at;
        s->zlib.avail_in = (unsigned)step;
        TRY(pack(s, Z_NO_FLUSH, e));
        at += step;
        bytes -= step;
    }
    return 0;
}

static void release(ByteSink *s)
{
    if (s->gzip) deflateEnd(&s->zlib);
    mem_free(s->buffer);
    s->buffer = NULL;
    s->gzip = false;
}

int sink_commit(ByteSink *s, Err *e)
{
    const int failed = s->gzip ? pack(s, Z_FINISH, e) : 0;
    release(s);
    if (!failed) return file_commit(&s->file, e);
    file_abort(&s->file);
    return failed;
}

void sink_abort(ByteSink *s)
{
    release(s);
    file_abort(&s->file);
}
