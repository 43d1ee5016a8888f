#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static int take(FolderLock *lock, const char *folder, int operation, Err *e)
{
    lock->fd = -1;
    char *path = path_format(e, "%s/.lock", folder);
    if (!path) return ERR_NOMEM;
    int code = 0, failed = 0;
    const bool reads = operation & LOCK_SH;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0 && reads) lock->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lock->fd < 0) code = reads ? 0 : err_errno(e, errno, "%s: cannot be opened", path);
    else
        while ((failed = flock(lock->fd, operation) ? errno : 0) == EINTR) continue;
    if (failed)
        code = failed == EWOULDBLOCK
                   ? err_set(e, ERR_VALUE, "%s: another run is writing there; wait for it or give another folder", folder)
                   : err_errno(e, failed, "%s: cannot be locked", path);
    if (failed) folder_unlock(lock);
    mem_free(path);
    return code;
}

int folder_lock(FolderLock *lock, const char *folder, Err *e)
{
    return take(lock, folder, LOCK_EX | LOCK_NB, e);
}

int folder_lock_wait(FolderLock *lock, const char *folder, Err *e) { return take(lock, folder, LOCK_EX, e); }

int folder_lock_shared(FolderLock *lock, const char *folder, Err *e)
{
    return take(lock, folder, LOCK_SH | LOCK_NB, e);
}

void folder_unlock(FolderLock *lock)
{
    if (lock->fd >= 0) close(lock->fd);
    lock->fd = -1;
}
