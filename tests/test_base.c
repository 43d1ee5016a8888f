/* base/: errors, text, arrays, atomic files, random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/look_alike.h"
#include "base/memory.h"
#include "base/plain.h"
#include "base/random.h"
#include "base/text.h"
#include "tests/support/exists.h"

static void errors_gain_context(void **state)
{
    (void)state;
    Err e = {0};
    assert_int_equal(err_set(&e, ERR_VALUE, "spacing %d", 3), ERR_VALUE);
    assert_int_equal(err_context(&e, "case %s", "c1"), ERR_VALUE);
    assert_string_equal(e.text, "case c1: spacing 3");
    for (int i = 0; i < 100; i++) err_context(&e, "a long context that fills the text");
    assert_true(strlen(e.text) < sizeof e.text);
}

static void errors_tell_the_system_s_reason(void **state)
{
    (void)state;
    Err e = {0};
    assert_int_equal(err_errno(&e, ENOENT, "%s: cannot open", "a.txt"), ERR_IO);
    assert_string_equal(e.text, "a.txt: cannot open: No such file or directory");
    assert_int_equal(err_errno(&e, ENOMEM, "a.txt"), ERR_NOMEM);
}

static void doubles_print_shortest(void **state)
{
    (void)state;
    Text t = {0};
    text_add_double(&t, 0.1);
    text_add(&t, " ");
    text_add_double(&t, 1.0 / 3);
    text_add(&t, " ");
    text_add_json_string(&t, "a\"b\n");
    assert_string_equal(t.data, "0.1 0.3333333333333333 \"a\\\"b\\n\"");
    text_free(&t);
}

/* What is not UTF-8 would make a whole line of a log, or an answer, unreadable. */
static void json_strings_are_valid(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *json;
    } cases[] = {{"\x1b[1m\\", "\"\\u001b[1m\\\\\""},
                 {"caf\xe9.nii", "\"caf\\ufffd.nii\""},
                 {"caf\xc3\xa9 \xf0\x9f\xa7\xa0", "\"caf\xc3\xa9 \xf0\x9f\xa7\xa0\""},
                 {"\x7f\xc2\x85\xe2\x80\xa8\xef\xbb\xbf", "\"\\u007f\\u0085\\u2028\\ufeff\""}, /* as YAML needs */
                 {"\xc3", "\"\\ufffd\""},                                                      /* cut off */
                 {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* half of a pair of UTF-16 */
                 {"\xf4\x90\x80\x80x", "\"\\ufffd\\ufffd\\ufffd\\ufffdx\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Text t = {0};
        text_add_json_string(&t, cases[i].bytes);
        assert_string_equal(t.data, cases[i].json);
        assert_true(text_is_utf8(t.data, t.length));
        text_free(&t);
    }
}

static void arguments_are_told_from_commands(void **state)
{
    (void)state;
    static const char *const words[] = {"plain", "two words", "it's", "'", "", "$HOME; `id`", "a\nb", "\\", "--x=~"};
    static const char *const commands[] = {"a; b", "a\nb",  "$(id)", "`id`",  "a|b",  "a>b",
                                           "a&",   "'open", "\\a",   "\"a\"", "a\tb", "~"};
    Text all = {0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        text_add(&all, "%s", i ? " " : "");
        text_add_argument(&all, "%s", words[i]);
        assert_true(text_is_arguments(all.data));
    }
    assert_true(text_is_arguments(""));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (text_is_arguments(commands[i])) fail_msg("%s", commands[i]);
    text_free(&all);
}

static void codes_of_a_terminal_are_no_text(void **state)
{
    (void)state;
    char text[] = "a\x1b[31m b\tc\nd\x7f caf\xc3\xa9";
    plain_text(text);
    assert_string_equal(text, "a?[31m b\tc\nd? caf\xc3\xa9");
    char wide[] = "\xc2\x9b|\x9b|\xe2\x80\xae|\xe2\x81\xa6|\xe2\x80\xa6|\xf0\x9f\x98\x80|\xe2\x80";
    plain_text(wide); /* U+009B, a byte of it, U+202E, U+2066; an ellipsis, an emoji; a character that is cut off */
    assert_string_equal(wide, "?|?|?|?|\xe2\x80\xa6|\xf0\x9f\x98\x80|??");
    char line[] = "a\nb\tc";
    plain_line(line);
    assert_string_equal(line, "a?b?c");
}

static void arrays_refuse_overflow(void **state)
{
    (void)state;
    Array a;
    Err e = {0};
    const int64_t huge[] = {INT64_MAX / 2, 16};
    assert_int_equal(array_new(&a, DTYPE_F64, 2, huge, &e), ERR_SHAPE);
    const int64_t hidden[] = {INT64_MAX / 2, 16, 0}; /* no element, but the strides overflow */
    assert_int_equal(array_new(&a, DTYPE_F64, 3, hidden, &e), ERR_SHAPE);
    const int64_t negative[] = {-1};
    assert_int_equal(array_new(&a, DTYPE_F64, 1, negative, &e), ERR_SHAPE);
}

static void files_appear_whole_or_not(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_base_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x", folder);
    Err e = {0};
    OutFile f;
    assert_int_equal(file_create(&f, path, &e), 0);
    assert_int_equal(file_write(&f, "abc", 3, &e), 0);
    assert_false(exists(path));
    file_abort(&f);
    FileList list;
    assert_int_equal(file_list(&list, folder, &e), 0);
    assert_int_equal(list.count, 0);
    file_list_free(&list);
    assert_int_equal(file_put(path, "abcd", 4, &e), 0);
    char *data;
    size_t bytes;
    assert_int_equal(file_get(path, &data, &bytes, &e), 0);
    assert_int_equal(bytes, 4);
    assert_string_equal(data, "abcd");
    mem_free(data);
    assert_int_equal(file_put("/nonexistent/x", "a", 1, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nonexistent/x"));
    unlink(path);
    rmdir(folder);
}

/* The raw generator by its published check value; shuffle by NumPy: RandomState(12345).shuffle(arange(10)). */
static void mt19937_is_numpys(void **state)
{
    (void)state;
    Mt19937 m;
    mt_seed(&m, 5489);
    uint32_t last = 0;
    for (int i = 0; i < 10000; i++) last = mt_u32(&m);
    assert_int_equal(last, 4123659995u); /* the check value of mt19937 in the C++ standard */
    mt_seed(&m, 12345);
    int64_t v[10], expected[] = {0, 7, 3, 9, 6, 4, 1, 8, 5, 2};
    for (int i = 0; i < 10; i++) v[i] = i;
    mt_shuffle(&m, v, 10);
    assert_memory_equal(v, expected, sizeof v);
}

static void rng_is_a_function_of_its_coordinates(void **state)
{
    (void)state;
    Rng a = rng_make(7, 1, 2, 3, RNG_TEST), b = rng_make(7, 1, 2, 3, RNG_TEST), c = rng_make(7, 1, 2, 4, RNG_TEST);
    int same = 0;
    double mean = 0, square = 0;
    for (int i = 0; i < 10000; i++) {
        const double x = rng_normal(&a);
        assert_true(x == rng_normal(&b));
        same += x == rng_normal(&c);
        mean += x / 10000;
        square += x * x / 10000;
    }
    assert_true(same < 3);
    assert_true(mean > -0.05 && mean < 0.05 && square > 0.95 && square < 1.05);
}

/* Accents as one character or as several, capital letters, blanks around; anything else that differs is another name.
 * */
static void names_look_alike_at_a_glance(void **state)
{
    (void)state;
    static const char *const alike[][2] =
        {
            {"M\303\274ller_1", "Mu\314\210ller_1"}, /* Latin */
            {"e\314\202\314\201", "\341\272\277"},
            {"\303\252\314\201", "e\314\202\314\201"},                /* two accents, one of them composed */
            {"\320\271", "\320\270\314\206"},                         /* Cyrillic */
            {"\343\201\214", "\343\201\213\343\202\231"},             /* kana */
            {"\355\225\234", "\341\204\222\341\205\241\341\206\253"}, /* Hangul */
        },
                             *const others[][2] =
                                 {
                                     {"Muller", "M\303\274ller"},
                                     {"Mu\314\210ller", "Muller"},
                                     {"a", "a"},
                                     {"a", "b"},
                                     {"", "\303\274"},
                                     {"M\303\274ller_1", "Mu\314\210ller_2"},
                                     {"M\303\274ller", "Mu\314\210ller_2"},
                                     {"\303\274", "\303\266"},
                                     {"u\314\210", "o\314\210"},
                                     {"\374", "u\314"}, /* no UTF-8 */
                                     {" ", ""},
                                     {" ", "  "},
                                     {"a b", "ab"},
                                 },
                             *const glances[][2] = {
                                 {"Case_1", "case_1"}, {"case_1 ", "case_1"}, {" M\303\274LLER", "mu\314\210ller"}};
    for (size_t i = 0; i < sizeof glances / sizeof *glances; i++)
        for (int k = 0; k < 2; k++) {
            assert_true(looks_alike(glances[i][k], glances[i][!k]));
            assert_true(differ_in_form(glances[i][k], glances[i][!k]) == false);
        }
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        for (int k = 0; k < 2; k++) {
            assert_true(differ_in_form(alike[i][k], alike[i][!k]));
            assert_true(looks_alike(alike[i][k], alike[i][!k]));
        }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (int k = 0; k < 2; k++) assert_false(looks_alike(others[i][k], others[i][!k]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_gain_context),
        cmocka_unit_test(errors_tell_the_system_s_reason),
        cmocka_unit_test(doubles_print_shortest),
        cmocka_unit_test(json_strings_are_valid),
        cmocka_unit_test(arguments_are_told_from_commands),
        cmocka_unit_test(codes_of_a_terminal_are_no_text),
        cmocka_unit_test(names_look_alike_at_a_glance),
        cmocka_unit_test(arrays_refuse_overflow),
        cmocka_unit_test(files_appear_whole_or_not),
        cmocka_unit_test(mt19937_is_numpys),
        cmocka_unit_test(rng_is_a_function_of_its_coordinates),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
