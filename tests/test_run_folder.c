/* trainer/run_folder: which run may write, and when an earlier run is removed. */
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
#include "plans/splits.h"
#include "tests/support/exists.h"
#include "trainer/run_folder.h"

static const RunWaiting no_waiting = {NULL, NULL, NULL};

static void begin_with_checkpoint(RunFolder *f, const char *text)
{
    Err e = {0};
    assert_int_equal(run_folder_begin(f, &e), 0);
    char *path = run_folder_checkpoint(f, "latest", &e);
    assert_int_equal(file_put(path, text, strlen(text), &e), 0);
    mem_free(path);
}

static void a_run_folder_has_one_owner(void **state)
{
    (void)state;
    char results[] = "/tmp/test_trainer_XXXXXX", command[64], *sibling;
    assert_non_null(mkdtemp(results));
    RunFolder f, second;
    Err e = {0};
    assert_int_equal(run_folder_open(&f, results, 0, RUN_NEW, &no_waiting, &e), 0);
    begin_with_checkpoint(&f, "x");
    assert_int_equal(run_folder_open(&second, results, 0, RUN_CONTINUE, &no_waiting, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "another run is writing"));
    assert_int_equal(run_folder_log(&f, &e, "line %d", 1), 0);
    run_folder_close(&f);
    assert_int_equal(run_folder_open(&f, results, 0, RUN_NEW, &no_waiting, &e), ERR_VALUE);
    assert_non_null(strstr(e.text, "--continue"));
    assert_int_equal(run_folder_open(&f, results, 0, RUN_CONTINUE, &no_waiting, &e), 0);
    assert_non_null(strstr(f.log.data, "line 1"));
    assert_int_equal(run_folder_begin(&f, &e), 0);
    assert_int_equal(run_folder_open(&second, results, SPLITS_FOLD_ALL, RUN_NEW, &no_waiting, &e), 0);
    assert_int_equal(run_folder_sibling(&second, &sibling, &e), 0);
    assert_string_equal(sibling, "fold_0");
    mem_free(sibling);
    assert_int_equal(run_folder_sibling(&f, &sibling, &e), 0); /* it has no checkpoint, but is open */
    assert_string_equal(sibling, "fold_all");
    mem_free(sibling);
    run_folder_close(&second);
    assert_int_equal(run_folder_sibling(&f, &sibling, &e), 0);
    assert_null(sibling);
    run_folder_close(&f);
    snprintf(command, sizeof command, "%s/fold_all", results); /* it has not started: no files of it are left */
    assert_false(exists(command));
    snprintf(command, sizeof command, "rm -r %s", results);
    assert_int_equal(system(command), 0);
}

static char *content(const char *folder, const char *name)
{
    char path[128], *text;
    size_t length;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_get(path, &text, &length, NULL), 0);
    return text;
}

static void assert_content(const char *folder, const char *name, const char *expected)
{
    char *text = content(folder, name);
    assert_string_equal(text, expected);
    mem_free(text);
}

/* The earlier run is kept until the new one has written its first checkpoint. */
static void a_run_is_replaced_by_its_first_checkpoint(void **state)
{
    (void)state;
    static const char checkpoint[] = "fold_0/checkpoint_latest.safetensors";
    char results[] = "/tmp/test_trainer_XXXXXX", path[128];
    assert_non_null(mkdtemp(results));
    RunFolder f;
    Err e = {0};
    assert_int_equal(run_folder_open(&f, results, 0, RUN_OVERWRITE, &no_waiting, &e), 0);
    assert_false(run_folder_replaces(&f));
    begin_with_checkpoint(&f, "first");
    run_folder_close(&f);
    for (int settles = 0; settles < 2; settles++) {
        assert_int_equal(run_folder_open(&f, results, 0, RUN_OVERWRITE, &no_waiting, &e), 0);
        assert_true(run_folder_replaces(&f));
        snprintf(path, sizeof path, "%s/plans.yaml", f.path);
        assert_int_equal(file_put(path, "plan", 4, NULL), 0);
        begin_with_checkpoint(&f, "second");
        assert_content(results, checkpoint, "first");
        if (settles) assert_int_equal(run_folder_settle(&f, &e), 0);
        assert_int_equal(run_folder_replaces(&f), !settles);
        assert_int_equal(run_folder_log(&f, &e, "goes on"), 0);
        run_folder_close(&f);
        assert_content(results, checkpoint, settles ? "second" : "first");
        snprintf(path, sizeof path, "%s/.fold_0.new", results);
        assert_false(exists(path));
    }
    assert_content(results, "plans.yaml", "plan");
    snprintf(path, sizeof path, "rm -r %s", results);
    assert_int_equal(system(path), 0);
}

/* States that a process can leave that was killed while it replaced a run. */
static void a_replacement_that_was_cut_off_is_finished(void **state)
{
    (void)state;
    static const char *const left[][2] = {
        {"mkdir .fold_0.new fold_0; echo a >fold_0/checkpoint_final.safetensors; echo b >.fold_0.new/x", "a\n"},
        {"mkdir .fold_0.old .fold_0.new; echo a >.fold_0.old/checkpoint_final.safetensors", "a\n"},
        {"mkdir .fold_0.old fold_0; echo b >fold_0/checkpoint_final.safetensors; echo plan >fold_0/plans.yaml", "b\n"}};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        char results[] = "/tmp/test_trainer_XXXXXX", text[256];
        RunFolder f;
        Err e = {0};
        assert_non_null(mkdtemp(results));
        snprintf(text, sizeof text, "cd %s; %s", results, left[i][0]);
        assert_int_equal(system(text), 0);
        assert_int_equal(run_folder_open(&f, results, 0, RUN_CONTINUE, &no_waiting, &e), 0);
        assert_true(f.holds_run);
        run_folder_close(&f);
        assert_content(results, "fold_0/checkpoint_final.safetensors", left[i][1]);
        if (i == 2) assert_content(results, "plans.yaml", "plan\n");
        snprintf(text, sizeof text, "%s/.fold_0.old", results);
        assert_false(exists(text));
        snprintf(text, sizeof text, "%s/.fold_0.new", results);
        assert_false(exists(text));
        snprintf(text, sizeof text, "rm -r %s", results);
        assert_int_equal(system(text), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_folder_has_one_owner),
        cmocka_unit_test(a_run_is_replaced_by_its_first_checkpoint),
        cmocka_unit_test(a_replacement_that_was_cut_off_is_finished),
    };
    return cmocka_run_group_tests_name("run_folder", tests, NULL, NULL);
}
