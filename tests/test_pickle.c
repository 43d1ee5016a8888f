/* The pickle machine: the values of valid pickles, and the errors of hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tests/support/says.h"
#include "weights/pickle.h"

#define BYTES(literal) literal, sizeof(literal) - 1

static Pickle read_good(const char *bytes, size_t count)
{
    Err e = {0};
    Pickle p;
    size_t used = 0;
    if (pickle_read(&p, bytes, count, &used, &e)) fail_msg("refused: %s", e.text);
    assert_int_equal(used, count);
    return p;
}

static void numbers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        int64_t integer;
    } cases[] = {
        {BYTES("\x80\x02K\xff."), 255},
        {BYTES("M\xff\xff."), 65535},
        {BYTES("J\xfe\xff\xff\xff."), -2},
        {BYTES("\x8a\x01\xff."), -1},
        {BYTES("\x8a\x00."), 0},
        {BYTES("\x8b\x02\0\0\0\x00\x80."), -32768},
        {BYTES("\x8a\x08\0\0\0\0\0\0\0\x80."), INT64_MIN},
        {BYTES("\x95\4\0\0\0\0\0\0\0K\x07."), 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Pickle p = read_good(cases[i].bytes, cases[i].count);
        assert_int_equal(p.root->kind, VALUE_INT);
        assert_true(p.root->integer == cases[i].integer);
        pickle_free(&p);
    }
    Pickle p = read_good(BYTES("G\xbf\xf8\0\0\0\0\0\0."));
    assert_true(p.root->kind == VALUE_FLOAT && p.root->number == -1.5);
    pickle_free(&p);
    p = read_good(BYTES("\x8a\x0al\xfc\x9c"
                        "F\xf9 j\xa8P\x19."));
    assert_true(p.root->kind == VALUE_LONG && p.root->text.bytes == 10);
    pickle_free(&p);
}

static void containers_are_read_and_looked_up(void **state)
{
    (void)state;
    /* {"a": [1, (True, None, b"xy")], 7: {"b": u"é"}, "s": {1}} */
    Pickle p = read_good(BYTES("\x80\x04}(X\1\0\0\0a](K\1\x88NC\2xy\x87"
                               "eK\7}U\1bX\2\0\0\0\xc3\xa9s"
                               "\x8c\1s\x8f(K\1\x90u."));
    assert_int_equal(p.root->kind, VALUE_DICT);
    assert_int_equal(value_at(p.root, "a/0")->integer, 1);
    assert_true(value_at(p.root, "a/1/0")->truth);
    assert_int_equal(value_at(p.root, "a/1/1")->kind, VALUE_NONE);
    assert_memory_equal(value_at(p.root, "a/1/2")->text.data, "xy", 2);
    assert_string_equal(value_at(p.root, "7/b")->text.data, "\u00e9");
    assert_int_equal(value_at(p.root, "s/0")->integer, 1);
    assert_null(value_at(p.root, "a/2"));
    assert_null(value_at(p.root, "a/x"));
    assert_null(value_at(p.root, "a/0/0"));
    assert_null(value_at(p.root, ""));
    assert_null(value_get(p.root, "7/b"));
    assert_null(value_get(NULL, "a"));
    pickle_free(&p);
}

static void known_calls_are_made(void **state)
{
    (void)state;
    Pickle p = read_good(BYTES("ctorch\ndevice\nX\4\0\0\0cudaK\1\x86R."));
    assert_string_equal(p.root->text.data, "cuda:1");
    pickle_free(&p);
    p = read_good(BYTES("ctorch\nSize\n(K\2K\3t\x85R."));
    assert_int_equal(value_at(p.root, "1")->integer, 3);
    pickle_free(&p);
    p = read_good(BYTES("ccollections\nOrderedDict\n]X\1\0\0\0aK\5\x86"
                        "a\x85R}X\1\0\0\0_Nsb."));
    assert_int_equal(value_get(p.root, "a")->integer, 5);
    pickle_free(&p);
    p = read_good(BYTES("c_codecs\nencode\nX\5\0\0\0a\xc2\x80\xc3\xbfX\6\0\0\0latin1\x86R."));
    assert_int_equal(p.root->text.bytes, 3);
    assert_memory_equal(p.root->text.data, "a\x80\xff", 3);
    pickle_free(&p);
}

#define DTYPE(name) "cnumpy\ndtype\n(X\2\0\0\0" name "\x89\x88tR(K\3X\1\0\0\0<NNNJ\xff\xff\xff\xffK\0tb"

static void numpy_values_are_read(void **state)
{
    (void)state;
    Pickle p = read_good(BYTES("cnumpy.core.multiarray\nscalar\n" DTYPE("f8") "C\x08\0\0\0\0\0\0\xf8\x3f\x86R."));
    assert_true(p.root->kind == VALUE_FLOAT && p.root->number == 1.5);
    pickle_free(&p);
    p = read_good(BYTES("cnumpy._core.multiarray\nscalar\n" DTYPE("f2") "C\2\0\xc1\x86R."));
    assert_true(p.root->kind == VALUE_FLOAT && p.root->number == -2.5);
    pickle_free(&p);
    p = read_good(BYTES("cnumpy._core.multiarray\nscalar\n" DTYPE("i2") "C\2\xfe\xff\x86R."));
    assert_true(p.root->kind == VALUE_INT && p.root->integer == -2);
    pickle_free(&p);
    p = read_good(BYTES("cnumpy._core.multiarray\nscalar\n" DTYPE("b1") "C\1\1\x86R."));
    assert_true(p.root->kind == VALUE_BOOL && p.root->truth);
    pickle_free(&p);
    /* An unsupported type (text, objects) becomes an opaque value, and so does an array of that type. */
    p = read_good(BYTES("cnumpy._core.multiarray\nscalar\n" DTYPE("U3") "C\1\1\x86R."));
    assert_int_equal(p.root->kind, VALUE_OBJECT);
    pickle_free(&p);
    p = read_good(BYTES("cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85"
                        "C\1btR"
                        "(K\1K\2K\2\x86" DTYPE("u1") "\x88"
                                                     "C\4\1\2\3\4tb."));
    assert_int_equal(p.root->kind, VALUE_TENSOR);
    assert_int_equal(p.root->tensor->rank, 2);
    assert_int_equal(p.root->tensor->stride[0], 1); /* column-major */
    assert_int_equal(p.root->tensor->stride[1], 2);
    assert_memory_equal(p.root->tensor->storage->data, "\1\2\3\4", 4);
    pickle_free(&p);
}

static void unknown_classes_are_inert(void **state)
{
    (void)state;
    Pickle p = read_good(BYTES("cyacs.config\nCfgNode\n)\x81(K\1K\2u}X\1\0\0\0aNsb."));
    assert_int_equal(p.root->kind, VALUE_OBJECT);
    assert_string_equal(p.root->global.name, "CfgNode");
    pickle_free(&p);
    p = read_good(BYTES("\x8c\5posix\x8c\6system\x93."));
    assert_int_equal(p.root->kind, VALUE_GLOBAL);
    assert_string_equal(p.root->global.module, "posix");
    pickle_free(&p);
}

static void refused(const char *bytes, size_t count, const char *says)
{
    Err e = {0};
    Pickle p;
    if (!pickle_read(&p, bytes, count, NULL, &e)) fail_msg("read, expected: %s", says);
    assert_null(p.blocks);
    assert_says(&e, says);
}

static void bad_pickles_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *says;
    } cases[] = {
        {BYTES(""), "ends within the pickle"},
        {BYTES("N"), "ends within the pickle"},
        {BYTES("\x80\x09N."), "protocol 9"},
        {BYTES("cposix\nsystem\nX\2\0\0\0id\x85R."), "pickle byte 23: it asks to call posix.system"},
        {BYTES("\x8c\x08"
               "builtins\x8c\4eval\x93)R."),
         "call builtins.eval"},
        {BYTES("ctorch._utils\n_rebuild_tensor_v3\n)R."), "call torch._utils._rebuild_tensor_v3"},
        {BYTES("cfoo\nBar\n)\x81)R."), "no function"},
        {BYTES("K\1)\x81."), "no class"},
        {BYTES("(iposix\nsystem\n."), "opcode 0x69"},
        {BYTES("(cposix\nsystem\no."), "opcode 0x6f"},
        {BYTES("\x82\1."), "opcode 0x82"},
        {BYTES("I1\n."), "opcode 0x49"},
        {BYTES("cfoo bar\nx\n."), "without a proper name"},
        {BYTES("K\1K\2\x93."), "without a proper name"},
        {BYTES("cfoo"), "ends within the pickle"},
        {BYTES("X\xff\xff\xff\xff"
               "abc."),
         "ends within the pickle"},
        {BYTES("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"
               "abc."),
         "ends within the pickle"},
        {BYTES("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
               "abc."),
         "ends within the pickle"},
        {BYTES("\x8b\xff\xff\xff\x7f\1."), "ends within the pickle"},
        {BYTES("X\1\0\0\0\xff."), "no UTF-8"},
        {BYTES("r\xff\xff\xff\x7f."), "nothing on the stack"},
        {BYTES("Nr\xff\xff\xff\x7f."), "memo index 2147483647"},
        {BYTES("h\5."), "memo index 5 was never put"},
        {BYTES("."), "nothing on the stack"},
        {BYTES("NN."), "left on its stack"},
        {BYTES("N(."), "nothing on the stack"},
        {BYTES("(0."), "nothing on the stack"},
        {BYTES("N(R."), "nothing on the stack"},
        {BYTES("t."), "no mark"},
        {BYTES("1."), "no mark"},
        {BYTES("Na."), "too little on the stack"},
        {BYTES("N\x86."), "too little on the stack"},
        {BYTES("NNa."), "no container of that kind"},
        {BYTES("}(Nu."), "no container of that kind"},
        {BYTES("(Nd."), "key without a value"},
        {BYTES("(Nu."), "nothing on the stack"},
        {BYTES("]q\0h\0a."), "contain themselves"},
        {BYTES("}(K\1NK\1Nu."), "occurs twice"},
        {BYTES("}(X\1\0\0\0aNX\1\0\0\0aNu."), "key 'a' occurs twice"},
        {BYTES("K\1}b."), "a state for an object that cannot have one"},
        {BYTES("NQ."), "a persistent reference that is no storage"},
        {BYTES("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000NJ\xff\xff\xff\xfftQ."), "without type"},
        {BYTES("(X\7\0\0\0storagecos\nFloatStorage\nX\1\0\0\0000NK\1tQ."), "storage type os.FloatStorage"},
        {BYTES("ctorch._utils\n_rebuild_tensor_v2\n)R."), "unexpected arguments"},
        {BYTES("ctorch._utils\n_rebuild_parameter\nNNN\x87R."), "without a tensor"},
        {BYTES("ctorch\ndevice\n)R."), "a device without a name"},
        {BYTES("ctorch\nSize\nN\x85R."), "a torch.Size"},
        {BYTES("ccollections\nOrderedDict\nN\x85R."), "OrderedDict of no pairs"},
        {BYTES("c_codecs\nencode\nX\1\0\0\0aX\4\0\0\0utf8\x86R."), "latin1"},
        {BYTES("c_codecs\nencode\nX\2\0\0\0\xd0\xbaX\6\0\0\0latin1\x86R."), "beyond latin1"},
        {BYTES("cnumpy.core.multiarray\nscalar\n" DTYPE("f8") "C\1\1\x86R."), "do not fit its type"},
        {BYTES("cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\nNNtR."), "another class"},
        {BYTES("cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nNNtR(K\1K\3\x85" DTYPE("u1") "\x89"
                                                                                                     "C\2ab"
                                                                                                     "tb."),
         "do not fit its type and shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refused(cases[i].bytes, cases[i].count, cases[i].says);
}

#define TENSOR(shape, stride, offset)                                                      \
    "ctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" \
    "0NK\x0ftQ" offset "(" shape "t(" stride "t\x89NtR."

#define TWO_TO_40 "\x8a\6\0\0\0\0\0\1"

/* An extent of 0 does not hide that the product of the others is too large. */
static void extents_do_not_overflow(void **state)
{
    (void)state;
    refused(BYTES(TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\2", "K\0K\0", "K\0")),
            "multiply to more than 2^63");
    refused(BYTES(TENSOR("K\0" TWO_TO_40 TWO_TO_40, "K\1K\1K\1", "K\0")), "multiply to more than 2^63");
    refused(BYTES("cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nNNtR(K\1(" TWO_TO_40 TWO_TO_40
                  "K\0t" DTYPE("u1") "\x89"
                                     "C\0"
                                     "tb."),
            "do not fit its type and shape");
}

static void tensors_stay_within_their_storage(void **state)
{
    (void)state;
    Pickle p = read_good(BYTES(TENSOR("K\3K\5", "K\5K\1", "K\0")));
    assert_int_equal(p.root->tensor->rank, 2);
    assert_int_equal(p.storages->count, 15);
    pickle_free(&p);
    p = read_good(BYTES(TENSOR("", "", "K\x0e")));
    pickle_free(&p);
    p = read_good(BYTES(TENSOR("K\0K\3", "K\3K\1", "K\x0f")));
    pickle_free(&p);
    static const char says[] = "reach beyond its storage '0'";
    refused(BYTES(TENSOR("K\3K\5", "K\5K\1", "K\1")), says);
    refused(BYTES(TENSOR("", "", "K\x0f")), says);
    refused(BYTES(TENSOR("K\0", "K\1", "K\x10")), says);
    refused(BYTES(TENSOR("K\2", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "K\3")), says);
    refused(BYTES(TENSOR("J\xff\xff\xff\xff", "K\1", "K\0")), "negative");
    refused(BYTES(TENSOR("K\2", "J\xff\xff\xff\xff", "K\5")), "negative");
    refused(BYTES(TENSOR("K\2", "K\1", "J\xff\xff\xff\xff")), "unexpected arguments");
    refused(BYTES(TENSOR("K\2", "", "K\0")), "unexpected arguments");
    refused(BYTES(TENSOR("NNNNNNNNN", "NNNNNNNNN", "K\0")), "more than 8 dimensions");
}

/* Small pickles that describe very large values. */
static void bombs_are_defused(void **state)
{
    (void)state;
    Text t = {0};
    for (int i = 0; i < 1000; i++) text_add(&t, "]");
    for (int i = 0; i < 999; i++) text_add(&t, "a");
    text_add(&t, ".");
    refused(t.data, t.length, "nested deeper");

    t.length = 0;
    text_add(&t, ")");
    for (int i = 0; i < 60; i++) text_add(&t, "2\x86"); /* 2^60 leaves, 61 values */
    text_add(&t, ".");
    Pickle p = read_good(t.data, t.length);
    assert_int_equal(p.root->height, 61);
    pickle_free(&p);

    t.length = 0;
    text_add_bytes(&t, "c_codecs\nencode\nq\0X\xe8\x03\0\0", 23);
    for (int i = 0; i < 1000; i++) text_add(&t, "a");
    text_add_bytes(&t, "X\6\0\0\0latin1\x86q\1", 14);
    for (int i = 0; i < 1000; i++) text_add_bytes(&t, "h\0h\1R", 5);
    text_add(&t, ".");
    refused(t.data, t.length, "too much memory");
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read),          cmocka_unit_test(containers_are_read_and_looked_up),
        cmocka_unit_test(known_calls_are_made),      cmocka_unit_test(numpy_values_are_read),
        cmocka_unit_test(unknown_classes_are_inert), cmocka_unit_test(bad_pickles_are_refused),
        cmocka_unit_test(extents_do_not_overflow),   cmocka_unit_test(tensors_stay_within_their_storage),
        cmocka_unit_test(bombs_are_defused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
