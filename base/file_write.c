#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sandbox_hint.h"
#include "base/sys.h"

/* Process-wide state: the files that a process must remove when a signal ends it. */
enum { MAX_OPEN = 64, MAX_TRIES = 1000 };
static _Atomic(const char *) open_temporaries[MAX_OPEN];
static atomic_int changing; /* number of threads that are changing the list */
static atomic_bool ending;

/* Between begin_change and end_change signals are blocked on this thread, and a handler on another thread waits. */
static void begin_change(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, before);
    atomic_fetch_add(&changing, 1);
    if (!atomic_load(&ending)) return;
    atomic_fetch_sub(&changing, 1);
    for (;;) pause(); /* the process ends now */
}

static void end_change(const sigset_t *before)
{
    atomic_fetch_sub(&changing, 1);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void file_unlink_temporaries(void)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    atomic_store(&ending, true);
    /* At most 2 s: a file system that does not answer must not delay the end of the process for longer. */
    for (int i = 0; i < 2000 && atomic_load(&changing); i++) nanosleep(&millisecond, NULL);
    for (int i = 0; i < MAX_OPEN; i++) {
        const char *temporary = atomic_load(&open_temporaries[i]);
        if (temporary) unlink(temporary);
    }
}

static int take_slot(const char *temporary)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        const char *none = NULL;
        if (atomic_compare_exchange_strong(&open_temporaries[i], &none, temporary)) return i;
    }
    return -1; /* more files open than slots: the next process removes this one */
}

static void release(OutFile *f)
{
    sigset_t before;
    begin_change(&before);
    if (f->slot >= 0) atomic_store(&open_temporaries[f->slot], NULL);
    end_change(&before);
    mem_free(f->path);
    mem_free(f->temporary);
    *f = (OutFile){FILE_CLOSED};
}

/* Locks a new temporary. False where another process removed it as a leftover before it was locked. On a file
 * system without locks the result is true, and leftovers stay. */
static bool lock_temporary(int fd)
{
    struct stat info;
    if (sys_lock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return false;
    return sys_open_stat(fd, &info) || info.st_nlink > 0;
}

/* Opens f->temporary, which must not exist; returns errno, or 0. EEXIST: try another name. */
static int open_temporary(OutFile *f)
{
    sigset_t before;
    begin_change(&before);
    f->slot = take_slot(f->temporary);
    f->fd = sys_open(f->temporary, O_WRONLY | O_CREAT | O_EXCL);
    int failed = f->fd < 0 ? errno : 0;
    if (!failed && !lock_temporary(f->fd)) {
        close(f->fd);
        f->fd = -1;
        failed = EEXIST;
    }
    if (failed && f->slot >= 0) atomic_store(&open_temporaries[f->slot], NULL);
    if (failed) f->slot = -1;
    end_change(&before);
    return failed;
}

/* "folder of path"; owned. */
static char *folder_of(const char *path, Err *e)
{
    const char *slash = strrchr(path, '/');
    return path_format(e, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

/* "path.tmp-HOST-PID-SERIAL", the name cut to the longest that is allowed. */
static char *temporary_of(const char *path, unsigned serial, Err *e)
{
    struct utsname here;
    enum { MOST = NAME_MAX - (int)sizeof here.nodename - 32 };
    if (uname(&here)) strcpy(here.nodename, "none");
    const size_t length = strlen(path_base(path)), kept = length < MOST ? length : MOST;
    return path_format(e, "%.*s.tmp-%s-%ld-%u", (int)(path_base(path) - path + (ptrdiff_t)kept), path, here.nodename,
                       (long)getpid(), serial);
}

static int open_in_place(OutFile *f, const char *path, Err *e)
{
    f->path = mem_strdup(path, e);
    if (!f->path) return ERR_NOMEM;
    f->fd = sys_open(path, O_WRONLY | O_TRUNC);
    if (f->fd >= 0) return 0;
    const int code = err_errno(e, errno, "%s: cannot be written", path);
    release(f);
    return code;
}

int file_create(OutFile *f, const char *path, Err *e)
{
    static atomic_uint serial;
    *f = (OutFile){FILE_CLOSED};
    if (path_is_open_file(path)) return open_in_place(f, path, e);
    if (!*path) return err_set(e, ERR_VALUE, "the path of a file to be written is empty");
    if (strlen(path_base(path)) > NAME_MAX)
        return err_set(e, ERR_IO, "%s: the name of the file has %zu bytes: expected at most %d", path,
                       strlen(path_base(path)), NAME_MAX);
    char *folder = folder_of(path, e);
    f->path = folder ? mem_strdup(path, e) : NULL;
    if (f->path) file_remove_leftovers(folder);
    mem_free(folder);
    int failed = f->path ? EEXIST : ENOMEM;
    for (int tries = 0; failed == EEXIST && tries < MAX_TRIES; tries++) {
        mem_free(f->temporary);
        f->temporary = temporary_of(path, atomic_fetch_add(&serial, 1), e);
        failed = f->temporary ? open_temporary(f) : ENOMEM;
    }
    if (!failed) return 0;
    int code = !f->path || !f->temporary ? ERR_NOMEM : 0;
    if (!code && failed == ENOENT)
        code = err_set(e, ERR_IO, "%s: cannot create the file: its folder does not exist", path);
    else if (!code)
        code = err_errno(e, failed, "%s: cannot create the file, at first named %s%s", path, path_base(f->temporary),
                         sandbox_hint(failed, path));
    release(f);
    return code;
}

int file_write(OutFile *f, const void *data, size_t bytes, Err *e)
{
    for (const char *at = data; bytes;) {
        const ssize_t done = sys_write(f->fd, at, bytes);
        if (done <= 0) {
            return err_errno(e, done ? errno : ENOSPC, "%s: cannot write (after %llu bytes)", f->path,
                             (unsigned long long)f->written);
        }
        at += done;
        bytes -= (size_t)done;
        f->written += (uint64_t)done;
    }
    return 0;
}

int file_flush(OutFile *f, Err *e)
{
    return sys_sync(f->fd) ? err_errno(e, errno, "%s: cannot flush to disk", f->path) : 0;
}

/* Opened before the rename, so that a failure changes nothing. *fd is -1 where the folder has no read permission:
 * then it cannot be flushed. */
static int open_folder_of(const char *path, int *fd, Err *e)
{
    char *folder = folder_of(path, e);
    if (!folder) return ERR_NOMEM;
    *fd = sys_open(folder, O_RDONLY | O_DIRECTORY);
    const int code =
        *fd < 0 && errno != EACCES ? err_errno(e, errno, "%s: cannot open its folder to flush it", path) : 0;
    mem_free(folder);
    return code;
}

/* Flushes and closes the file and gives it its name. It stays locked (by a second descriptor) until it is renamed:
 * else it would look like a leftover. */
static int move_into_place(OutFile *f, Err *e)
{
    const int held = sys_duplicate(f->fd);
    if (held < 0) return err_errno(e, errno, "%s: cannot be kept locked", f->path);
    int failed = file_flush(f, e);
    if (sys_close(f->fd) && !failed) failed = err_errno(e, errno, "%s: cannot close", f->path);
    f->fd = -1;
    if (!failed && sys_rename(f->temporary, f->path))
        failed = err_errno(e, errno, "%s: cannot rename %s into place", f->path, path_base(f->temporary));
    close(held);
    return failed;
}

static int close_in_place(OutFile *f, Err *e)
{
    const int code = sys_close(f->fd) ? err_errno(e, errno, "%s: cannot close", f->path) : 0;
    release(f);
    return code;
}

int file_commit(OutFile *f, Err *e)
{
    int folder = -1;
    if (!f->temporary) return close_in_place(f, e);
    int failed = open_folder_of(f->path, &folder, e);
    if (!failed) failed = move_into_place(f, e);
    if (!failed && folder >= 0) sys_sync(folder);
    if (folder >= 0) close(folder);
    if (failed) file_abort(f);
    else release(f);
    return failed;
}

void file_abort(OutFile *f)
{
    if (f->temporary) sys_unlink(f->temporary);
    if (f->fd >= 0) close(f->fd);
    release(f);
}

int file_put(const char *path, const void *data, size_t bytes, Err *e)
{
    OutFile f;
    TRY(file_create(&f, path, e));
    const int failed = file_write(&f, data, bytes, e);
    if (failed) {
        file_abort(&f);
        return failed;
    }
    return file_commit(&f, e);
}

int file_copy(const char *from, const char *to, Err *e)
{
    void *data;
    size_t bytes;
    TRY(file_map(from, &data, &bytes, e));
    const int failed = file_put(to, data, bytes, e);
    file_unmap(data, bytes);
    return failed;
}
