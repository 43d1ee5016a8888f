#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/faults.h"

/* The value of a call, or `otherwise` where a test lets it fail with `error`. */
#define CALL(error, otherwise, value) (fault_is_due(__func__, error) ? (otherwise) : (value))

enum { NEW_FILE = 0666, NEW_FOLDER = 0777 };

static bool was_interrupted(ssize_t result) { return result < 0 && errno == EINTR; }

int sys_open(const char *path, int flags) { return sys_open_at(AT_FDCWD, path, flags); }

int sys_open_at(int folder, const char *name, int flags)
{
    int fd;
    do fd = CALL(EIO, -1, openat(folder, name, flags | O_CLOEXEC, NEW_FILE));
    while (was_interrupted(fd));
    return fd;
}

int sys_memory_file(const char *name) { return CALL(ENOMEM, -1, memfd_create(name, MFD_CLOEXEC)); }

int sys_duplicate(int fd) { return CALL(EMFILE, -1, fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

int sys_pipe(int ends[2]) { return CALL(EMFILE, -1, pipe2(ends, O_CLOEXEC)); }

ssize_t sys_read(int fd, void *bytes, size_t size)
{
    ssize_t count;
    do {
        const ptrdiff_t most = fault_most(size);
        count = CALL(EIO, -1, most < 0 ? -1 : read(fd, bytes, (size_t)most));
    } while (was_interrupted(count));
    return count;
}

ssize_t sys_read_at(int fd, void *bytes, size_t size, off_t offset)
{
    ssize_t count;
    do {
        const ptrdiff_t most = fault_most(size);
        count = CALL(EIO, -1, most < 0 ? -1 : pread(fd, bytes, (size_t)most, offset));
    } while (was_interrupted(count));
    return count;
}

ssize_t sys_write(int fd, const void *bytes, size_t size)
{
    ssize_t count;
    do {
        const ptrdiff_t most = fault_most(size);
        count = CALL(ENOSPC, -1, most < 0 ? -1 : write(fd, bytes, (size_t)most));
    } while (was_interrupted(count));
    return count;
}

int sys_sync(int fd)
{
    int failed;
    do failed = CALL(EIO, -1, fsync(fd));
    while (was_interrupted(failed));
    return failed;
}

/* Not made again: on Linux the descriptor is free after an interrupted close, too. */
int sys_close(int fd)
{
    const bool fails = fault_is_due(__func__, EIO);
    const int failed = close(fd);
    if (fails) errno = EIO;
    return fails ? -1 : failed;
}

int sys_lock(int fd, int operation)
{
    int failed;
    do failed = CALL(ENOLCK, -1, flock(fd, operation));
    while (was_interrupted(failed));
    return failed;
}

void *sys_map(size_t size, int protection, int flags, int fd)
{
    return CALL(ENOMEM, MAP_FAILED, mmap(NULL, size, protection, flags, fd, 0));
}

int sys_stat(const char *path, struct stat *info) { return CALL(EIO, -1, stat(path, info)); }

int sys_link_stat(const char *path, struct stat *info) { return CALL(EIO, -1, lstat(path, info)); }

int sys_open_stat(int fd, struct stat *info) { return CALL(EIO, -1, fstat(fd, info)); }

int sys_rename(const char *from, const char *to) { return CALL(EIO, -1, rename(from, to)); }

int sys_exchange(const char *one, const char *other)
{
    return CALL(EIO, -1, renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE));
}

int sys_unlink(const char *path) { return CALL(EIO, -1, unlink(path)); }

int sys_make_folder(const char *path) { return CALL(ENOSPC, -1, mkdir(path, NEW_FOLDER)); }

int sys_remove_folder(const char *path) { return CALL(EIO, -1, rmdir(path)); }

DIR *sys_open_folder(const char *path) { return CALL(EMFILE, NULL, opendir(path)); }

const struct dirent *sys_next_entry(DIR *folder)
{
    errno = 0;
    return CALL(EIO, NULL, readdir(folder));
}

int sys_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context)
{
    return CALL(EAGAIN, EAGAIN, pthread_create(thread, attributes, start, context));
}
