/* Folders that appear when they are complete (base/staging.h), and what killed runs leave of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/staging.h"
#include "tests/support/folder.h"

static void put(const char *name) { assert_int_equal(file_put(in_folder(name), "", 0, NULL), 0); }

static void make(const char *name) { assert_int_equal(file_make_folders(in_folder(name), NULL), 0); }

static bool is_there(const char *name)
{
    bool there;
    assert_int_equal(file_is_there(in_folder(name), &there, NULL), 0);
    return there;
}

static void test_appears_complete(void **state)
{
    Staging s;
    (void)state;
    assert_int_equal(staging_begin(&s, in_folder("fresh"), "made", NULL), 0);
    put(".fresh.made/new/file");
    assert_false(is_there("fresh"));
    assert_int_equal(staging_settle(&s, NULL), 0);
    assert_int_equal(staging_end(&s, 0, NULL), 0);
    assert_true(is_there("fresh/file"));
    assert_false(is_there(".fresh.made"));
}

static void test_one_run_at_a_time(void **state)
{
    Staging s, other;
    Err e = {0};
    (void)state;
    assert_int_equal(staging_begin(&s, in_folder("one"), "made", NULL), 0);
    put(".one.made/new/file");
    assert_int_equal(staging_begin(&other, in_folder("one"), "made", &e), ERR_VALUE);
    assert_true(is_there(".one.made/new/file"));
    assert_int_equal(staging_end(&s, ERR_IO, NULL), ERR_IO);
    assert_false(is_there(".one.made"));
}

/* Killed before the new folder had its name. */
static void test_unfinished_is_removed(void **state)
{
    Staging s;
    (void)state;
    make(".half.made/new");
    put(".half.made/new/file");
    put(".half.made/of_the_user");
    assert_int_equal(staging_begin(&s, in_folder("half"), "made", NULL), 0);
    assert_false(is_there(".half.made/new/file"));
    assert_int_equal(staging_end(&s, ERR_IO, NULL), ERR_IO);
    assert_true(is_there(".half.made/of_the_user"));
}

/* Killed between two renames: the earlier folder has no name. */
static void test_earlier_gets_its_name_back(void **state)
{
    Staging s;
    (void)state;
    make(".moved.made/old");
    put(".moved.made/old/file");
    assert_int_equal(staging_begin(&s, in_folder("moved"), "made", NULL), 0);
    assert_true(is_there("moved/file"));
    assert_int_equal(staging_end(&s, ERR_IO, NULL), ERR_IO);
    assert_true(is_there("moved/file"));
}

/* Killed before the replaced folder was removed. */
static void test_replaced_is_removed(void **state)
{
    Staging s;
    (void)state;
    make("new_one");
    put("new_one/file");
    make(".new_one.made/old");
    assert_int_equal(staging_begin(&s, in_folder("new_one"), "made", NULL), 0);
    assert_int_equal(staging_end(&s, ERR_IO, NULL), ERR_IO);
    assert_true(is_there("new_one/file"));
    assert_false(is_there(".new_one.made"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appears_complete),      cmocka_unit_test(test_one_run_at_a_time),
        cmocka_unit_test(test_unfinished_is_removed), cmocka_unit_test(test_earlier_gets_its_name_back),
        cmocka_unit_test(test_replaced_is_removed),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
