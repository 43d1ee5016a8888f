/* data/byte_pack.h: packed bytes are those of any reader, and the same for every number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "data/byte_stream.h"

enum { PIECE = 1 << 18, MOST = 18 * PIECE + 5 };

/* Labels: long runs, and some noise; or noise alone, which cannot be packed. */
static uint8_t *bytes_of(size_t count, bool noise)
{
    uint8_t *bytes = malloc(count + 1);
    Rng r = rng_make(3, 0, 0, (uint32_t)count, RNG_TEST);
    for (size_t i = 0; i < count; i++) {
        const uint32_t drawn = rng_below(&r, 256);
        bytes[i] = (uint8_t)(noise || drawn < 8 ? drawn : i / 700 % 5);
    }
    return bytes;
}

static void expect_unpacked(const void *packed, size_t packed_bytes, bool gzip, const uint8_t *wanted, size_t count)
{
    uint8_t *found = malloc(count + 1);
    z_stream z = {.next_in = (uint8_t *)packed,
                  .avail_in = (unsigned)packed_bytes,
                  .next_out = found,
                  .avail_out = (unsigned)count + 1};
    assert_int_equal(inflateInit2(&z, MAX_WBITS + (gzip ? 16 : 0)), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END); /* which compares the check and the length */
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, count);
    assert_memory_equal(found, wanted, count);
    inflateEnd(&z);
    free(found);
}

static void every_reader_unpacks_them(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 1000, PIECE - 1, PIECE, PIECE + 1, 16 * PIECE, MOST};
    for (size_t n = 0; n < 2 * sizeof counts / sizeof *counts; n++) {
        const size_t count = counts[n / 2];
        const bool noise = n % 2;
        uint8_t *bytes = bytes_of(count, noise);
        for (int gzip = 0; gzip < 2; gzip++) {
            void *packed;
            size_t packed_bytes;
            assert_int_equal(bytes_pack(&packed, &packed_bytes, bytes, count, gzip, NULL), 0);
            assert_true(packed_bytes <= pack_bound(count));
            expect_unpacked(packed, packed_bytes, gzip, bytes, count);
            mem_free(packed);
        }
        free(bytes);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    const int before = omp_get_max_threads();
    uint8_t *bytes = bytes_of(MOST, false);
    void *one, *many;
    size_t one_bytes, many_bytes;
    omp_set_num_threads(1);
    assert_int_equal(bytes_pack(&one, &one_bytes, bytes, MOST, true, NULL), 0);
    for (int threads = 2; threads <= 5; threads++) {
        omp_set_num_threads(threads);
        assert_int_equal(bytes_pack(&many, &many_bytes, bytes, MOST, true, NULL), 0);
        assert_int_equal(many_bytes, one_bytes);
        assert_memory_equal(many, one, one_bytes);
        mem_free(many);
    }
    omp_set_num_threads(before);
    mem_free(one);
    free(bytes);
}

/* The dictionary of a piece is what precedes it: so pieces cost hardly anything. */
static void pieces_are_packed_as_well_as_the_whole(void **state)
{
    (void)state;
    uint8_t *bytes = bytes_of(MOST, false), *whole = malloc(compressBound(MOST));
    void *packed;
    size_t packed_bytes;
    unsigned long whole_bytes = compressBound(MOST);
    assert_int_equal(compress(whole, &whole_bytes, bytes, MOST), Z_OK);
    assert_int_equal(bytes_pack(&packed, &packed_bytes, bytes, MOST, false, NULL), 0);
    assert_true((double)packed_bytes < 1.005 * (double)whole_bytes);
    mem_free(packed);
    free(whole);
    free(bytes);
}

static int refuse(void *context, const void *packed, size_t bytes, Err *e)
{
    (void)packed, (void)bytes;
    int *left = context;
    return (*left)-- ? 0 : err_set(e, ERR_IO, "full");
}

static void a_failure_to_write_ends_it(void **state)
{
    (void)state;
    uint8_t *bytes = bytes_of(MOST, false);
    for (int left = 0; left < 21; left++) { /* header, 19 pieces, end */
        Packer p;
        Err e = {ERR_NONE, ""};
        int calls = left, failed = pack_begin(&p, true, refuse, &calls, &e);
        if (!failed) failed = pack_bytes(&p, bytes, MOST, &e);
        if (!failed) failed = pack_end(&p, &e);
        assert_int_equal(failed, ERR_IO);
        assert_int_equal(calls, -1);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reader_unpacks_them),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(pieces_are_packed_as_well_as_the_whole),
        cmocka_unit_test(a_failure_to_write_ends_it),
    };
    return cmocka_run_group_tests_name("byte_pack", tests, NULL, NULL);
}
