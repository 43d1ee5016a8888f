/* Values in files at the limits of their types. For the sanitizers (make check VARIANT=asan), since undefined behaviour
 * often gives the right result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/npy.h"
#include "preprocess/volume.h"
#include "tests/support/says.h"
#include "weights/zip.h"

static char path[] = "/tmp/test_limits_XXXXXX";

static int make_file(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* A .npy file of version 1 with that shape and so many bytes of data behind. */
static int read_npy(const char *shape, const char *type, size_t data_bytes, Array *a, Err *e)
{
    char bytes[512] = "\x93NUMPY\x01\x00";
    snprintf(bytes + 10, sizeof bytes - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s)}", type, shape);
    const size_t text = 10 + strlen(bytes + 10), length = (text + 63) / 64 * 64 - 10;
    memset(bytes + text, ' ', 10 + length - text);
    bytes[8] = (char)length;
    assert_true(length < 128 && 10 + length + data_bytes < sizeof bytes);
    memset(bytes + 10 + length, 7, data_bytes);
    assert_int_equal(file_put(path, bytes, 10 + length + data_bytes, NULL), 0);
    return npy_read(a, path, e);
}

static void an_extent_of_zero_hides_no_overflow(void **state)
{
    (void)state;
    static const char *const shapes[] = {"4611686018427387904, 4, 0", "0, 4611686018427387904, 4",
                                         "9223372036854775807, 0",    "4294967296, 0, 4294967296",
                                         "4611686018427387904, 4",    "9223372036854775807, 9223372036854775807, 2"};
    Array a;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        Err e = {0};
        assert_int_equal(read_npy(shapes[i], "<i2", 0, &a, &e), ERR_FORMAT);
        assert_says(&e, path);
    }
    Err e = {0};
    assert_int_equal(read_npy("3, 0, 1000000", "<i2", 0, &a, &e), 0);
    assert_int_equal(array_count(&a), 0);
    array_free(&a);
}

static void a_file_longer_than_its_header_says_is_refused(void **state)
{
    (void)state;
    Array a;
    Err e = {0};
    assert_int_equal(read_npy("3, 2", "<i2", 12, &a, &e), 0);
    array_free(&a);
    assert_int_equal(read_npy("3, 2", "<i2", 13, &a, &e), ERR_FORMAT);
    assert_says(&e, "need 12 bytes of data, the file has 13: there are bytes behind them");
    assert_int_equal(read_npy("3, 2", "<i2", 11, &a, &e), ERR_FORMAT);
    assert_says(&e, "it is cut short");
    assert_int_equal(read_npy("3, 0", "<i2", 1, &a, &e), ERR_FORMAT);
}

static void put_le(char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) at[i] = (char)(value >> 8 * i);
}

/* A zip directory of one entry whose zip64 field has the entry's offset. */
static size_t zip_with_offset(char *bytes, uint64_t offset)
{
    memset(bytes, 0, 200);
    put_le(bytes, 0x02014b50, 4);
    put_le(bytes + 28, 1, 2);          /* name */
    put_le(bytes + 30, 12, 2);         /* extra */
    put_le(bytes + 42, 0xffffffff, 4); /* offset: in the extra field */
    bytes[46] = 'a';
    put_le(bytes + 47, 1, 2);
    put_le(bytes + 49, 8, 2);
    put_le(bytes + 51, offset, 8);
    put_le(bytes + 59, 0x06054b50, 4);
    put_le(bytes + 59 + 8, 1, 2);
    put_le(bytes + 59 + 10, 1, 2);
    put_le(bytes + 59 + 12, 59, 4);
    return 59 + 22;
}

static void a_zip_entry_beyond_the_address_space_is_refused(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 29, 59, 1};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        char bytes[200];
        Zip z;
        Err e = {0};
        const size_t count = zip_with_offset(bytes, offsets[i]);
        assert_int_equal(zip_read(&z, bytes, count, &e), ERR_FORMAT);
        assert_says(&e, "no local header");
    }
}

/* Voxels of any type at any address, as a mapped file may have them. */
static void volumes_copy_at_odd_addresses(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_U8, DTYPE_I16, DTYPE_F32, DTYPE_F64};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char from[2 * 3 * 4 * 8 + 1], to[sizeof from];
        const int64_t shape[] = {2, 3, 4};
        for (size_t k = 0; k < sizeof from; k++) from[k] = (char)(3 * k);
        const Array a = array_view(types[i], 3, shape, from + 1), b = array_view(types[i], 3, shape, to + 1);
        const Volume source = volume_of_array(&a), target = volume_of_array(&b);
        volume_copy(&source, &target);
        assert_memory_equal(from + 1, to + 1, array_bytes(&a));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_extent_of_zero_hides_no_overflow),
        cmocka_unit_test(a_file_longer_than_its_header_says_is_refused),
        cmocka_unit_test(a_zip_entry_beyond_the_address_space_is_refused),
        cmocka_unit_test(volumes_copy_at_odd_addresses),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
