/* Zip archives of any program, with deflated entries, as a client sends a DICOM series. */
#include "weights/zip.h"

#include "base/memory.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 20 }; /* larger entries would only take time */

static bool run(const uint8_t *data, size_t bytes)
{
    Zip z;
    Err e = {0};
    size_t all = 0;
    if (!fuzz_done(zip_read_packed(&z, (const char *)data, bytes, &e), &e)) return false;
    for (int i = 0; i < z.count; i++) {
        const ZipEntry *entry = &z.entries[i];
        FUZZ_EXPECT(entry->unpacked / 1032 <= entry->bytes && (all += entry->bytes) <= bytes);
        void *content = entry->unpacked <= MOST ? mem_alloc(entry->unpacked, &e) : NULL;
        if (content && fuzz_done(zip_unpack(entry, content, &e), &e)) fuzz_touch(content, entry->unpacked);
        mem_free(content);
    }
    zip_free(&z);
    return true;
}

/* As `zip` writes two files: one deflated ("aaaaaaaaaaaaaaaa"), one stored ("b"). */
static int seed(const char *folder, Err *e)
{
    static const uint8_t archive[] = {
        0x50, 0x4b, 0x03, 0x04, 0x14, 0,    0,    0,    0x08, 0,    0,    0,    0x21, 0,    0xd5, 0x68, 0xd6,
        0xcf, 0x05, 0,    0,    0,    0x10, 0,    0,    0,    0x01, 0,    0,    0,    0x61, 0x4b, 0x4c, 0x44,
        0x05, 0,    0x50, 0x4b, 0x03, 0x04, 0x14, 0,    0,    0,    0,    0,    0,    0,    0x21, 0,    0xf9,
        0xef, 0xbe, 0x71, 0x01, 0,    0,    0,    0x01, 0,    0,    0,    0x01, 0,    0,    0,    0x62, 0x62,
        0x50, 0x4b, 0x01, 0x02, 0x14, 0,    0x14, 0,    0,    0,    0x08, 0,    0,    0,    0x21, 0,    0xd5,
        0x68, 0xd6, 0xcf, 0x05, 0,    0,    0,    0x10, 0,    0,    0,    0x01, 0,    0,    0,    0,    0,
        0,    0,    0,    0,    0,    0,    0x80, 0x01, 0,    0,    0,    0,    0x61, 0x50, 0x4b, 0x01, 0x02,
        0x14, 0,    0x14, 0,    0,    0,    0,    0,    0,    0,    0x21, 0,    0xf9, 0xef, 0xbe, 0x71, 0x01,
        0,    0,    0,    0x01, 0,    0,    0,    0x01, 0,    0,    0,    0,    0,    0,    0,    0,    0,
        0,    0,    0x80, 0x01, 0x24, 0,    0,    0,    0x62, 0x50, 0x4b, 0x05, 0x06, 0,    0,    0,    0,
        0x02, 0,    0x02, 0,    0x5e, 0,    0,    0,    0x44, 0,    0,    0,    0,    0};
    return file_put(fuzz_seed_path(folder, "two.zip"), archive, sizeof archive, e);
}

const FuzzTarget fuzz_target_zip = {"zip", run, seed, NULL};
