#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

int folder_lock(FolderLock *lock, const char *folder, Err *e)
{
    lock->fd = -1;
    char *path = path_format(e, "%s/.lock", folder);
    if (!path) return ERR_NOMEM;
    int code = 0;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0) {
        code = err_errno(e, errno, "%s: cannot be opened", path);
    } else if (flock(lock->fd, LOCK_EX | LOCK_NB)) {
        code = errno == EWOULDBLOCK
                   ? err_set(e, ERR_VALUE, "%s: another run is writing there; wait for it or give another folder", folder)
                   : err_errno(e, errno, "%s: cannot be locked", path);
        folder_unlock(lock);
    }
    mem_free(path);
    return code;
}

void folder_unlock(FolderLock *lock)
{
    if (lock->fd >= 0) close(lock->fd);
    lock->fd = -1;
}
