/* Files as they are met outside: what is there and what cannot be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "tests/support/says.h"

static char folder[32];

/* A path in this test's folder; good until the fourth call after it. */
static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_files_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", folder, folder);
    return system(command);
}

static void what_is_there_is_told_apart_from_what_cannot_be_told(void **state)
{
    (void)state;
    Err e = {0};
    bool there;
    assert_int_equal(file_put(in_folder("file"), "x", 1, &e), 0);
    assert_int_equal(file_is_there(in_folder("file"), &there, &e), 0);
    assert_true(there);
    assert_int_equal(file_is_there(folder, &there, &e), 0);
    assert_true(there);
    assert_int_equal(file_is_there(in_folder("none"), &there, &e), 0);
    assert_false(there);
    assert_int_equal(file_is_there(in_folder("none/below"), &there, &e), 0);
    assert_false(there);
    assert_int_equal(file_is_there(in_folder("file/below"), &there, &e), 0);
    assert_false(there);

    assert_int_equal(file_is_there(NULL, &there, &e), ERR_NOMEM);
    assert_int_equal(symlink("nowhere/at/all", in_folder("dangling")), 0);
    assert_int_equal(file_is_there(in_folder("dangling"), &there, &e), ERR_IO);
    assert_says(&e, "link that points to nowhere/at/all");
    assert_int_equal(symlink("circle", in_folder("circle")), 0);
    assert_int_equal(file_is_there(in_folder("circle"), &there, &e), ERR_IO);
    char endless[400];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(file_is_there(endless, &there, &e), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_is_told_apart_from_what_cannot_be_told, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
