/* Files in practice: errors of the file system, temporary files of killed processes, things that are not files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "tests/support/says.h"

static char all[32], folder[64];

/* A path in this test's folder; valid until the fourth call after it. */
static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_all(void **state)
{
    (void)state;
    strcpy(all, "/tmp/test_files_XXXXXX");
    return mkdtemp(all) && !chmod(all, 0755) ? 0 : -1;
}

/* Each test has a folder of its own. None is removed before the end: a new one would get its number (inode), by which
 * the removal of leftovers recognises folders that it has searched. */
static int make_folder(void **state)
{
    static int number;
    (void)state;
    snprintf(folder, sizeof folder, "%s/%d", all, number++);
    return mkdir(folder, 0777);
}

static int remove_all(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", all, all);
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
    assert_says(&e, "link to nowhere/at/all");
    assert_int_equal(symlink("circle", in_folder("circle")), 0);
    assert_int_equal(file_is_there(in_folder("circle"), &there, &e), ERR_IO);
    char endless[400];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(file_is_there(endless, &there, &e), ERR_IO);
}

static void expect_folder(const char *path, bool expected)
{
    Err e = {0};
    bool is = !expected;
    if (file_is_folder(path, &is, &e)) fail_msg("%s", e.text);
    assert_int_equal(is, expected);
}

static void expect_same(const char *a, const char *b, bool expected)
{
    Err e = {0};
    bool same = !expected;
    if (file_is_same(a, b, &same, &e)) fail_msg("%s", e.text);
    assert_int_equal(same, expected);
}

static void put_files_and_links(void)
{
    assert_int_equal(file_put(in_folder("file"), "x", 1, NULL), 0);
    assert_int_equal(file_put(in_folder("other"), "x", 1, NULL), 0);
    assert_int_equal(symlink(".", in_folder("to_folder")), 0);
    assert_int_equal(symlink("file", in_folder("to_file")), 0);
    assert_int_equal(symlink("nowhere", in_folder("dangling")), 0);
}

static void what_does_not_exist_is_no_folder_and_not_the_same(void **state)
{
    (void)state;
    put_files_and_links();
    expect_folder(folder, true);
    expect_folder(in_folder("to_folder"), true);
    expect_folder(in_folder("file"), false);
    expect_folder(in_folder("to_file"), false);
    expect_folder(in_folder("none"), false);
    expect_folder(in_folder("file/below"), false);
    expect_folder(in_folder("dangling"), false);
    expect_same(in_folder("to_folder"), folder, true);
    expect_same(in_folder("to_file"), in_folder("file"), true);
    expect_same(in_folder("other"), in_folder("file"), false);
    expect_same(in_folder("none"), in_folder("none"), false);
    expect_same(in_folder("file"), in_folder("none"), false);
    expect_same(in_folder("dangling"), in_folder("dangling"), false);
}

static void what_cannot_be_looked_at_is_a_failure(void **state)
{
    (void)state;
    Err e = {0};
    bool is = true;
    char endless[400];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(file_is_folder(endless, &is, &e), ERR_IO);
    assert_says(&e, "File name too long");
    assert_false(is);
    assert_int_equal(file_is_same(endless, folder, &is, &e), ERR_IO);
    assert_false(is);
    is = true;
    assert_int_equal(file_is_same(folder, endless, &is, &e), ERR_IO);
    assert_false(is);
    is = true;
    assert_int_equal(file_is_folder(NULL, &is, &e), ERR_NOMEM);
    assert_false(is);
    assert_int_equal(file_is_same(folder, NULL, &is, &e), ERR_NOMEM);
    assert_int_equal(file_is_same(NULL, folder, &is, &e), ERR_NOMEM);
    assert_int_equal(file_is_folder(endless, &is, NULL), ERR_IO);
}

/* A child process that has a temporary file of that name open, like a process that still writes; it ends when *end is
 * closed. */
static pid_t hold(const char *path, int *end)
{
    int ready[2], stop[2];
    char byte;
    assert_int_equal(pipe(ready) || pipe(stop), 0);
    const pid_t child = fork();
    if (!child) {
        close(stop[1]);
        const int fd = open(path, O_WRONLY | O_CREAT, 0666);
        if (flock(fd, LOCK_EX) || write(ready[1], "r", 1) != 1) _exit(1);
        if (read(stop[0], &byte, 1)) _exit(1); /* until the parent closes its end */
        _exit(0);
    }
    close(stop[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    *end = stop[1];
    return child;
}

/* The number of names in the folder that contain the part. */
static int count_of(const char *part)
{
    FileList list;
    int count = 0;
    assert_int_equal(file_list(&list, folder, NULL), 0);
    for (int i = 0; i < list.count; i++) count += strstr(list.names[i], part) != NULL;
    file_list_free(&list);
    return count;
}

/* A name of the maximum length; the temporary file's name would be longer. */
static void names_may_be_as_long_as_the_system_has_them(void **state)
{
    (void)state;
    char path[400];
    Err e = {0};
    bool there;
    const int start = snprintf(path, sizeof path, "%s/", folder);
    memset(path + start, 'n', 255);
    path[start + 255] = '\0';
    if (file_put(path, "x", 1, &e)) fail_msg("%s", e.text);
    assert_int_equal(file_is_there(path, &there, &e), 0);
    assert_true(there);
    path[start + 254] = 'm'; /* another name with the same beginning */
    OutFile one, two;
    assert_int_equal(file_create(&one, path, &e), 0);
    assert_int_equal(file_create(&two, path, &e), 0);
    file_abort(&one);
    assert_int_equal(file_commit(&two, &e), 0);
    assert_int_equal(count_of("nnn"), 2);
}

/* The name of a temporary: NAME.tmp-HOST-PROCESS-SERIAL. host: NULL for this machine. */
static void name_temporary(char name[160], const char *of, const char *host, long process, int serial)
{
    struct utsname here;
    assert_int_equal(uname(&here), 0);
    snprintf(name, 160, "%s.tmp-%s-%ld-%d", of, host ? host : here.nodename, process, serial);
}

static void make_temporary(const char *of, const char *host, int serial)
{
    char name[160];
    name_temporary(name, of, host, 77, serial);
    fclose(fopen(in_folder(name), "w"));
}

/* Some file systems have locks for each machine only: another one may be writing what looks dead here. */
static void temporaries_of_other_machines_stay_for_a_day(void **state)
{
    (void)state;
    const struct timespec long_ago[2] = {{time(NULL) - 25 * 60 * 60, 0}, {time(NULL) - 25 * 60 * 60, 0}};
    make_temporary("new", "else-where-1", 1);
    make_temporary("old", "else-where-1", 1);
    assert_int_equal(utimensat(AT_FDCWD, in_folder("old.tmp-else-where-1-77-1"), long_ago, 0), 0);
    make_temporary("here", NULL, 1);
    file_remove_leftovers(folder);
    assert_int_equal(count_of("new.tmp-"), 1);
    assert_int_equal(count_of("old.tmp-"), 0);
    assert_int_equal(count_of("here.tmp-"), 0);
}

/* In containers process ids repeat: so files of a killed process with the same id have the same names as ours. */
static void temporaries_of_others_are_no_obstacle(void **state)
{
    (void)state;
    Err e = {0};
    OutFile f;
    int end;
    char held[160];
    for (int i = 0; i < 40; i++) {
        char dead[160];
        name_temporary(dead, "x", NULL, getpid(), i);
        if (i == 20) strcpy(held, dead);
        else fclose(fopen(in_folder(dead), "w"));
    }
    make_temporary("y", NULL, 1);
    fclose(fopen(in_folder("notes.tmp-a-1"), "w"));
    fclose(fopen(in_folder("notes.tmp-1-1"), "w"));
    fclose(fopen(in_folder("notes.tmp-a-1-2b"), "w"));
    const pid_t child = hold(in_folder(held), &end);
    assert_int_equal(file_put(in_folder("x"), "new", 3, &e), 0);
    assert_int_equal(count_of("x.tmp-"), 1); /* the open one */
    assert_int_equal(count_of("y.tmp-"), 0);
    assert_int_equal(count_of("notes.tmp-"), 3);
    assert_int_equal(file_create(&f, in_folder("x"), &e), 0);
    assert_int_equal(count_of("x.tmp-"), 2); /* an open one is not a leftover */
    file_remove_leftovers(folder);
    assert_int_equal(count_of("x.tmp-"), 2);
    file_abort(&f);
    close(end);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Without the removal: existing names are skipped. */
static void the_next_serial_is_taken(void **state)
{
    (void)state;
    Err e = {0};
    assert_int_equal(file_put(in_folder("first"), "", 0, &e), 0); /* the folder is searched now */
    for (int i = 0; i < 400; i++) {
        char taken[160];
        name_temporary(taken, "z", NULL, getpid(), i);
        fclose(fopen(in_folder(taken), "w"));
    }
    assert_int_equal(file_put(in_folder("z"), "new", 3, &e), 0);
    assert_int_equal(count_of("z"), 401);
}

static void a_failure_names_the_temporary(void **state)
{
    (void)state;
    Err e = {0};
    OutFile f;
    char name[257];
    memset(name, 'n', 256);
    name[256] = '\0';
    assert_int_equal(file_create(&f, name, &e), ERR_IO); /* before anything is written into the temporary */
    assert_says(&e, "has 256 bytes: expected at most 255");
    assert_int_equal(file_put(in_folder("plain"), "", 0, &e), 0);
    assert_int_equal(file_create(&f, in_folder("plain/x"), &e), ERR_IO);
    assert_says(&e, ".tmp-");
    assert_int_equal(file_create(&f, "", &e), ERR_VALUE);
    assert_int_equal(file_make_folders("", &e), ERR_VALUE);
    assert_says(&e, "empty");
    assert_int_equal(file_put(in_folder("file"), "", 0, &e), 0);
    assert_int_equal(file_make_folders(in_folder("file"), &e), ERR_IO);
    assert_says(&e, "there is a file of that name");
}

/* As an ordinary user: file modes do not apply to root. */
static void a_folder_that_cannot_be_read_can_be_written(void **state)
{
    (void)state;
    int status;
    const pid_t child = fork();
    if (!child) {
        if (!geteuid() && (chown(folder, 65534, 65534) || setuid(65534))) _exit(9);
        if (chmod(folder, 0333) || file_put(in_folder("x"), "abc", 3, NULL)) _exit(1);
        char *data;
        size_t bytes;
        const int failed = file_get(in_folder("x"), &data, &bytes, NULL);
        _exit(failed || bytes != 3 ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void what_is_no_regular_file_is_refused_at_once(void **state)
{
    (void)state;
    Err e = {0};
    char *data;
    void *mapped;
    size_t bytes;
    alarm(10); /* opening a pipe without a writer would block forever */
    assert_int_equal(mkfifo(in_folder("pipe"), 0666), 0);
    assert_int_equal(file_get(in_folder("pipe"), &data, &bytes, &e), ERR_IO);
    assert_says(&e, "named pipe");
    assert_int_equal(file_map(in_folder("pipe"), &mapped, &bytes, &e), ERR_IO);
    assert_int_equal(file_get(folder, &data, &bytes, &e), ERR_IO);
    assert_says(&e, "a folder");
    assert_int_equal(file_get("/dev/zero", &data, &bytes, &e), ERR_IO);
    assert_says(&e, "a device");
    assert_int_equal(symlink("gone", in_folder("link")), 0);
    assert_int_equal(file_get(in_folder("link"), &data, &bytes, &e), ERR_IO);
    assert_says(&e, "a link to gone");
    alarm(0);
}

static void what_has_the_name_of_a_folder_is_told(void **state)
{
    (void)state;
    Err e = {0};
    assert_int_equal(file_put(in_folder("file"), "", 0, &e), 0);
    assert_int_equal(file_make_folders(in_folder("file"), &e), ERR_IO);
    assert_says(&e, "there is a file of that name");
    assert_int_equal(symlink("gone", in_folder("link")), 0);
    assert_int_equal(file_make_folders(in_folder("link"), &e), ERR_IO);
    assert_says(&e, "a link to gone, which does not exist");
}

static void hidden_files_are_not_listed(void **state)
{
    (void)state;
    FileList list;
    Err e = {0};
    static const char *const names[] = {"._case_0000.nii.gz", ".DS_Store", ".lock", "case_0000.nii.gz"};
    for (int i = 0; i < 4; i++) assert_int_equal(file_put(in_folder(names[i]), "", 0, &e), 0);
    assert_int_equal(file_list(&list, folder, &e), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.names[0], "case_0000.nii.gz");
    file_list_free(&list);
}

#define IN_FOLDER(test) cmocka_unit_test_setup(test, make_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(names_may_be_as_long_as_the_system_has_them),
        IN_FOLDER(what_is_there_is_told_apart_from_what_cannot_be_told),
        IN_FOLDER(what_does_not_exist_is_no_folder_and_not_the_same),
        IN_FOLDER(what_cannot_be_looked_at_is_a_failure),
        IN_FOLDER(temporaries_of_other_machines_stay_for_a_day),
        IN_FOLDER(temporaries_of_others_are_no_obstacle),
        IN_FOLDER(the_next_serial_is_taken),
        IN_FOLDER(a_failure_names_the_temporary),
        IN_FOLDER(a_folder_that_cannot_be_read_can_be_written),
        IN_FOLDER(what_is_no_regular_file_is_refused_at_once),
        IN_FOLDER(what_has_the_name_of_a_folder_is_told),
        IN_FOLDER(hidden_files_are_not_listed),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
