/* plans/made_from, base/hash: the record of a result's inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "plans/made_from.h"
#include "tests/support/folder.h"

/* The value that the specification's own program prints for 0 bytes. */
static void hashes_are_xxh3_s(void **state)
{
    (void)state;
    char hash[HASH_BYTES];
    hash_bytes(hash, "", 0);
    assert_string_equal(hash, "99aa06d3014798d86001c324468d497f");
}

static void files_count_by_content(void **state)
{
    (void)state;
    char path[64], first[HASH_BYTES], second[HASH_BYTES];
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(file_put(path, "abc", 3, NULL), 0);
    assert_int_equal(hash_file(first, path, NULL), 0);
    assert_int_equal(file_put(path, "abd", 3, NULL), 0);
    assert_int_equal(hash_file(second, path, NULL), 0);
    assert_string_not_equal(first, second);
    hash_bytes(first, "abd", 3);
    assert_string_equal(first, second);
    unlink(path);
    assert_int_equal(hash_file(first, path, NULL), ERR_IO);
}

static void lists_come_back_from_their_file(void **state)
{
    (void)state;
    char path[64];
    MadeFrom m = {0}, back;
    snprintf(path, sizeof path, "%s/made_from.yaml", folder);
    made_from_add(&m, "spacing", "%g %g", 1.5, 2.0);
    made_from_add(&m, "empty", "%s", "");
    made_from_add(&m, "number", "12");
    made_from_add(&m, "odd: key", "\"quoted\" # text\nof two lines");
    assert_int_equal(made_from_write(&m, path, NULL), 0);
    assert_int_equal(made_from_read(&back, path, NULL), 0);
    assert_true(made_from_same(&m, &back));
    assert_string_equal(made_from_find(&back, "number"), "12");
    assert_null(made_from_find(&back, "numbe"));
    made_from_free(&back);
    made_from_free(&m);
    unlink(path);
}

static void differences_are_named(void **state)
{
    (void)state;
    MadeFrom then = {0}, now = {0};
    Text text = {0};
    made_from_add(&then, "plan spacing", "1 1");
    made_from_add(&then, "plan gone", "3");
    made_from_add(&then, "label", "x");
    made_from_add(&now, "label", "y");
    made_from_add(&now, "plan spacing", "2 2");
    made_from_add(&now, "plan new", "4");
    made_from_add(&now, "plan empty", "none");
    assert_false(made_from_same(&then, &now));
    assert_int_equal(made_from_differences(&text, &then, &now, "plan "), 4);
    assert_string_equal(
        text.data,
        "plan spacing: 1 1, now 2 2; plan new: none, now 4; plan empty: not recorded, now none; plan gone: 3, now none");
    text_free(&text);
    assert_int_equal(made_from_differences(&text, &then, &then, ""), 0);
    assert_true(made_from_same(&then, &then));
    made_from_free(&then);
    made_from_free(&now);
}

static void failures_stick(void **state)
{
    (void)state;
    MadeFrom m = {0};
    Err e = {0};
    made_from_add_file(&m, "label", "/nowhere/label.nii.gz");
    made_from_add(&m, "later", "1");
    assert_int_equal(m.count, 0);
    assert_int_equal(made_from_check(&m, &e), ERR_IO);
    assert_non_null(strstr(e.text, "/nowhere/label.nii.gz"));
    assert_int_equal(made_from_write(&m, "/nowhere/file", &e), ERR_IO);
    assert_non_null(strstr(e.text, "label.nii.gz"));
    made_from_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_xxh3_s),
        cmocka_unit_test(files_count_by_content),
        cmocka_unit_test(lists_come_back_from_their_file),
        cmocka_unit_test(differences_are_named),
        cmocka_unit_test(failures_stick),
    };
    return cmocka_run_group_tests_name("made_from", tests, test_folder_make, test_folder_remove);
}
