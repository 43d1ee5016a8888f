#include "weights/zip.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "weights/bytes.h"

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    LOCAL_EXTRA = 20,
    CENTRAL_EXTRA = 28, /* zip64 fields that we write */
    COMMENT_MAX = 65535,
    VERSION_ZIP64 = 45,
    METHOD_DEFLATE = 8,
    DEFLATE_MOST = 1032,
    EXTRA_ZIP64 = 1,
    EXTRA_PADDING = 0x4246 /* "FB", PyTorch's */
};
static const uint32_t LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50;
static const uint32_t END64 = 0x06064b50, LOCATOR = 0x07064b50;
static const uint32_t SATURATED = 0xffffffff; /* the value is in the zip64 field */

static uint32_t crc_of(const char *data, size_t bytes)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)data, bytes);
}

/* ---- reading ---- */

typedef struct Directory {
    uint64_t offset, bytes, count;
} Directory;

/* Packed archives may have any bytes as names. */
static int tell_entry(Err *e, ErrCode code, const ZipEntry *entry, const char *what)
{
    err_set(e, code, "zip entry '%.*s': %s", (int)entry->name_bytes, entry->name, what);
    err_plain(e);
    return code;
}

static int bad_entry(Err *e, const ZipEntry *entry, const char *what) { return tell_entry(e, ERR_FORMAT, entry, what); }

/* The end record: the last one whose comment ends at the end of the file. */
static const char *find_end(const char *data, size_t bytes)
{
    for (size_t back = END_BYTES; back <= bytes && back <= END_BYTES + COMMENT_MAX; back++) {
        const char *at = data + bytes - back;
        if (bytes_le(at, 4) == END && bytes_le(at + 20, 2) == back - END_BYTES) return at;
    }
    return NULL;
}

/* The zip64 field replaces a 32-bit field, which must be equal or saturated. */
static bool widen(uint64_t *field, uint64_t saturated, uint64_t wide)
{
    const bool agree = *field == saturated || *field == wide;
    *field = wide;
    return agree;
}

static int read_end(const char *data, size_t bytes, Directory *d, Err *e)
{
    const char *end = find_end(data, bytes);
    *d = (Directory){0};
    if (!end) return err_set(e, ERR_FORMAT, "no zip directory at the end: is the file cut short?");
    uint64_t disks = bytes_le(end + 4, 2) | bytes_le(end + 6, 2);
    *d = (Directory){bytes_le(end + 16, 4), bytes_le(end + 12, 4), bytes_le(end + 10, 2)};
    uint64_t limit = (uint64_t)(end - data);
    if (limit >= LOCATOR_BYTES && bytes_le(end - LOCATOR_BYTES, 4) == LOCATOR) {
        const uint64_t at = bytes_le(end - LOCATOR_BYTES + 8, 8);
        limit -= LOCATOR_BYTES;
        if (at > limit || limit - at < END64_BYTES || bytes_le(data + at, 4) != END64)
            return err_set(e, ERR_FORMAT, "the zip64 end record is not where its locator says");
        if (!widen(&d->offset, SATURATED, bytes_le(data + at + 48, 8)) ||
            !widen(&d->bytes, SATURATED, bytes_le(data + at + 40, 8)) ||
            !widen(&d->count, 0xffff, bytes_le(data + at + 32, 8)))
            return err_set(e, ERR_FORMAT, "the zip and zip64 end records contradict each other");
        disks |= bytes_le(data + at + 16, 4) | bytes_le(data + at + 20, 4);
        limit = at;
    }
    if (disks) return err_set(e, ERR_UNSUPPORTED, "a zip archive over several disks");
    if (d->offset > limit || d->bytes > limit - d->offset || d->count > d->bytes / CENTRAL_BYTES || d->count > INT_MAX)
        return err_set(e, ERR_FORMAT, "a zip directory of %llu entries at byte %llu does not fit the file",
                       (unsigned long long)d->count, (unsigned long long)d->offset);
    return 0;
}

/* Reads the sizes and the offset whose 32-bit fields are saturated from the zip64 extra field. */
static int read_extra(const char *extra, size_t bytes, uint64_t *const fields[3])
{
    while (bytes >= 4) {
        const size_t size = bytes_le(extra + 2, 2);
        if (size > bytes - 4) return ERR_FORMAT;
        if (bytes_le(extra, 2) == EXTRA_ZIP64) {
            size_t at = 0;
            for (int i = 0; i < 3; i++) {
                if (*fields[i] != SATURATED) continue;
                if (size - at < 8) return ERR_FORMAT;
                *fields[i] = bytes_le(extra + 4 + at, 8);
                at += 8;
            }
            return 0;
        }
        extra += 4 + size;
        bytes -= 4 + size;
    }
    return 0;
}

/* Finds an entry's data behind its local header, which must repeat name and method. */
static int locate(ZipEntry *entry, const char *data, uint64_t limit, uint64_t method, Err *e)
{
    const bool has_room = entry->offset <= limit && limit - entry->offset >= LOCAL_BYTES;
    const char *local = has_room ? data + entry->offset : NULL;
    if (!local || bytes_le(local, 4) != LOCAL) return bad_entry(e, entry, "no local header where the directory says");
    const uint64_t name_bytes = bytes_le(local + 26, 2);
    const uint64_t begin = entry->offset + LOCAL_BYTES + name_bytes + bytes_le(local + 28, 2);
    if (begin > limit || entry->bytes > limit - begin) return bad_entry(e, entry, "its bytes reach into the directory");
    if (name_bytes != entry->name_bytes || memcmp(local + LOCAL_BYTES, entry->name, name_bytes) ||
        bytes_le(local + 8, 2) != method)
        return bad_entry(e, entry, "its local header contradicts the directory");
    entry->data = data + begin;
    return 0;
}

static bool is_plain_name(const char *name, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)name[i] < 0x20) return false;
    return text_is_utf8(name, bytes);
}

/* The two methods of compression, and whether sizes can be true: deflate makes a byte of at most 1032. */
static int check_packing(const ZipEntry *entry, uint64_t flags, uint64_t method, bool packed, Err *e)
{
    const bool is_stored = !method && entry->bytes == entry->unpacked;
    if (!packed && (flags & 1 || !is_stored))
        return tell_entry(e, ERR_UNSUPPORTED, entry, "compressed or encrypted; expected it stored");
    if (flags & 1 || (method && method != METHOD_DEFLATE))
        return tell_entry(e, ERR_UNSUPPORTED, entry, "encrypted, or compressed by another method than deflate");
    if (!method && !is_stored) return bad_entry(e, entry, "it is stored, with two sizes that differ");
    if (entry->unpacked / DEFLATE_MOST > entry->bytes) return bad_entry(e, entry, "its sizes contradict each other");
    return 0;
}

/* Reads the directory record at *at and advances *at. */
static int read_entry(Zip *z, const char *data, const Directory *d, uint64_t *at, bool packed, Err *e)
{
    const char *record = data + *at;
    const uint64_t left = d->offset + d->bytes - *at;
    if (left < CENTRAL_BYTES || bytes_le(record, 4) != CENTRAL)
        return err_set(e, ERR_FORMAT, "zip directory: it ends before entry %d", z->count);
    const uint64_t flags = bytes_le(record + 8, 2), method = bytes_le(record + 10, 2);
    const size_t name = bytes_le(record + 28, 2), extra = bytes_le(record + 30, 2);
    const size_t comment = bytes_le(record + 32, 2);
    if (left - CENTRAL_BYTES < name + extra + comment)
        return err_set(e, ERR_FORMAT, "zip directory: entry %d reaches beyond its end", z->count);
    uint64_t stored = bytes_le(record + 20, 4), bytes = bytes_le(record + 24, 4);
    uint64_t offset = bytes_le(record + 42, 4);
    uint64_t *const fields[] = {&bytes, &stored, &offset};
    const char *text = record + CENTRAL_BYTES;
    if (read_extra(text + name, extra, fields) || !(packed || is_plain_name(text, name)))
        return err_set(e, ERR_FORMAT, "zip directory: entry %d is damaged", z->count);
    ZipEntry entry = {.name = text,
                      .name_bytes = name,
                      .bytes = stored,
                      .crc = (uint32_t)bytes_le(record + 16, 4),
                      .offset = offset,
                      .unpacked = bytes,
                      .deflated = method == METHOD_DEFLATE};
    TRY(check_packing(&entry, flags, method, packed, e));
    TRY(locate(&entry, data, d->offset, method, e));
    z->entries[z->count++] = entry;
    *at += CENTRAL_BYTES + name + extra + comment;
    return 0;
}

static int compare_names(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    const int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int by_name(const void *a, const void *b)
{
    const ZipEntry *x = a, *y = b;
    return compare_names(x->name, x->name_bytes, y->name, y->name_bytes);
}

/* Overlapping entries could make the time to read all of them quadratic in the file's size. limit: bytes before the
 * directory. */
static int check_overlap(const Zip *z, uint64_t limit, Err *e)
{
    for (int i = 0; i < z->count; i++) {
        const ZipEntry *entry = &z->entries[i];
        if (entry->bytes > limit) return bad_entry(e, entry, "it overlaps other entries");
        limit -= entry->bytes;
    }
    return 0;
}

static int check_entries(const Zip *z, Err *e)
{
    for (int i = 0; i < z->count; i++) {
        const ZipEntry *entry = &z->entries[i];
        if (i && !by_name(entry - 1, entry)) return bad_entry(e, entry, "it occurs twice");
        if (crc_of(entry->data, entry->bytes) != entry->crc)
            return bad_entry(e, entry, "its bytes do not have the stored CRC-32: the file is damaged");
    }
    return 0;
}

static int read_all(Zip *z, const char *data, size_t bytes, bool packed, Err *e)
{
    Directory d;
    *z = (Zip){0};
    TRY(read_end(data, bytes, &d, e));
    z->entries = mem_alloc(mem_product(d.count, sizeof *z->entries), e);
    int failed = z->entries ? 0 : ERR_NOMEM;
    uint64_t at = d.offset;
    while (!failed && (uint64_t)z->count < d.count) failed = read_entry(z, data, &d, &at, packed, e);
    if (!failed) {
        qsort(z->entries, (size_t)z->count, sizeof *z->entries, by_name);
        failed = check_overlap(z, d.offset, e);
        if (!failed && !packed) failed = check_entries(z, e);
    }
    if (failed) zip_free(z);
    return failed;
}

int zip_read(Zip *z, const char *data, size_t bytes, Err *e) { return read_all(z, data, bytes, false, e); }

int zip_read_packed(Zip *z, const char *data, size_t bytes, Err *e) { return read_all(z, data, bytes, true, e); }

/* Inflates in pieces, because zlib counts in 32 bits. */
static int inflate_entry(z_stream *s, const ZipEntry *entry, unsigned char *to, Err *e)
{
    enum { PIECE = 1 << 30 };
    size_t in = entry->bytes, out = entry->unpacked;
    int code = Z_OK;
    s->next_in = (unsigned char *)(uintptr_t)entry->data;
    s->next_out = to;
    while (code == Z_OK) {
        const uInt in_piece = s->avail_in = in < PIECE ? (uInt)in : PIECE;
        const uInt out_piece = s->avail_out = out < PIECE ? (uInt)out : PIECE;
        code = inflate(s, Z_NO_FLUSH);
        in -= in_piece - s->avail_in;
        out -= out_piece - s->avail_out;
        if (code == Z_OK && in_piece == s->avail_in && out_piece == s->avail_out) break;
    }
    return code == Z_STREAM_END && !out ? 0 : bad_entry(e, entry, "its compressed bytes are damaged");
}

int zip_unpack(const ZipEntry *entry, void *to, Err *e)
{
    z_stream s = {0};
    if (!entry->deflated) memcpy(to, entry->data, entry->bytes);
    else {
        if (inflateInit2(&s, -MAX_WBITS) != Z_OK) return err_set(e, ERR_NOMEM, "not enough memory to unpack");
        const int code = inflate_entry(&s, entry, to, e);
        inflateEnd(&s);
        if (code) return code;
    }
    return crc_of(to, entry->unpacked) == entry->crc
               ? 0
               : bad_entry(e, entry, "its bytes do not have the stored CRC-32: the file is damaged");
}

const ZipEntry *zip_find(const Zip *z, const char *name)
{
    const ZipEntry wanted = {.name = name, .name_bytes = strlen(name)};
    return z->count ? bsearch(&wanted, z->entries, (size_t)z->count, sizeof wanted, by_name) : NULL;
}

void zip_free(Zip *z)
{
    mem_free(z->entries);
    *z = (Zip){0};
}

/* ---- writing: sizes and offsets are always in zip64 fields, so that there is one form only ---- */

int zip_add(Zip *z, OutFile *f, const char *name, const void *data, size_t bytes, Err *e)
{
    static const char zeros[MEM_ALIGN];
    unsigned char header[LOCAL_BYTES + LOCAL_EXTRA + 4] = {0};
    TRY(mem_grow_list(&z->entries, z->count, sizeof *z->entries, e));
    ZipEntry entry = {.name = name,
                      .name_bytes = strlen(name),
                      .data = data,
                      .bytes = bytes,
                      .crc = crc_of(data, bytes),
                      .offset = f->written,
                      .unpacked = bytes};
    const uint64_t padding = -(f->written + sizeof header + entry.name_bytes) % MEM_ALIGN;
    bytes_put_le(header, 4, LOCAL);
    bytes_put_le(header + 4, 2, VERSION_ZIP64);
    bytes_put_le(header + 6, 2, 1 << 11); /* the name is UTF-8 */
    bytes_put_le(header + 14, 4, entry.crc);
    bytes_put_le(header + 18, 8, UINT64_MAX); /* both sizes saturated */
    bytes_put_le(header + 26, 2, entry.name_bytes);
    bytes_put_le(header + 28, 2, LOCAL_EXTRA + 4 + padding);
    unsigned char *extra = header + LOCAL_BYTES;
    bytes_put_le(extra, 2, EXTRA_ZIP64);
    bytes_put_le(extra + 2, 2, 16);
    bytes_put_le(extra + 4, 8, bytes);
    bytes_put_le(extra + 12, 8, bytes);
    bytes_put_le(extra + 20, 2, EXTRA_PADDING);
    bytes_put_le(extra + 22, 2, padding);
    TRY(file_write(f, header, LOCAL_BYTES, e));
    TRY(file_write(f, name, entry.name_bytes, e));
    TRY(file_write(f, extra, LOCAL_EXTRA + 4, e));
    TRY(file_write(f, zeros, padding, e));
    TRY(file_write(f, data, bytes, e));
    z->entries[z->count++] = entry;
    return 0;
}

static int write_record(const ZipEntry *entry, OutFile *f, Err *e)
{
    unsigned char record[CENTRAL_BYTES + CENTRAL_EXTRA] = {0};
    bytes_put_le(record, 4, CENTRAL);
    bytes_put_le(record + 4, 2, VERSION_ZIP64);
    bytes_put_le(record + 6, 2, VERSION_ZIP64);
    bytes_put_le(record + 8, 2, 1 << 11);
    bytes_put_le(record + 16, 4, entry->crc);
    bytes_put_le(record + 20, 8, UINT64_MAX);
    bytes_put_le(record + 28, 2, entry->name_bytes);
    bytes_put_le(record + 30, 2, CENTRAL_EXTRA);
    bytes_put_le(record + 42, 4, SATURATED);
    unsigned char *extra = record + CENTRAL_BYTES;
    bytes_put_le(extra, 2, EXTRA_ZIP64);
    bytes_put_le(extra + 2, 2, 24);
    bytes_put_le(extra + 4, 8, entry->bytes);
    bytes_put_le(extra + 12, 8, entry->bytes);
    bytes_put_le(extra + 20, 8, entry->offset);
    TRY(file_write(f, record, CENTRAL_BYTES, e));
    TRY(file_write(f, entry->name, entry->name_bytes, e));
    return file_write(f, extra, CENTRAL_EXTRA, e);
}

int zip_finish(const Zip *z, OutFile *f, Err *e)
{
    const uint64_t offset = f->written;
    for (int i = 0; i < z->count; i++) TRY(write_record(&z->entries[i], f, e));
    const uint64_t end64 = f->written;
    unsigned char end[END64_BYTES + LOCATOR_BYTES + END_BYTES] = {0};
    bytes_put_le(end, 4, END64);
    bytes_put_le(end + 4, 8, END64_BYTES - 12);
    bytes_put_le(end + 12, 2, VERSION_ZIP64);
    bytes_put_le(end + 14, 2, VERSION_ZIP64);
    bytes_put_le(end + 24, 8, (uint64_t)z->count);
    bytes_put_le(end + 32, 8, (uint64_t)z->count);
    bytes_put_le(end + 40, 8, end64 - offset);
    bytes_put_le(end + 48, 8, offset);
    unsigned char *locator = end + END64_BYTES, *last = locator + LOCATOR_BYTES;
    bytes_put_le(locator, 4, LOCATOR);
    bytes_put_le(locator + 8, 8, end64);
    bytes_put_le(locator + 16, 4, 1);
    bytes_put_le(last, 4, END);
    bytes_put_le(last + 8, 4, SATURATED);   /* both counts */
    bytes_put_le(last + 12, 8, UINT64_MAX); /* size and offset */
    return file_write(f, end, sizeof end, e);
}
