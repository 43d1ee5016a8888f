#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sandbox_hint.h"
#include "base/sys.h"

/* Sets whether the open file is still the one of that name: the last holder of the lock may have removed it. Returns 0, or
 * an errno. */
static int look_whether_current(bool *is, int fd, const char *path)
{
    struct stat mine, named;
    *is = false;
    if (sys_open_stat(fd, &mine)) return errno;
    if (sys_stat(path, &named)) return errno == ENOENT ? 0 : errno;
    *is = mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
    return 0;
}

static int lock_file(int fd, int operation) { return sys_lock(fd, operation) ? errno : 0; }

/* Opens the lock file, and makes it where there is none. A reader needs none where none can be made (a read-only
 * file system): *fd is -1 then. Returns 0, or an errno. */
static int open_lock(int *fd, const char *path, bool reads)
{
    *fd = sys_open(path, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (*fd < 0 && errno == ELOOP) *fd = sys_open(path, O_RDWR); /* a link makes no file elsewhere */
    if (*fd < 0 && reads) *fd = sys_open(path, O_RDONLY);
    if (*fd >= 0) return 0;
    return reads && (errno == ENOENT || errno == EACCES) ? 0 : errno;
}

/* Returns 0, or an errno. */
static int open_and_lock(FolderLock *lock, const char *path, int operation)
{
    for (;;) {
        bool current = false;
        int failed = open_lock(&lock->fd, path, operation & LOCK_SH);
        if (failed || lock->fd < 0) return failed;
        failed = lock_file(lock->fd, operation);
        if (!failed) failed = look_whether_current(&current, lock->fd, path);
        if (current) return 0;
        folder_unlock(lock);
        if (failed) return failed;
    }
}

enum { TRY_MS = 20 };

static int take(FolderLock *lock, const char *folder, const char *name, int operation, int tries, Err *e)
{
    lock->fd = -1;
    char *path = path_format(e, "%s/%s", folder, name);
    if (!path) return ERR_NOMEM;
    int failed;
    while ((failed = open_and_lock(lock, path, operation)) == EWOULDBLOCK && --tries > 0)
        nanosleep(&(struct timespec){0, TRY_MS * 1000000}, NULL);
    int code = 0;
    if (failed == EWOULDBLOCK)
        code = err_set(e, ERR_VALUE, "%s: another run is writing there; wait for it or give another folder", folder);
    else if (failed)
        code = err_errno(e, failed, "%s: cannot write into this folder (its lock, %s)%s", folder, name,
                         sandbox_hint(failed, path));
    mem_free(path);
    return code;
}

enum { TRIES = 10, TRIES_PER_SECOND = 1000 / TRY_MS };
static const char own_lock[] = ".lock";

int folder_lock(FolderLock *lock, const char *folder, Err *e)
{
    return take(lock, folder, own_lock, LOCK_EX | LOCK_NB, TRIES, e);
}

int folder_lock_watch(FolderLock *lock, const char *folder, Err *e)
{
    return take(lock, folder, ".watch.lock", LOCK_EX | LOCK_NB, TRIES, e);
}

int folder_lock_wait(FolderLock *lock, const char *folder, int seconds, Err *e)
{
    return take(lock, folder, own_lock, LOCK_EX | LOCK_NB, seconds * TRIES_PER_SECOND, e);
}

int folder_lock_runs(FolderLock *lock, const char *folder, bool alone, Err *e)
{
    const int code = take(lock, folder, ".runs.lock", (alone ? LOCK_EX : LOCK_SH) | LOCK_NB, TRIES, e);
    if (!code && alone) lock_file(lock->fd, LOCK_SH);
    return code;
}

int folder_lock_shared(FolderLock *lock, const char *folder, Err *e)
{
    return take(lock, folder, own_lock, LOCK_SH | LOCK_NB, TRIES, e);
}

int folder_lock_of(FolderLock *lock, const char *file, Err *e)
{
    const int length = (int)(path_base(file) - file);
    char *folder = path_format(e, "%.*s", length ? length : 1, length ? file : ".");
    lock->fd = folder ? sys_open(folder, O_RDONLY | O_DIRECTORY) : -1;
    const int failed = lock->fd < 0 ? errno : 0;
    mem_free(folder);
    if (!folder) return ERR_NOMEM;
    if (failed == EACCES || failed == ENOENT) return 0; /* where there is no folder, whoever writes tells */
    if (failed) return err_errno(e, failed, "%s: cannot open its folder", file);
    int held, tries = LOCK_MOMENT * TRIES_PER_SECOND;
    while ((held = lock_file(lock->fd, LOCK_EX | LOCK_NB)) == EWOULDBLOCK && tries-- > 0)
        nanosleep(&(struct timespec){0, TRY_MS * 1000000}, NULL);
    if (held) folder_unlock(lock);
    return 0;
}

int folder_is_locked(const char *folder, bool *locked, Err *e)
{
    *locked = false;
    char *path = path_format(e, "%s/.lock", folder);
    if (!path) return ERR_NOMEM;
    int failed = 0;
    const int fd = sys_open(path, O_RDWR);
    if (fd >= 0) failed = lock_file(fd, LOCK_SH | LOCK_NB);
    else if (errno != ENOENT && errno != ENOTDIR) failed = errno;
    *locked = failed == EWOULDBLOCK;
    const int code =
        failed && !*locked ? err_errno(e, failed, "%s: cannot write into this folder (its lock, .lock)", folder) : 0;
    if (fd >= 0) close(fd);
    mem_free(path);
    return code;
}

void folder_unlock(FolderLock *lock)
{
    if (lock->fd >= 0) close(lock->fd);
    lock->fd = -1;
}
