#include "tests/fuzz/packing.h"

#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "weights/bytes.h"
#include "weights/zip.h"

enum { ROOM = 1 << 20, CHUNK_FRAME = 12, PNG_MARK = 8, CHUNKS = 64 };

static uint8_t inner[ROOM], outer[ROOM]; /* what is changed; what is put together */

size_t fuzz_inflate(uint8_t *to, size_t room, const uint8_t *from, size_t bytes, int window)
{
    z_stream s = {0};
    if (inflateInit2(&s, window) != Z_OK) return 0;
    s.next_in = (uint8_t *)(uintptr_t)from, s.avail_in = (uInt)bytes;
    s.next_out = to, s.avail_out = (uInt)room;
    const int status = inflate(&s, Z_FINISH);
    inflateEnd(&s);
    return status == Z_STREAM_END ? room - s.avail_out : 0;
}

size_t fuzz_deflate(uint8_t *to, size_t room, const uint8_t *from, size_t bytes, int window)
{
    z_stream s = {0};
    if (deflateInit2(&s, 1, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
    s.next_in = (uint8_t *)(uintptr_t)from, s.avail_in = (uInt)bytes;
    s.next_out = to, s.avail_out = (uInt)room;
    const int status = deflate(&s, Z_FINISH);
    deflateEnd(&s);
    return status == Z_STREAM_END ? room - s.avail_out : 0;
}

size_t fuzz_mutate_gzip(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    (void)choice;
    size_t bytes = fuzz_inflate(inner, ROOM / 2, data, size, 31);
    if (!bytes) return 0;
    bytes = change(inner, bytes, bytes + most / 2 < ROOM ? bytes + most / 2 : ROOM);
    return fuzz_deflate(data, most, inner, bytes, 31);
}

size_t fuzz_mutate_header(uint8_t *data, size_t size, size_t most, size_t at, int bytes, FuzzBytes *change)
{
    const size_t start = at + (size_t)bytes;
    if (size < start || size > ROOM / 2) return 0;
    const uint64_t length = bytes_le(data + at, bytes);
    if (length > size - start) return 0;
    const size_t rest = size - start - (size_t)length, room = most - start - rest;
    memcpy(inner, data + start, length);
    memcpy(outer, data + size - rest, rest);
    const size_t changed = change(inner, (size_t)length, room < ROOM ? room : ROOM);
    bytes_put_le(data + at, bytes, changed);
    memcpy(data + start, inner, changed);
    memcpy(data + start + changed, outer, rest);
    return start + changed + rest;
}

/* ---- PNG ---- */

typedef struct Chunks {
    const uint8_t *at[CHUNKS]; /* their lengths */
    size_t length[CHUNKS];     /* of what they hold */
    int count;
} Chunks;

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_big_endian(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static bool find_chunks(Chunks *c, const uint8_t *data, size_t size)
{
    size_t at = PNG_MARK;
    for (c->count = 0; c->count < CHUNKS && at + CHUNK_FRAME <= size; c->count++) {
        const size_t length = big_endian(data + at);
        if (length > size - at - CHUNK_FRAME) break;
        c->at[c->count] = data + at;
        c->length[c->count] = length;
        at += CHUNK_FRAME + length;
    }
    return c->count > 0;
}

/* Appends a chunk with its checksum to `outer`; returns false where there is no room. */
static bool put_chunk(size_t *used, size_t most, const uint8_t *kind, const uint8_t *content, size_t length)
{
    if (*used + CHUNK_FRAME + length > most) return false;
    uint8_t *at = outer + *used;
    put_big_endian(at, (uint32_t)length);
    memcpy(at + 4, kind, 4);
    memcpy(at + 8, content, length);
    put_big_endian(at + 8 + length, (uint32_t)crc32(0, at + 4, (uInt)length + 4));
    *used += CHUNK_FRAME + length;
    return true;
}

/* Pixels are changed unpacked, one time in four as they are. Returns the new length, in `inner`. */
static size_t change_chunk(const uint8_t *chunk, size_t length, size_t room, unsigned choice, FuzzBytes *change)
{
    static uint8_t pixels[ROOM];
    const uint8_t *content = chunk + 8;
    const bool packed = !memcmp(chunk + 4, "IDAT", 4) && choice % 4;
    size_t bytes = packed ? fuzz_inflate(pixels, ROOM / 2, content, length, 15) : 0;
    if (bytes) {
        bytes = change(pixels, bytes, ROOM);
        return fuzz_deflate(inner, room, pixels, bytes, 15);
    }
    memcpy(inner, content, length);
    return change(inner, length, room);
}

size_t fuzz_mutate_png(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    Chunks c;
    size_t used = PNG_MARK;
    const size_t limit = most < ROOM ? most : ROOM;
    if (size > ROOM / 2 || size < PNG_MARK || !find_chunks(&c, data, size)) return 0;
    const int chosen = (int)(choice % (unsigned)c.count);
    choice /= (unsigned)c.count;
    const int times = choice % 16 == 0 ? 0 : choice % 16 == 1 ? 2 : 1;
    memcpy(outer, data, PNG_MARK);
    for (int i = 0; i < c.count; i++) {
        const uint8_t *content = c.at[i] + 8;
        size_t length = c.length[i];
        if (i == chosen && times == 1) {
            length = change_chunk(c.at[i], length, limit - CHUNK_FRAME, choice / 16, change);
            content = inner;
        }
        for (int k = i == chosen ? times : 1; k > 0; k--)
            if (!put_chunk(&used, limit, c.at[i] + 4, content, length)) return 0;
    }
    memcpy(data, outer, used);
    return used;
}

/* ---- zip ---- */

/* Names are kept until the directory is written. */
static int write_entries(Zip *to, OutFile *f, const Zip *from, char **names, int chosen, size_t room, FuzzBytes *change)
{
    for (int i = 0; i < from->count; i++) {
        const ZipEntry *entry = &from->entries[i];
        const void *content = entry->data;
        size_t bytes = entry->bytes;
        if (i == chosen && bytes <= ROOM / 2) {
            memcpy(inner, content, bytes);
            bytes = change(inner, bytes, bytes + room < ROOM ? bytes + room : ROOM);
            content = inner;
        }
        names[i] = path_format(NULL, "%.*s", (int)entry->name_bytes, entry->name);
        if (!names[i]) return ERR_NOMEM;
        TRY(zip_add(to, f, names[i], content, bytes, NULL));
    }
    return zip_finish(to, f, NULL);
}

size_t fuzz_mutate_zip(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    enum { ENTRIES = 64 };
    char *names[ENTRIES] = {0}, *changed = NULL;
    size_t bytes = 0;
    Zip from, to = {0};
    OutFile f;
    if (zip_read(&from, (const char *)data, size, NULL)) return 0;
    const char *path = fuzz_file("mutated.zip", "", 0);
    const bool usable = from.count > 0 && from.count <= ENTRIES && !file_create(&f, path, NULL);
    if (usable) {
        const int chosen = (int)(choice % (unsigned)from.count);
        int failed = write_entries(&to, &f, &from, names, chosen, most > size ? most - size : 0, change);
        if (!failed) failed = file_commit(&f, NULL);
        else file_abort(&f);
        if (!failed && file_get(path, &changed, &bytes, NULL)) bytes = 0;
        for (int i = 0; i < from.count; i++) mem_free(names[i]);
    }
    zip_free(&to);
    zip_free(&from);
    if (bytes > most) bytes = 0;
    if (bytes) memcpy(data, changed, bytes);
    mem_free(changed);
    return bytes;
}
