/* inference/watched_folder: which files of a folder have settled, and when something is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/watched_folder.h"
#include "tests/support/folder.h"

static const double SETTLE = 0.2;

static void put(const char *name, const char *content)
{
    assert_int_equal(file_put(in_folder(name), content, strlen(content), NULL), 0);
}

static void wait_to_settle(void) { nanosleep(&(struct timespec){0, 300 * 1000000}, NULL); }

static bool look(WatchedFolder *f)
{
    bool is_due;
    Err e;
    if (watched_folder_look(f, &is_due, &e)) fail_msg("%s", e.text);
    return is_due;
}

/* The settled files, as "a b". */
static void expect_settled(const WatchedFolder *f, const char *names)
{
    FileList list;
    char text[256] = "";
    assert_int_equal(watched_folder_settled(f, &list, NULL), 0);
    for (int i = 0; i < list.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", list.names[i]);
    assert_string_equal(text, names);
    file_list_free(&list);
}

static void start(WatchedFolder *f) { assert_int_equal(watched_folder_new(f, folder, SETTLE, NULL), 0); }

static void a_file_settles_when_it_does_not_change(void **state)
{
    (void)state;
    WatchedFolder f;
    start(&f);
    assert_false(look(&f)); /* empty */
    put("b", "one");
    put("a", "one");
    assert_false(look(&f));
    expect_settled(&f, "");
    wait_to_settle();
    assert_true(look(&f));
    expect_settled(&f, "a b");
    put("b", "longer");
    put("c", "new");
    look(&f);
    expect_settled(&f, "a");
    wait_to_settle();
    look(&f);
    expect_settled(&f, "a b c");
    watched_folder_free(&f);
}

static void what_is_due_is_set_anew_by_a_change(void **state)
{
    (void)state;
    WatchedFolder f;
    start(&f);
    put("a", "one");
    look(&f);
    wait_to_settle();
    assert_true(look(&f));
    WatchedFile *file = watched_folder_find(&f, "a");
    file->due = INFINITY;
    file->tries = 3;
    assert_false(look(&f));
    file = watched_folder_find(&f, "a");
    assert_int_equal(file->tries, 3); /* it is remembered */
    assert_true(watched_folder_is_same(&f, file));
    put("a", "two"); /* of the same length: by its time */
    assert_false(watched_folder_is_same(&f, file));
    assert_false(look(&f));
    wait_to_settle();
    assert_true(look(&f));
    assert_int_equal(watched_folder_find(&f, "a")->tries, 0);
    watched_folder_free(&f);
}

static void what_goes_is_forgotten(void **state)
{
    (void)state;
    WatchedFolder f;
    start(&f);
    put("a", "one");
    put("b", "one");
    look(&f);
    wait_to_settle();
    look(&f);
    watched_folder_find(&f, "a")->due = INFINITY;
    assert_int_equal(unlink(in_folder("a")), 0);
    assert_false(watched_folder_is_same(&f, watched_folder_find(&f, "a")));
    look(&f);
    assert_null(watched_folder_find(&f, "a"));
    put("a", "one");
    look(&f);
    wait_to_settle();
    assert_true(look(&f));
    expect_settled(&f, "a b");
    watched_folder_free(&f);
}

/* Folders settle too, so that they can be told of, but are no files; hidden files and broken links are not seen. */
static void other_entries(void **state)
{
    (void)state;
    WatchedFolder f;
    start(&f);
    assert_int_equal(mkdir(in_folder("folder"), 0777), 0);
    assert_int_equal(mkfifo(in_folder("pipe"), 0666), 0);
    assert_int_equal(symlink("nowhere", in_folder("link")), 0);
    put(".hidden", "x");
    look(&f);
    wait_to_settle();
    assert_true(look(&f));
    expect_settled(&f, "");
    assert_true(watched_folder_find(&f, "folder")->is_settled);
    assert_false(watched_folder_find(&f, "pipe")->version.is_file);
    assert_null(watched_folder_find(&f, "link"));
    assert_null(watched_folder_find(&f, ".hidden"));
    watched_folder_free(&f);
}

/* A folder that cannot be read for a time: what is known stays. */
static void a_folder_that_is_away(void **state)
{
    (void)state;
    WatchedFolder f;
    Err e;
    bool is_due;
    char away[64];
    start(&f);
    put("a", "one");
    look(&f);
    wait_to_settle();
    look(&f);
    watched_folder_find(&f, "a")->due = INFINITY;
    snprintf(away, sizeof away, "%s.away", folder);
    assert_int_equal(rename(folder, away), 0);
    assert_int_equal(watched_folder_look(&f, &is_due, &e), ERR_IO);
    assert_int_equal(rename(away, folder), 0);
    assert_false(look(&f));
    expect_settled(&f, "a");
    watched_folder_free(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_folder_make, test_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_file_settles_when_it_does_not_change),
                                       TEST(what_is_due_is_set_anew_by_a_change), TEST(what_goes_is_forgotten),
                                       TEST(other_entries), TEST(a_folder_that_is_away)};
    return cmocka_run_group_tests_name("watched_folder", tests, NULL, NULL);
}
