#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/path_hint.h"
#include "base/sandbox_hint.h"
#include "base/sys.h"
#include "base/text.h"

/* The system's error for a path; a link whose target does not exist is named as such. */
static int path_error(Err *e, int saved_errno, const char *path, const char *what)
{
    char target[PATH_MAX];
    const ssize_t length = saved_errno == ENOENT ? readlink(path, target, sizeof target - 1) : -1;
    if (length < 0) {
        const int code = err_errno(e, saved_errno, "%s: %s", path, what);
        if (saved_errno == ENOENT) path_hint(e, path);
        return code;
    }
    target[length] = '\0';
    return err_set(e, ERR_IO, "%s: %s: it is a link to %s, which does not exist", path, what, target);
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a named pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/* Opens a regular file and tells its size. O_NONBLOCK: opening a pipe without a writer must not block. */
static int open_for_reading(const char *path, int *fd, size_t *bytes, Err *e)
{
    struct stat info;
    *fd = sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) return path_error(e, errno, path, "cannot open");
    int failed = 0;
    if (sys_open_stat(*fd, &info)) failed = err_errno(e, errno, "%s: cannot tell its size", path);
    else if (!S_ISREG(info.st_mode))
        failed = err_set(e, ERR_IO, "%s: not a regular file but %s", path, kind_of(info.st_mode));
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
        const ssize_t more = sys_read(fd, block + got, *bytes - got);
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
        void *mapped = sys_map(*bytes, PROT_READ, MAP_PRIVATE, fd);
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

#define CANNOT_TELL "cannot tell whether it is there"

/* What the path leads to. *there is false where that does not exist, also at the end of a link. */
static int look_at(const char *path, struct stat *info, bool *there, Err *e)
{
    *there = false;
    if (!path) return err_set(e, ERR_NOMEM, "out of memory: a path could not be composed");
    *there = !sys_stat(path, info);
    return *there || errno == ENOENT || errno == ENOTDIR ? 0 : path_error(e, errno, path, CANNOT_TELL);
}

int file_is_there(const char *path, bool *there, Err *e)
{
    struct stat info;
    TRY(look_at(path, &info, there, e));
    if (*there) return 0;
    if (!sys_link_stat(path, &info)) return path_error(e, ENOENT, path, CANNOT_TELL); /* a link to nothing */
    return errno == ENOENT || errno == ENOTDIR ? 0 : path_error(e, errno, path, CANNOT_TELL);
}

int file_is_folder(const char *path, bool *is, Err *e)
{
    struct stat info;
    const int code = look_at(path, &info, is, e);
    *is = *is && S_ISDIR(info.st_mode);
    return code;
}

int file_is_same(const char *a, const char *b, bool *same, Err *e)
{
    struct stat one, other;
    bool both;
    TRY(look_at(a, &one, same, e));
    const int code = look_at(b, &other, &both, e);
    *same = *same && both && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
    return code;
}

static int64_t modification_ns(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

int file_version(FileVersion *v, const char *path, bool fresh, Err *e)
{
    struct stat info;
    const int fd = fresh ? sys_open(path, O_RDONLY | O_NONBLOCK) : -1;
    const bool failed = fd >= 0 ? sys_open_stat(fd, &info) : sys_stat(path, &info);
    const int saved = errno;
    if (fd >= 0) close(fd);
    if (failed) return path_error(e, saved, path, "cannot be looked at");
    *v = (FileVersion){.is_file = S_ISREG(info.st_mode)};
    if (v->is_file) *v = (FileVersion){(uint64_t)info.st_size, modification_ns(&info), true};
    return 0;
}

int file_watch(FileWatch *w, const char *path, Err *e)
{
    size_t bytes = 0;
    struct stat info;
    *w = (FileWatch){0};
    int fd;
    TRY(open_for_reading(path, &fd, &bytes, e));
    if (sys_open_stat(fd, &info)) {
        const int saved = errno;
        close(fd);
        return err_errno(e, saved, "%s: cannot be looked at", path);
    }
    *w = (FileWatch){fd, bytes, modification_ns(&info)};
    return 0;
}

int file_watch_check(const FileWatch *w, const char *path, bool *changed, Err *e)
{
    struct stat info;
    *changed = false;
    if (sys_open_stat(w->fd, &info)) return err_errno(e, errno, "%s: cannot be looked at", path);
    *changed = (uint64_t)info.st_size != w->bytes || modification_ns(&info) != w->modified_ns;
    return 0;
}

void file_watch_end(FileWatch *w)
{
    if (w->fd > 0) close(w->fd);
    *w = (FileWatch){0};
}

static int make_folder(const char *path, Err *e)
{
    struct stat info;
    bool there;
    if (!sys_make_folder(path)) return 0;
    const int saved = errno;
    const int code = look_at(path, &info, &there, e);
    if (!code && there && S_ISDIR(info.st_mode)) return 0;
    if (saved != EEXIST) return err_errno(e, saved, "%s: cannot make the folder%s", path, sandbox_hint(saved, path));
    if (code) return code;
    if (!there) return path_error(e, ENOENT, path, "cannot make the folder"); /* a link to nothing */
    return err_set(e, ERR_IO, "%s: cannot make the folder: there is a file of that name", path);
}

int file_make_folders(const char *path, Err *e)
{
    if (!*path) return err_set(e, ERR_VALUE, "the path of a folder to be made is empty");
    char *partial = mem_strdup(path, e);
    if (!partial) return ERR_NOMEM;
    int failed = 0;
    for (char *at = partial + 1; !failed; at++) {
        if (*at != '/' && *at != '\0') continue;
        const char ending = *at;
        *at = '\0';
        failed = make_folder(partial, e);
        *at = ending;
        if (!ending) break;
    }
    mem_free(partial);
    if (!failed) file_remove_leftovers(path);
    return failed;
}

int file_remove(const char *path, Err *e)
{
    return sys_unlink(path) && errno != ENOENT ? err_errno(e, errno, "%s: cannot remove", path) : 0;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int file_list(FileList *list, const char *folder, Err *e)
{
    *list = (FileList){0};
    DIR *dir = sys_open_folder(folder);
    if (!dir) return err_errno(e, errno, "%s: cannot list the folder", folder);
    int failed = 0;
    while (!failed) {
        const struct dirent *entry = sys_next_entry(dir);
        if (!entry && errno) failed = err_errno(e, errno, "%s: cannot list the folder to its end", folder);
        if (!entry) break;
        if (entry->d_name[0] == '.') continue;
        failed = file_list_add(list, mem_strdup(entry->d_name, e), e);
    }
    closedir(dir);
    if (failed) file_list_free(list);
    else if (list->count) qsort(list->names, (size_t)list->count, sizeof *list->names, by_bytes);
    return failed;
}

int file_list_add(FileList *list, char *path, Err *e)
{
    if (!path || mem_grow_list(&list->names, list->count, sizeof *list->names, e)) {
        mem_free(path);
        return ERR_NOMEM;
    }
    list->names[list->count++] = path;
    return 0;
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

bool path_is_open_file(const char *path)
{
    static const char folder[] = "/proc/self/fd/";
    const size_t length = sizeof folder - 1,
                 digits = strncmp(path, folder, length) ? 0 : strspn(path + length, "0123456789");
    return digits && !path[length + digits];
}

const char *path_named(const char *path, char buffer[PATH_NAMED_BYTES])
{
    static const char of_memory[] = " (deleted)"; /* the kernel adds it, also to the names of files in memory */
    static const char memory[] = "/memfd:";       /* before these names */
    if (!path_is_open_file(path)) return path;
    const ssize_t length = readlink(path, buffer, PATH_NAMED_BYTES - 1);
    if (length < 0) return path;
    buffer[length] = '\0';
    if (path_ends_with(buffer, of_memory)) buffer[(size_t)length - strlen(of_memory)] = '\0';
    return buffer + (strncmp(buffer, memory, strlen(memory)) ? 0 : strlen(memory));
}
