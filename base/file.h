/* All file access of the project.
 *
 * Writing is atomic: a temporary file in the same folder, NAME.tmp-PID-SERIAL (a long NAME is cut), is flushed, fsynced, closed, renamed, the
 * folder fsynced (the order of Redis' rdb.c). An OutFile that is not committed leaves nothing behind. Open temporaries
 * are listed so that a signal handler can remove them (file_unlink_temporaries, async-signal-safe).
 *
 * A temporary is locked (flock) while it is written. A process that is killed leaves its temporaries, and they are no
 * longer locked: so they are told from those of a process that still writes, also where process numbers repeat
 * (containers) or belong to another machine (shared file systems). They are removed by the next process that writes into
 * the folder or makes it its output folder.
 *
 * Paths are borrowed; returned strings are owned by the caller (mem_free). */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct OutFile {
    int fd;              /* -1 when closed */
    int slot;            /* of the list of open temporaries */
    char *path;          /* final name */
    char *temporary;     /* name while writing, same folder */
    uint64_t written;    /* bytes */
} OutFile;

int file_create(OutFile *f, const char *path, Err *e);
int file_write(OutFile *f, const void *data, size_t bytes, Err *e);
/* 0: the file stands complete under its final name. Else it does not: what stood there before stands as it was.
 * The folder is flushed last. Where the system refuses that (a folder that may be written but not read, some network
 * file systems), the file stands all the same and the result is 0. */
int file_commit(OutFile *f, Err *e);
void file_abort(OutFile *f);          /* removes the temporary; does nothing after commit or abort */

/* create, write, commit in one. */
int file_put(const char *path, const void *data, size_t bytes, Err *e);

/* What is read must be a regular file: a folder, a named pipe, a device or a link to nothing is an error that says so. */

/* The whole file in one block with a NUL behind it; *bytes is its length without the NUL. */
int file_get(const char *path, char **data, size_t *bytes, Err *e);

/* Maps a whole regular file read-only; an empty file gives NULL and 0 bytes. */
int file_map(const char *path, void **data, size_t *bytes, Err *e);
void file_unmap(void *data, size_t bytes);
/* Takes a part of a mapping out of the process's memory; it comes back where it is read again. */
void file_forget(const void *data, size_t bytes);

/* Whether something stands under the path. 0 with *there set; it is false only where the system says that nothing is.
 * Negative where that cannot be told, which is not the same as "no": no permission, an input/output error, a link
 * to what is not there (ERR_IO), or path is NULL because it could not be composed (ERR_NOMEM). */
int file_is_there(const char *path, bool *there, Err *e);
bool file_is_folder(const char *path);
bool file_is_same(const char *a, const char *b);   /* both are there, and are one file or folder, links followed */
int64_t file_size(const char *path);               /* in bytes; 0 where there is no file */

/* What tells that a file has changed: its size and when it was written last (ns since 1970). */
int file_version(const char *path, uint64_t *bytes, int64_t *modified_ns, Err *e);

/* Makes a folder to write into, and those above it, as mkdir -p does; what killed processes left in it is removed. */
int file_make_folders(const char *path, Err *e);
/* Removes the temporaries that killed processes left in a folder, once in the life of this process: a folder may hold
 * very many files. Done by file_create and file_make_folders. What cannot be removed stays: it does no harm. */
void file_remove_leftovers(const char *folder);
int file_remove(const char *path, Err *e);         /* 0 also where nothing was there */

/* Names in a folder, sorted bytewise; free with file_list_free. Hidden files (".name": of the system, of editors, of
 * macOS "._name") are no one's data and left out. */
typedef struct FileList {
    char **names;
    int count;
} FileList;
int file_list(FileList *list, const char *folder, Err *e);

/* Adds a path at the end, and takes it over; NULL is lack of memory. Only to a list that grew by this. Fails: ERR_NOMEM. */
int file_list_add(FileList *list, char *path, Err *e);
void file_list_free(FileList *list);

/* "folder/name" from a format; NULL with e filled on lack of memory. */
char *path_format(Err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *path_absolute(const char *path, Err *e); /* of what is there: no links, no ".."; NULL with e filled */
const char *path_base(const char *path);           /* what follows the last '/'; borrowed */
bool path_ends_with(const char *path, const char *suffix);

/* Removes the open temporaries of this process, which must end right after: threads that want to create or finish a
 * file from now on wait for ever. Async-signal-safe. */
void file_unlink_temporaries(void);

#endif
