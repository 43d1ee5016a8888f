/* data/: .npy files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"

static char folder[] = "/tmp/test_data.XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void npy_round_trip(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        for (int rank = 0; rank <= 4; rank++) {
            const int64_t shape[4] = {3, 1, 5, 2};
            Array a, b;
            assert_int_equal(array_new(&a, (DType)dtype, rank, shape, NULL), 0);
            for (size_t i = 0; i < array_bytes(&a); i++) ((uint8_t *)a.data)[i] = (uint8_t)(i * 37);
            assert_int_equal(npy_write(in_folder("a.npy"), &a, NULL), 0);
            assert_int_equal(npy_read(&b, in_folder("a.npy"), NULL), 0);
            assert_int_equal(b.owner, ARRAY_MAPPED);
            assert_int_equal(b.dtype, a.dtype);
            assert_int_equal(b.rank, a.rank);
            assert_memory_equal(b.shape, a.shape, sizeof a.shape);
            assert_memory_equal(b.data, a.data, array_bytes(&a));
            array_free(&a);
            array_free(&b);
        }
    }
}

static int read_npy_text(char version, const char *header, const char *data, size_t data_bytes, Array *a, Err *e)
{
    char bytes[1024] = "\x93NUMPY";
    const size_t length = strlen(header), start = version == 1 ? 10 : 12;
    bytes[6] = version;
    bytes[8] = (char)length;
    memcpy(bytes + start, header, length);
    memcpy(bytes + start + length, data, data_bytes);
    assert_int_equal(file_put(in_folder("b.npy"), bytes, start + length + data_bytes, e), 0);
    return npy_read(a, in_folder("b.npy"), e);
}

static void npy_reads_all_headers(void **state)
{
    (void)state;
    const int16_t values[3] = {-5, 7, 300};
    for (char version = 1; version <= 3; version++) {
        Array a;
        Err e = {0};
        assert_int_equal(read_npy_text(version, "{\"shape\":( 3, ),'fortran_order':False , 'descr': '<i2'}\n",
                                       (const char *)values, sizeof values, &a, &e), 0);
        assert_int_equal(a.dtype, DTYPE_I16);
        assert_int_equal(a.rank, 1);
        assert_memory_equal(a.data, values, sizeof values);
        array_free(&a);
    }
}

static void npy_refuses_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *header, *says;
        ErrCode code;
    } cases[] = {
        {"{'descr': '>i2', 'fortran_order': False, 'shape': (3,)}", ">i2", ERR_UNSUPPORTED},
        {"{'descr': '<i2', 'fortran_order': True, 'shape': (3,)}", "Fortran", ERR_UNSUPPORTED},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (4,)}", "8 bytes", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "bytes", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999999999999,)}", "2^63", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (-3,)}", "extent", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "axes", ERR_SHAPE},
        {"{'descr': '<i2', 'shape': (3,)}", "fortran_order", ERR_FORMAT},
        {"{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (3,)}", "string", ERR_FORMAT},
        {"{'descr': '<i2', 'fortran_order': False, 'shape': (3,)", "}", ERR_FORMAT},
        {"{'descr': '<i2", "string", ERR_FORMAT},
        {"", "{", ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Array a;
        Err e = {0};
        assert_int_equal(read_npy_text(1, cases[i].header, "abcdef", 6, &a, &e), cases[i].code);
        assert_non_null(strstr(e.text, cases[i].says));
        assert_non_null(strstr(e.text, "b.npy"));
        assert_null(a.data);
    }
}

static void npy_refuses_cut_files(void **state)
{
    (void)state;
    const int64_t shape[1] = {4};
    Array a;
    assert_int_equal(array_new(&a, DTYPE_F64, 1, shape, NULL), 0);
    assert_int_equal(npy_write(in_folder("whole.npy"), &a, NULL), 0);
    array_free(&a);
    char *bytes;
    size_t count;
    assert_int_equal(file_get(in_folder("whole.npy"), &bytes, &count, NULL), 0);
    for (size_t cut = 0; cut < count; cut++) {
        Err e = {0};
        assert_int_equal(file_put(in_folder("cut.npy"), bytes, cut, NULL), 0);
        assert_int_equal(npy_read(&a, in_folder("cut.npy"), &e), ERR_FORMAT);
    }
    mem_free(bytes);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    FileList list;
    if (file_list(&list, folder, NULL)) return -1;
    for (int i = 0; i < list.count; i++) unlink(in_folder(list.names[i]));
    file_list_free(&list);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_round_trip),
        cmocka_unit_test(npy_reads_all_headers),
        cmocka_unit_test(npy_refuses_bad_files),
        cmocka_unit_test(npy_refuses_cut_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
