/* Zip archives of other programs (weights/zip.h): deflated entries, damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "weights/zip.h"

enum { CONTENT = 5000, ROOM = 16384 };

typedef struct Archive {
    unsigned char bytes[ROOM];
    size_t count;
    size_t packed_size, sizes, checksum; /* where these fields of the first entry are in the directory */
} Archive;

static void put(Archive *a, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) a->bytes[a->count++] = (unsigned char)(value >> 8 * i);
}

static void put_text(Archive *a, const void *text, size_t bytes)
{
    memcpy(a->bytes + a->count, text, bytes);
    a->count += bytes;
}

static size_t deflated(unsigned char *to, size_t room, const unsigned char *from, size_t count)
{
    z_stream s = {0};
    assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    s.next_in = (unsigned char *)(uintptr_t)from, s.avail_in = (uInt)count;
    s.next_out = to, s.avail_out = (uInt)room;
    assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    return room - s.avail_out;
}

static void content_of(unsigned char content[CONTENT])
{
    for (int i = 0; i < CONTENT; i++) content[i] = (unsigned char)(i * i >> 7);
}

/* The entry "a" is deflated; its local header has no sizes, as zip writes it into a pipe. "b" is stored. */
static void make(Archive *a)
{
    static unsigned char content[CONTENT], packed[ROOM];
    content_of(content);
    const size_t size = deflated(packed, sizeof packed, content, CONTENT);
    const uint32_t crc = (uint32_t)crc32(0, content, CONTENT);
    memset(a, 0, sizeof *a);
    for (int k = 0; k < 2; k++) {
        put(a, 0x04034b50, 4), put(a, 20, 2), put(a, k ? 0 : 8, 2), put(a, k ? 0 : 8, 2), put(a, 0, 4);
        put(a, k ? crc32(0, (const unsigned char *)"stored", 6) : 0, 4), put(a, k ? 6 : 0, 4), put(a, k ? 6 : 0, 4);
        put(a, 1, 2), put(a, 0, 2), put_text(a, k ? "b" : "a", 1);
        if (k) put_text(a, "stored", 6);
        else put_text(a, packed, size);
    }
    const size_t directory = a->count;
    for (int k = 0; k < 2; k++) {
        put(a, 0x02014b50, 4), put(a, 20, 2), put(a, 20, 2), put(a, k ? 0 : 8, 2), put(a, k ? 0 : 8, 2), put(a, 0, 4);
        if (!k) a->checksum = a->count;
        put(a, k ? crc32(0, (const unsigned char *)"stored", 6) : crc, 4);
        if (!k) a->packed_size = a->count, a->sizes = a->count + 4;
        put(a, k ? 6 : size, 4), put(a, k ? 6 : CONTENT, 4);
        put(a, 1, 2), put(a, 0, 2), put(a, 0, 2), put(a, 0, 2), put(a, 0, 2), put(a, 0, 4);
        put(a, k ? 31 + size : 0, 4), put_text(a, k ? "b" : "a", 1);
    }
    const size_t end = a->count;
    put(a, 0x06054b50, 4), put(a, 0, 4), put(a, 2, 2), put(a, 2, 2), put(a, end - directory, 4), put(a, directory, 4);
    put(a, 0, 2);
}

/* Reads and unpacks everything; the first failure. */
static int read_everything(const void *bytes, size_t count, Err *e)
{
    Zip z;
    TRY(zip_read_packed(&z, bytes, count, e));
    int code = 0;
    for (int i = 0; i < z.count && !code; i++) {
        unsigned char *to = malloc(z.entries[i].unpacked + 1);
        assert_non_null(to);
        code = zip_unpack(&z.entries[i], to, e);
        free(to);
    }
    zip_free(&z);
    return code;
}

static void reads_both_methods(void **state)
{
    (void)state;
    static Archive a;
    static unsigned char content[CONTENT], found[CONTENT];
    Zip z;
    Err e;
    make(&a);
    content_of(content);
    assert_int_equal(zip_read_packed(&z, (const char *)a.bytes, a.count, &e), 0);
    assert_int_equal(z.count, 2);
    assert_int_equal(z.entries[0].unpacked, CONTENT);
    assert_int_equal(zip_unpack(&z.entries[0], found, &e), 0);
    assert_memory_equal(found, content, CONTENT);
    assert_int_equal(zip_unpack(&z.entries[1], found, &e), 0);
    assert_memory_equal(found, "stored", 6);
    zip_free(&z);
    /* PyTorch's archives have stored entries only. */
    assert_int_equal(zip_read(&z, (const char *)a.bytes, a.count, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "compressed"));
}

static void change(Archive *a, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++) a->bytes[at + (size_t)i] = (unsigned char)(value >> 8 * i);
}

static void refuses_what_contradicts(void **state)
{
    (void)state;
    static Archive a;
    Err e;
    make(&a);
    change(&a, a.checksum, 1);
    assert_int_equal(read_everything(a.bytes, a.count, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "CRC-32"));
    for (int k = -1; k <= 1; k += 2) { /* more, or less, than the entry has */
        make(&a);
        change(&a, a.sizes, (uint32_t)(CONTENT + k));
        assert_int_equal(read_everything(a.bytes, a.count, &e), ERR_FORMAT);
        assert_non_null(strstr(e.text, "'a': its compressed bytes are damaged"));
    }
    make(&a);
    change(&a, a.sizes, 4000000000u); /* no memory is taken for it */
    assert_int_equal(read_everything(a.bytes, a.count, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "its sizes contradict each other"));
    make(&a);
    a.bytes[30] = a.bytes[a.checksum + 30] = '\n'; /* both names: a message stays one line */
    change(&a, a.checksum, 1);
    assert_int_equal(read_everything(a.bytes, a.count, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "'?': "));
}

static void refuses_entries_that_overlap(void **state)
{
    (void)state;
    enum { RECORD = 47, SIZES_AT = 24 };
    static Archive a;
    Err e;
    make(&a);
    unsigned char *directory = a.bytes + a.sizes - SIZES_AT;
    memcpy(directory + RECORD, directory, RECORD); /* two records, one place */
    assert_int_equal(read_everything(a.bytes, a.count, &e), ERR_FORMAT);
    assert_non_null(strstr(e.text, "'a': it overlaps other entries"));
}

static void survives_damage(void **state)
{
    (void)state;
    static Archive a, damaged;
    Err e;
    make(&a);
    for (size_t count = 0; count < a.count; count++) assert_int_not_equal(read_everything(a.bytes, count, &e), 0);
    for (size_t at = 0; at < a.count; at++) { /* any outcome but a crash or a foreign read */
        damaged = a;
        damaged.bytes[at] ^= 0x81;
        (void)read_everything(damaged.bytes, a.count, &e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_both_methods), cmocka_unit_test(refuses_what_contradicts),
                                       cmocka_unit_test(refuses_entries_that_overlap),
                                       cmocka_unit_test(survives_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
