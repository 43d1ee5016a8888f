/* What a program in a sandbox may do, and what not. Each case is a process of its own: a sandbox cannot be left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/lock.h"
#include "base/sandbox.h"
#include "tests/support/exists.h"
#include "tests/support/folder.h"

static long version; /* of the kernel's Landlock; at most 0: there is none */

/* Runs what() in a process; each returns 0, or the line of what was wrong. */
static void in_process(int (*what)(void))
{
    int status = 0;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) _exit(what());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status)) fail_msg("line %d of 256", WEXITSTATUS(status));
}

#define EXPECT(what) \
    if (!(what)) return __LINE__ % 256
#define REFUSED(what, number) EXPECT((errno = 0, (what) < 0) && errno == (number))

static int enter(const Sandbox *s)
{
    Err e;
    return sandbox_enter(s, &(CommonOptions){.device = "cpu"}, NULL, &e);
}

static int put(const char *name) { return file_put(in_folder(name), "text", 4, NULL); }

/* ---- files ---- */

static int write_folders(void)
{
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("out"), in_folder("new/of/these")}}));
    EXPECT(!put("out/file") && !put("out/file") && !put("new/of/these/file"));
    EXPECT(!file_make_folders(in_folder("out/a/b"), NULL));
    EXPECT(!rename(in_folder("out/file"), in_folder("out/a/b/moved")));
    EXPECT(!folder_remove(in_folder("out/a"), NULL));
    EXPECT(put("file") && put("new/file") && put("new/of/file"));
    return 0;
}

static int change_others(void)
{
    char *data;
    size_t bytes;
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("out")}}));
    EXPECT(!file_get(in_folder("kept"), &data, &bytes, NULL));
    free(data);
    REFUSED(open(in_folder("kept"), O_WRONLY), EACCES);
    REFUSED(open(in_folder("kept"), O_RDWR | O_TRUNC), EACCES);
    REFUSED(unlink(in_folder("kept")), EACCES);
    REFUSED(mkdir(in_folder("made"), 0777), EACCES);
    REFUSED(symlink("kept", in_folder("out/link")), EACCES);
    REFUSED(rename(in_folder("kept"), in_folder("out/kept")), EACCES);
    REFUSED(mkfifo(in_folder("out/pipe"), 0666), EACCES);
    if (version >= 3) REFUSED(truncate(in_folder("kept"), 0), EACCES);
    return 0;
}

static int write_beside(void)
{
    EXPECT(!enter(&(Sandbox){.file = in_folder("out/none/labels.nii")}));
    EXPECT(!file_make_folders(in_folder("out/none"), NULL) && !put("out/none/labels.nii"));
    EXPECT(put("file"));
    return 0;
}

static int write_open_files(void)
{
    char path[64];
    const int fd = open(in_folder("kept"), O_RDWR);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    EXPECT(!enter(&(Sandbox){.file = path}));
    EXPECT(!file_put(path, "new", 3, NULL) && put("file"));
    return 0;
}

/* The place of the results of another fold may be a link. */
static int follow_links(void)
{
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("linked")}}));
    EXPECT(!put("linked/link/file") && put("elsewhere/deeper/../../file"));
    return 0;
}

static int tell_why(void)
{
    Err e = {0};
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("out"), in_folder("gone")}}));
    EXPECT(file_put(in_folder("file"), "text", 4, &e) && strstr(e.text, "SWIN_UMAMBA_SANDBOX=off"));
    EXPECT(!rmdir(in_folder("gone")));
    EXPECT(file_make_folders(in_folder("gone"), &e) &&
           strstr(e.text, "or that was removed, so the sandbox forbids it"));
    return 0;
}

static int lock_others(void)
{
    FolderLock lock;
    EXPECT(!enter(&(Sandbox){.locked = in_folder("read")}));
    EXPECT(!folder_lock_shared(&lock, in_folder("read"), NULL));
    EXPECT(lock.fd >= 0 && put("read/file"));
    return 0;
}

/* The folder is removed when the process ends, if nothing was written. */
static int write_nothing(void)
{
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("one/two"), in_folder("three/")}}));
    EXPECT(exists(in_folder("one/two")) && exists(in_folder("three")));
    FolderLock lock;
    EXPECT(!folder_lock(&lock, in_folder("one/two"), NULL));
    folder_unlock(&lock);
    exit(0);
}

static int write_something(void)
{
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("one/two"), in_folder("out")}}) && !put("one/two/file"));
    exit(0);
}

/* ---- programs, connections, signals ---- */

static int run_programs(void)
{
    char *const arguments[] = {"true", NULL};
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("out")}}));
    EXPECT(!access("/bin/true", X_OK));
    REFUSED(execv("/bin/true", arguments), EACCES);
    return 0;
}

static int listen_on_port(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)address, sizeof *address) || listen(fd, 1)) return -1;
    return getsockname(fd, (struct sockaddr *)address, &length) ? -1 : fd;
}

static int use_network(void)
{
    struct sockaddr_in before, after;
    EXPECT(listen_on_port(&before) >= 0 && !enter(&(Sandbox){.folders = {in_folder("out")}}));
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    REFUSED(connect(fd, (struct sockaddr *)&before, sizeof before), EACCES);
    REFUSED(listen_on_port(&after), EACCES);
    return 0;
}

static int serve(void)
{
    struct sockaddr_in address;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    strcpy(local.sun_path, in_folder("out/socket"));
    EXPECT(!enter(&(Sandbox){.listens = true, .socket = in_folder("out/socket")}));
    EXPECT(listen_on_port(&address) >= 0);
    if (version >= 4)
        REFUSED(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address), EACCES);
    EXPECT(!bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&local, sizeof local));
    EXPECT(!unlink(local.sun_path) && put("out/file"));
    return 0;
}

static int signal_others(void)
{
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("out")}}));
    REFUSED(kill(getppid(), 0), EPERM);
    return kill(getpid(), 0);
}

static void *put_in_thread(void *failed)
{
    *(int *)failed = put("file");
    return NULL;
}

static int start_threads(void)
{
    int failed = 0;
    pthread_t thread;
    EXPECT(!enter(&(Sandbox){.folders = {in_folder("out")}}));
    EXPECT(!pthread_create(&thread, NULL, put_in_thread, &failed) && !pthread_join(thread, NULL));
    EXPECT(failed);
    return 0;
}

/* ---- where there is none ---- */

static int switch_off(void)
{
    Err e = {0};
    const Process world = {0};
    const Sandbox s = {.folders = {in_folder("absent")}};
    const CommonOptions cpu = {.device = "cpu"}, gpu = {.device = "cuda:1"};
    EXPECT(!sandbox_enter(&s, &gpu, NULL, &e) && !sandbox_enter(&s, &cpu, &world, &e));
    EXPECT(!setenv("SWIN_UMAMBA_SANDBOX", "off", 1) && !sandbox_enter(&s, &cpu, NULL, &e));
    EXPECT(!put("file") && !exists(in_folder("absent")));
    EXPECT(!setenv("SWIN_UMAMBA_SANDBOX", "no", 1) && sandbox_enter(&s, &cpu, NULL, &e) == ERR_VALUE);
    EXPECT(strstr(e.text, "SWIN_UMAMBA_SANDBOX=no: expected on or off"));
    return 0;
}

static void expect_landlock(long least)
{
    if (version < least) skip();
}

#define TEST(name, least)                 \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        expect_landlock(least);           \
        in_process(name);                 \
    }
TEST(write_folders, 2)
TEST(change_others, 2)
TEST(write_beside, 2)
TEST(write_open_files, 2)
TEST(follow_links, 2)
TEST(tell_why, 2)
TEST(lock_others, 2)
TEST(run_programs, 2)
TEST(serve, 2)
TEST(start_threads, 2)
TEST(use_network, 4)
TEST(signal_others, 6)
TEST(switch_off, -1)

static void test_made_folders(void **state)
{
    (void)state;
    expect_landlock(2);
    in_process(write_nothing);
    assert_false(exists(in_folder("one")));
    assert_false(exists(in_folder("three")));
    in_process(write_something);
    assert_true(exists(in_folder("one/two")));
    assert_true(exists(in_folder("out")));
}

static int set_up(void **state)
{
    version = syscall(444, NULL, 0, 1);
    unsetenv("SWIN_UMAMBA_SANDBOX");
    if (test_folder_make(state) || put("kept")) return -1;
    return file_make_folders(in_folder("out"), NULL) || file_make_folders(in_folder("read"), NULL) ||
           file_make_folders(in_folder("linked"), NULL) || file_make_folders(in_folder("elsewhere/deeper"), NULL) ||
           symlink(in_folder("elsewhere"), in_folder("linked/link"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_write_folders), cmocka_unit_test(test_change_others),
                                       cmocka_unit_test(test_write_beside),  cmocka_unit_test(test_write_open_files),
                                       cmocka_unit_test(test_follow_links),  cmocka_unit_test(test_tell_why),
                                       cmocka_unit_test(test_lock_others),   cmocka_unit_test(test_run_programs),
                                       cmocka_unit_test(test_serve),         cmocka_unit_test(test_start_threads),
                                       cmocka_unit_test(test_use_network),   cmocka_unit_test(test_signal_others),
                                       cmocka_unit_test(test_switch_off),    cmocka_unit_test(test_made_folders)};
    return cmocka_run_group_tests(tests, set_up, test_folder_remove);
}
