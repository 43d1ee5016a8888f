/* WeightsFile and the safetensors format: round trip, layout, and all kinds of wrong headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/import.h"
#include "tests/support/exists.h"
#include "tests/support/folder.h"
#include "weights/safetensors.h"

static char path[64];

static int make_folder(void **state)
{
    if (test_folder_make(state)) return -1;
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    return 0;
}

static void everything_comes_back(void **state)
{
    (void)state;
    Err e = {0};
    WeightsFile w = {0};
    unsigned char numbers[8 * 6];
    for (size_t i = 0; i < sizeof numbers; i++) numbers[i] = (unsigned char)(37 * i);
    const int64_t shape[] = {2, 3}, empty[] = {0, 3};
    for (int d = 0; d < DTYPE_COUNT; d++) {
        char name[32];
        snprintf(name, sizeof name, "a.%s", dtype_name((DType)d));
        assert_int_equal(weights_add(&w, name, array_view((DType)d, 2, shape, numbers), &e), 0);
    }
    const Array scalar = array_view(DTYPE_F32, 0, shape, numbers);
    assert_int_equal(weights_add(&w, "scalar \"\\\n\x01\u043a\U0001f600", scalar, &e), 0);
    assert_int_equal(weights_add(&w, "empty", array_view(DTYPE_F64, 2, empty, NULL), &e), 0);
    assert_int_equal(weights_note(&w, &e, "epoch", "%d", 6), 0);
    assert_int_equal(weights_note(&w, &e, "epoch", "%d", 7), 0);
    assert_int_equal(weights_note(&w, &e, "ema", "%.17g", 0.1), 0);
    assert_int_equal(safetensors_write(&w, path, &e), 0);

    WeightsFile back;
    assert_int_equal(safetensors_open(&back, path, &e), 0);
    assert_int_equal(back.count, w.count);
    for (int i = 0; i < w.count; i++) {
        const Array *a = &w.tensors[i].array, *b = weights_find(&back, w.tensors[i].name);
        assert_non_null(b);
        assert_string_equal(w.tensors[i].name, back.tensors[i].name);
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->rank, b->rank);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        assert_int_equal(b->owner, ARRAY_VIEW); /* our layout needs no copy */
        if (array_bytes(a)) assert_memory_equal(a->data, b->data, array_bytes(a));
    }
    int64_t epoch;
    double ema;
    assert_int_equal(weights_note_integer(&back, "epoch", &epoch, &e), 0);
    assert_int_equal(epoch, 7);
    assert_int_equal(weights_note_number(&back, "ema", &ema, &e), 0);
    assert_true(ema == 0.1);
    assert_int_equal(weights_note_integer(&back, "ema", &epoch, &e), ERR_FORMAT);
    assert_int_equal(weights_note_integer(&back, "none", &epoch, &e), ERR_FORMAT);
    weights_close(&back);
    weights_close(&w);
}

static void writing_refuses_equal_names(void **state)
{
    (void)state;
    Err e = {0};
    WeightsFile w = {0};
    const int64_t shape[] = {1};
    float one = 1.0f;
    assert_int_equal(weights_add(&w, "a", array_view(DTYPE_F32, 1, shape, &one), &e), 0);
    assert_int_equal(weights_add(&w, "a", array_view(DTYPE_F32, 1, shape, &one), &e), 0);
    unlink(path);
    assert_int_equal(safetensors_write(&w, path, &e), ERR_FORMAT);
    assert_false(exists(path));
    weights_close(&w);
}

static void what_is_not_finite_is_named(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_F16, DTYPE_BF16};
    static const uint64_t largest[] = {0xff7fffff, 0x7fefffffffffffff, 0x7bff, 0xff7f};
    static const uint64_t bad[2][4] = {{0x7fc00001, 0xfff0000000000001, 0xfe00, 0x7f81},  /* NaN */
                                       {0x7f800000, 0xfff0000000000000, 0xfc00, 0x7f80}}; /* infinite */
    for (int i = 0; i < 4; i++) {
        Err e = {0};
        WeightsFile w = {0};
        Array a;
        const int64_t shape[] = {3};
        assert_int_equal(array_new(&a, types[i], 1, shape, &e), 0);
        assert_int_equal(weights_add(&w, "layer.weight", a, &e), 0);
        memcpy((char *)a.data + dtype_size(types[i]), &largest[i], dtype_size(types[i]));
        assert_int_equal(weights_refuse_nonfinite(&w, &e), 0);
        for (int k = 0; k < 2; k++) {
            memcpy((char *)a.data + dtype_size(types[i]), &bad[k][i], dtype_size(types[i]));
            assert_int_equal(weights_refuse_nonfinite(&w, &e), ERR_VALUE);
            assert_non_null(strstr(e.text, "'layer.weight': element 1 of 3 is NaN or infinite"));
        }
        weights_close(&w);
    }
}

/* Numbers behind an odd number of bytes are views of the file, too: a large file takes no memory. */
static void unaligned_numbers_are_not_copied(void **state)
{
    (void)state;
    static const char header[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                 "\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[1,17]}}";
    Err e = {0};
    WeightsFile w;
    char file[512] = {0};
    const size_t bytes = (strlen(header) + 7) / 8 * 8;
    const double values[] = {0.5, -3};
    float read[2];
    file[0] = (char)bytes;
    memset(file + 8, ' ', bytes);
    memcpy(file + 8, header, strlen(header));
    memcpy(file + 8 + bytes + 1, values, sizeof values);
    assert_int_equal(file_put(path, file, 8 + bytes + 1 + sizeof values, &e), 0);
    if (safetensors_open(&w, path, &e)) fail_msg("%s", e.text);
    const Array *a = weights_find(&w, "a");
    assert_int_equal(a->owner, ARRAY_VIEW);
    assert_true((uintptr_t)a->data % sizeof(double) != 0);
    assert_int_equal(weights_refuse_nonfinite(&w, &e), 0);
    import_read(read, a);
    assert_true(read[0] == 0.5f && read[1] == -3.0f);
    weights_close(&w);
}

#define TENSOR(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

/* Opens a file of that header (with the right length unless given) and that many bytes of data. */
static int open_header(const char *header, size_t numbers, int64_t length, Err *e)
{
    char file[4096] = {0};
    const uint64_t bytes = strlen(header), said = length ? (uint64_t)length : bytes;
    for (int i = 0; i < 8; i++) file[i] = (char)(said >> 8 * i);
    memcpy(file + 8, header, bytes);
    assert_int_equal(file_put(path, file, 8 + bytes + numbers, e), 0);
    WeightsFile w;
    const int failed = safetensors_open(&w, path, e);
    if (!failed) weights_close(&w);
    return failed;
}

static void a_lying_header_length_is_refused(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 3, 100, INT64_MAX, -1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Err e = {0};
        assert_int_equal(open_header("{}", 0, lengths[i], &e), ERR_FORMAT);
        assert_non_null(strstr(e.text, "header"));
    }
}

static void lying_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t numbers;
        const char *says; /* part of the message; NULL: a good file */
    } cases[] = {
        {"{" TENSOR("a", "F32", "2", "0,8") "}  ", 8, NULL},
        {"{" TENSOR("a", "F32", "", "0,4") ", \"__metadata__\" : {\"k\":\"\\u00e9\"}}", 4, NULL},
        {"{}", 0, NULL},
        {"{" TENSOR("b", "U8", "1", "0,1") "," TENSOR("a", "F32", "2", "1,9") "}", 9, NULL}, /* unaligned */
        {"", 0, "header byte 0"},
        {"{}", 3, "3 bytes behind"},
        {"[]", 0, "expected '{'"},
        {"{" TENSOR("a", "F32", "2", "0,8") "", 8, "',' or '}'"},
        {"{" TENSOR("a", "F32", "2", "0,8") "} x", 8, "nothing but spaces"},
        {"{" TENSOR("a", "F32", "3", "0,8") "}", 8, "tensor 'a': bytes 0 to 8 do not fit"},
        {"{" TENSOR("a", "F32", "2", "0,8") "}", 4, "'a': its bytes 0 to 8 reach beyond"},
        {"{" TENSOR("a", "F32", "2", "8,0") "}", 8, "tensor 'a'"},
        {"{" TENSOR("a", "F32", "1", "4,8") "}", 8, "leave a gap"},
        {"{" TENSOR("a", "F32", "2", "0,8") "," TENSOR("b", "F32", "1", "4,8") "}", 8,
         "tensor 'b': its bytes 4 to 8 overlap"},
        {"{" TENSOR("a", "F32", "1", "0,4") "," TENSOR("a", "F32", "1", "4,8") "}", 8, "'a' occurs twice"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "note 'k' occurs twice"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "metadata is text"},
        {"{" TENSOR("a", "F32", "4611686018427387904,4", "0,0") "}", 0, "do not fit"},
        {"{" TENSOR("a", "F32", "4611686018427387904,4611686018427387904,0", "0,0") "}", 0, "do not fit"},
        {"{" TENSOR("a", "F32", "99999999999999999999", "0,0") "}", 0, "below 2^63"},
        {"{" TENSOR("a", "F32", "-1", "0,4") "}", 4, "integer >= 0"},
        {"{" TENSOR("a", "F32", "01", "0,4") "}", 4, "leading zeros"},
        {"{" TENSOR("a", "F32", "1.0", "0,4") "}", 4, "',' or ']'"},
        {"{" TENSOR("a", "F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, "fewer integers"},
        {"{" TENSOR("a", "F32", "1", "0") "}", 4, "two offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor 'a': expected dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, "field 'dtype'"},
        {"{\"a\":{\"extra\":1}}", 4, "field 'extra'"},
        {"{" TENSOR("a", "C64", "1", "0,8") "}", 8, "tensor 'a': type 'C64'"},
        {"{\"a\xff\":{}}", 0, "UTF-8"},
        {"{\"a\nb\":{}}", 0, "end of a string"},
        {"{\"\\ud800\":{}}", 0, "a valid character"},
        {"{\"\\u0000\":{}}", 0, "a valid character"},
        {"{\"\\x\":{}}", 0, "escape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        const int failed = open_header(cases[i].header, cases[i].numbers, 0, &e);
        assert_true(!failed == !cases[i].says);
        if (!failed) continue;
        if (!strstr(e.text, cases[i].says)) print_error("%s\n  expected: %s\n", e.text, cases[i].says);
        assert_non_null(strstr(e.text, cases[i].says));
        assert_ptr_equal(strstr(e.text, path), e.text);
    }
}

/* Every cut and every changed byte of a small file either opens or fails with a message. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"\\u00e9\"}," TENSOR("b", "U8", "1", "0,1") "," TENSOR("a", "F32", "2", "1,9") "}";
    Err e = {0};
    assert_int_equal(open_header(header, 9, 0, &e), 0);
    char *good;
    size_t bytes;
    assert_int_equal(file_get(path, &good, &bytes, &e), 0);
    static const unsigned char masks[] = {0x01, 0x20, 0x80, 0xff};
    WeightsFile w;
    for (size_t cut = 0; cut < bytes; cut++) {
        err_clear(&e);
        assert_int_equal(file_put(path, good, cut, &e), 0);
        assert_true(safetensors_open(&w, path, &e) < 0 && e.text[0]);
    }
    for (size_t i = 0; i < bytes; i++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            good[i] ^= (char)masks[m];
            assert_int_equal(file_put(path, good, bytes, &e), 0);
            if (safetensors_open(&w, path, &e)) assert_true(e.text[0]);
            else weights_close(&w);
            good[i] ^= (char)masks[m];
        }
    }
    mem_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(writing_refuses_equal_names),
        cmocka_unit_test(what_is_not_finite_is_named),
        cmocka_unit_test(unaligned_numbers_are_not_copied),
        cmocka_unit_test(a_lying_header_length_is_refused),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, make_folder, test_folder_remove);
}
