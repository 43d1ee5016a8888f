/* inference/configuration, folds: inference.yaml, and the numbers of folds. */
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
#include "inference/configuration.h"
#include "plans/splits.h"
#include "tests/support/folder.h"

static void folds_of_any_number_are_parsed(void **state)
{
    (void)state;
    FoldList f = {0};
    Err e = {0};
    assert_int_equal(fold_list_parse(&f, "3,0,199", &e), 0);
    assert_int_equal(fold_list_parse(&f, "all", &e), 0);
    const int want[] = {3, 0, 199, SPLITS_FOLD_ALL};
    assert_int_equal(f.count, 4);
    assert_memory_equal(f.numbers, want, sizeof want);
    fold_list_free(&f);
    for (int i = 0; i < 200; i++) assert_int_equal(fold_list_add(&f, i, &e), 0);
    assert_int_equal(fold_list_add(&f, 7, &e), ERR_VALUE); /* twice */
    assert_non_null(strstr(e.text, "fold 7 is named twice"));
    fold_list_free(&f);
    static const char *const bad[] = {"",     ",",       "1,",  "-1",  "+1",  " 1",  "1 ",      "1,,2",
                                      "alls", "all,all", "0,0", "1e3", "1.0", "nan", "1000000", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(fold_list_parse(&f, bad[i], &e), ERR_VALUE);
        fold_list_free(&f);
    }
}

static void folds_of_a_results_folder_are_found(void **state)
{
    (void)state;
    static const char *const names[] = {"fold_0", "fold_12", "fold_100", "fold_all", "fold_7x",
                                        "fold_",  "fold_03", "folds",    "fold_-1",  "fold_99999999999"};
    FoldList f;
    Err e = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/results/%s", folder, names[i]);
        assert_int_equal(file_make_folders(path, &e), 0);
    }
    assert_int_equal(fold_list_of_results(&f, in_folder("results"), &e), 0);
    const int want[] = {SPLITS_FOLD_ALL, 0, 12, 100};
    assert_int_equal(f.count, 4);
    assert_memory_equal(f.numbers, want, sizeof want);
    fold_list_free(&f);
    assert_int_equal(fold_list_of_results(&f, in_folder("none"), &e), ERR_IO);
}

/* Writes FOLDER/place/inference.yaml of a model in FOLDER/trained/d with 200 folds and fold all. */
static void write_configuration(void)
{
    Configuration c = {.dice = 0.5};
    FoldList folds = {0};
    Err e = {0};
    assert_int_equal(file_make_folders(in_folder("trained/d"), &e), 0);
    assert_int_equal(file_make_folders(in_folder("place"), &e), 0);
    MadeFrom weights = {0};
    char key[FOLD_KEY_BYTES];
    for (int i = -1; i < 200; i++) assert_int_equal(fold_list_add(&folds, i, &e), 0);
    made_from_add(&weights, fold_weights_key(key, 7), "0123456789abcdef0123456789abcdef");
    made_from_add(&weights, fold_weights_key(key, SPLITS_FOLD_ALL),
                  "12345678901234567890123456789012"); /* only digits */
    assert_int_equal(configuration_add(&c, in_folder("trained/d/"), &folds, &weights, &e), 0);
    made_from_free(&weights);
    fold_list_free(&folds);
    assert_int_equal(names_add(&c.compared, in_folder("trained/d"), &e), 0);
    assert_int_equal(configuration_write(&c, in_folder("place/inference.yaml"), &e), 0);
    configuration_free(&c);
}

static void expect_results(const char *file, const char *results)
{
    Configuration c;
    Err e = {0};
    assert_int_equal(configuration_read(&c, in_folder(file), &e), 0);
    assert_int_equal(c.models[0].folds.count, 201);
    assert_int_equal(c.models[0].folds.numbers[0], SPLITS_FOLD_ALL);
    assert_int_equal(c.models[0].folds.numbers[200], 199);
    assert_int_equal(c.models[0].made_from.count, 2);
    assert_string_equal(made_from_find(&c.models[0].made_from, "weights of fold 7"),
                        "0123456789abcdef0123456789abcdef");
    assert_string_equal(made_from_find(&c.models[0].made_from, "weights of fold all"),
                        "12345678901234567890123456789012");
    assert_int_equal(c.compared.count, 1);
    const int code = configuration_expect_results(&c, &e);
    if (results) {
        assert_string_equal(c.compared.names[0], c.models[0].results);
        assert_int_equal(code, 0);
        char *found = path_absolute(c.models[0].results, &e), *want = path_absolute(in_folder(results), &e);
        assert_string_equal(found, want);
        mem_free(found);
        mem_free(want);
    } else {
        assert_int_equal(code, ERR_VALUE);
        assert_non_null(strstr(e.text, in_folder(file)));
        assert_non_null(strstr(e.text, "'results:'"));
    }
    configuration_free(&c);
}

static void results_are_found_again_after_a_move(void **state)
{
    (void)state;
    Err e = {0};
    write_configuration();
    expect_results("place/inference.yaml", "trained/d");
    /* All folders were moved. */
    assert_int_equal(file_make_folders(in_folder("deep/er"), &e), 0);
    assert_int_equal(rename(in_folder("trained"), in_folder("deep/er/trained")), 0);
    assert_int_equal(rename(in_folder("place"), in_folder("deep/er/place")), 0);
    expect_results("deep/er/place/inference.yaml", "deep/er/trained/d");
    /* Only the file was moved. */
    assert_int_equal(rename(in_folder("deep/er/trained"), in_folder("trained")), 0);
    assert_int_equal(rename(in_folder("deep/er/place/inference.yaml"), in_folder("inference.yaml")), 0);
    expect_results("inference.yaml", "trained/d");
    /* Only the results were moved. */
    assert_int_equal(rename(in_folder("trained"), in_folder("elsewhere")), 0);
    expect_results("inference.yaml", NULL);
}

static void what_a_model_may_say_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *model, *says;
    } bad[] = {{"results: d, folds: []", "the list is empty"},
               {"results: d, folds: [0, 1, 0]", "fold 0 is named twice"},
               {"results: d, folds: [-1]", ""},
               {"results: d, folds: [x]", ""},
               {"results: d, fold: [0]", "nearest known one is folds"},
               {"results: d, folds: [0], made_from: 7", ""},
               {"results: d, folds: [0]}\ncompared:\n  - {result: d", "nearest known one is results"},
               {"folds: [0]", "results is missing"}};
    Configuration c;
    Err e = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        const int length = snprintf(text, sizeof text, "format: 1\nmodels:\n  - {%s}\n", bad[i].model);
        assert_int_equal(file_put(in_folder("bad.yaml"), text, (size_t)length, &e), 0);
        assert_int_not_equal(configuration_read(&c, in_folder("bad.yaml"), &e), 0);
        assert_non_null(strstr(e.text, strstr(bad[i].model, "compared") ? "bad.yaml:5:" : "bad.yaml:3:"));
        assert_non_null(strstr(e.text, bad[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_of_any_number_are_parsed),
        cmocka_unit_test(folds_of_a_results_folder_are_found),
        cmocka_unit_test(results_are_found_again_after_a_move),
        cmocka_unit_test(what_a_model_may_say_is_known),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
