#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

/* The only process-wide state below a main: names that a dying process must remove. */
enum { MAX_OPEN = 64 };
static _Atomic(const char *) open_temporaries[MAX_OPEN];

static int take_slot(const char *temporary)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        const char *none = NULL;
        if (atomic_compare_exchange_strong(&open_temporaries[i], &none, temporary)) return i;
    }
    return -1; /* more files open than slots: this one is not removed by a signal */
}

void file_unlink_temporaries(void)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        const char *temporary = atomic_load(&open_temporaries[i]);
        if (temporary) unlink(temporary);
    }
}

static void release(OutFile *f)
{
    if (f->slot >= 0) atomic_store(&open_temporaries[f->slot], NULL);
    mem_free(f->path);
    mem_free(f->temporary);
    *f = (OutFile){.fd = -1, .slot = -1};
}

int file_create(OutFile *f, const char *path, Err *e)
{
    static atomic_uint serial;
    *f = (OutFile){.fd = -1, .slot = -1};
    f->path = mem_strdup(path, e);
    f->temporary = path_format(e, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (!f->path || !f->temporary) {
        release(f);
        return ERR_NOMEM;
    }
    f->slot = take_slot(f->temporary);
    f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        const int saved = errno;
        release(f);
        return err_errno(e, saved, "%s: cannot create the file", path);
    }
    return 0;
}

int file_write(OutFile *f, const void *data, size_t bytes, Err *e)
{
    for (const char *at = data; bytes;) {
        const ssize_t done = write(f->fd, at, bytes);
        if (done < 0 && errno == EINTR) continue;
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

static int sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    /* Some file systems cannot sync a folder (EINVAL): then the rename is all there is. */
    const int failed = fsync(fd) && errno != EINVAL && errno != EROFS ? errno : 0;
    close(fd);
    return failed;
}

int file_commit(OutFile *f, Err *e)
{
    int failed = 0;
    if (fsync(f->fd)) failed = err_errno(e, errno, "%s: cannot flush to disk", f->path);
    if (close(f->fd) && !failed) failed = err_errno(e, errno, "%s: cannot close", f->path);
    f->fd = -1;
    if (!failed && rename(f->temporary, f->path))
        failed = err_errno(e, errno, "%s: cannot rename into place", f->path);
    if (failed) {
        file_abort(f);
        return failed;
    }
    const int unsynced = sync_folder_of(f->path);
    if (unsynced) failed = err_errno(e, unsynced, "%s: cannot flush its folder", f->path);
    release(f);
    return failed;
}

void file_abort(OutFile *f)
{
    if (f->fd >= 0) close(f->fd);
    if (f->temporary) unlink(f->temporary);
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

/* Opens a regular file and tells its size. */
static int open_for_reading(const char *path, int *fd, size_t *bytes, Err *e)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return err_errno(e, errno, "%s: cannot open", path);
    int failed = 0;
    if (fstat(*fd, &info)) failed = err_errno(e, errno, "%s: cannot tell its size", path);
    else if (!S_ISREG(info.st_mode)) failed = err_set(e, ERR_IO, "%s: not a regular file", path);
    else *bytes = (size_t)info.st_size;
    if (failed) close(*fd);
    return failed;
}

int file_get(const char *path, char **data, size_t *bytes, Err *e)
{
    int fd;
    *data = NULL;
    TRY(open_for_reading(path, &fd, bytes, e));
    size_t got = 0;
    int failed = 0;
    char *block = mem_alloc(*bytes + 1, e);
    if (!block) failed = ERR_NOMEM;
    while (!failed && got < *bytes) {
        const ssize_t more = read(fd, block + got, *bytes - got);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) failed = err_errno(e, errno, "%s: cannot read", path);
        else if (more == 0) failed = err_set(e, ERR_IO, "%s: shrank while it was read", path);
        else got += (size_t)more;
    }
    close(fd);
    if (failed) {
        mem_free(block);
        return failed;
    }
    block[got] = '\0';
    *data = block;
    return 0;
}

int file_map(const char *path, void **data, size_t *bytes, Err *e)
{
    int fd, failed = 0;
    *data = NULL;
    TRY(open_for_reading(path, &fd, bytes, e));
    if (*bytes) {
        void *mapped = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapped == MAP_FAILED) failed = err_errno(e, errno, "%s: cannot map", path);
        else *data = mapped;
    }
    close(fd);
    return failed;
}

void file_unmap(void *data, size_t bytes)
{
    if (data) munmap(data, bytes);
}

void file_forget(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data;
    const uintptr_t first = (start + page - 1) / page * page, past = (start + bytes) / page * page;
    if (first < past) madvise((char *)data + (first - start), past - first, MADV_DONTNEED);
}

/* What the system said of a path; a link to what is not there is named as such. */
static int path_error(Err *e, int saved_errno, const char *path, const char *what)
{
    char target[PATH_MAX];
    const ssize_t length = saved_errno == ENOENT ? readlink(path, target, sizeof target - 1) : -1;
    if (length < 0) return err_errno(e, saved_errno, "%s: %s", path, what);
    target[length] = '\0';
    return err_set(e, ERR_IO, "%s: %s: it is a link that points to %s, which is not there", path, what, target);
}

int file_is_there(const char *path, bool *there, Err *e)
{
    struct stat info;
    *there = false;
    if (!path) return err_set(e, ERR_NOMEM, "out of memory: a path could not be composed");
    if (!stat(path, &info)) {
        *there = true;
        return 0;
    }
    const int saved = errno;
    const bool nothing = (saved == ENOENT && lstat(path, &info)) || saved == ENOTDIR;
    return nothing ? 0 : path_error(e, saved, path, "cannot tell whether it is there");
}

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int64_t file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) ? 0 : (int64_t)info.st_size;
}

int file_version(const char *path, uint64_t *bytes, int64_t *modified_ns, Err *e)
{
    struct stat info;
    if (stat(path, &info)) return err_errno(e, errno, "%s: cannot be looked at", path);
    *bytes = (uint64_t)info.st_size;
    *modified_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    return 0;
}

int file_make_folders(const char *path, Err *e)
{
    char *partial = mem_strdup(path, e);
    if (!partial) return ERR_NOMEM;
    int failed = 0;
    for (char *at = partial + 1; !failed; at++) {
        if (*at != '/' && *at != '\0') continue;
        const char ending = *at;
        *at = '\0';
        if (mkdir(partial, 0777) && !(errno == EEXIST && file_is_folder(partial)))
            failed = err_errno(e, errno, "%s: cannot make the folder", partial);
        *at = ending;
        if (!ending) break;
    }
    mem_free(partial);
    return failed;
}

int file_remove(const char *path, Err *e)
{
    return unlink(path) ? err_errno(e, errno, "%s: cannot remove", path) : 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int file_list(FileList *list, const char *folder, Err *e)
{
    *list = (FileList){0};
    DIR *dir = opendir(folder);
    if (!dir) return err_errno(e, errno, "%s: cannot list the folder", folder);
    int capacity = 0, failed = 0;
    for (const struct dirent *entry; !failed && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (list->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            failed = mem_grow((void **)&list->names, (size_t)list->count * sizeof *list->names,
                              (size_t)capacity * sizeof *list->names, e);
            if (failed) break;
        }
        list->names[list->count] = mem_strdup(entry->d_name, e);
        if (!list->names[list->count]) failed = ERR_NOMEM;
        else list->count++;
    }
    closedir(dir);
    if (failed) file_list_free(list);
    else if (list->count) qsort(list->names, (size_t)list->count, sizeof *list->names, by_bytes);
    return failed;
}

void file_list_free(FileList *list)
{
    for (int i = 0; i < list->count; i++) mem_free(list->names[i]);
    mem_free(list->names);
    *list = (FileList){0};
}

char *path_format(Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *path = text_format(e, format, args);
    va_end(args);
    return path;
}

char *path_absolute(const char *path, Err *e)
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved)) return mem_strdup(resolved, e);
    err_errno(e, errno, "%s: cannot be found", path);
    return NULL;
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool path_ends_with(const char *path, const char *suffix)
{
    const size_t length = strlen(path), ending = strlen(suffix);
    return length >= ending && !strcmp(path + length - ending, suffix);
}
