/* All file access of the project.
 *
 * Writing is atomic: a temporary file in the same folder, NAME.tmp-HOST-PID-SERIAL (a long NAME is cut), is flushed,
 * fsynced, closed, renamed, the folder fsynced (the order of Redis' rdb.c). A file that is not committed is removed.
 * Open temporaries are listed so that a signal handler can remove them (file_unlink_temporaries, async-signal-safe).
 *
 * A temporary is locked (flock) while it is written. The kernel drops the lock when a process is killed. So leftovers
 * can be told from files that are still written, even where process numbers repeat (containers). They are removed by the next process on the
 * same machine that writes into the folder or makes it its output folder; on another machine only after a day, since some shared file
 * systems have locks for each machine only.
 *
 * A file in memory (memfd_create) has a path too, /proc/self/fd/N: it is read as any other, and written as it is, because
 * it has no name that could be changed.
 *
 * Paths are borrowed; returned strings are owned by the caller (mem_free). */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct OutFile {
    int fd;           /* -1 when closed */
    int slot;         /* of the list of open temporaries */
    char *path;       /* final name */
    char *temporary;  /* name while writing, same folder; NULL: an open file is written */
    uint64_t written; /* bytes */
} OutFile;

#define FILE_CLOSED .fd = -1, .slot = -1 /* {FILE_CLOSED}: for file_abort */

int file_create(OutFile *f, const char *path, Err *e);
int file_write(OutFile *f, const void *data, size_t bytes, Err *e);
/* To the disk, under its temporary name: of several files that belong together none shall get its name before all are
 * complete. Fails: ERR_IO. */
int file_flush(OutFile *f, Err *e);
/* 0: the complete file is under its final name. Else the earlier file of that name is unchanged. The folder is
 * flushed last. Where the system refuses that (a folder without read permission, some network file systems), the
 * result is 0 all the same. */
int file_commit(OutFile *f, Err *e);
void file_abort(OutFile *f); /* removes the temporary; does nothing after commit or abort */

/* create, write, commit in one. */
int file_put(const char *path, const void *data, size_t bytes, Err *e);

/* The content of one file under another name. Fails: as file_map and file_put. */
int file_copy(const char *from, const char *to, Err *e);

/* What is read must be a regular file: a folder, a named pipe, a device or a broken link is an error that says so. */

/* The whole file in one block with a NUL behind it; *bytes is its length without the NUL. */
int file_get(const char *path, char **data, size_t *bytes, Err *e);

/* Maps a whole regular file read-only; an empty file gives NULL and 0 bytes. */
int file_map(const char *path, void **data, size_t *bytes, Err *e);
void file_unmap(void *data, size_t bytes);
/* Releases the pages of a part of a mapping (madvise); they are read from the file again when needed. */
void file_forget(const void *data, size_t bytes);

/* Whether the path exists. 0 with *there set: false only where the system says that it does not exist. Negative
 * where this cannot be determined: no permission, an input/output error, a broken link (ERR_IO), or path is NULL
 * because it could not be composed (ERR_NOMEM). */
int file_is_there(const char *path, bool *there, Err *e);

/* Whether the path is a folder, and whether both paths are one file or folder; links are followed. What does not exist,
 * a link to nothing included, is no folder and not the same. Negative, with false, where this cannot be determined, as
 * file_is_there. */
int file_is_folder(const char *path, bool *is, Err *e);
int file_is_same(const char *a, const char *b, bool *same, Err *e);

/* A file's size and the time of its last change (ns since 1970), to notice a change. A folder and what else is no regular
 * file has 0 of both. */
typedef struct FileVersion {
    uint64_t bytes;
    int64_t modified_ns;
    bool is_file;
} FileVersion;

/* fresh: the file is opened for it. A network file system then asks its server; else it may give what it knew some time
 * ago. Fails: ERR_IO. */
int file_version(FileVersion *v, const char *path, bool fresh, Err *e);

/* A file that stays open, to notice a change of its content: another file that takes its name is none. fd 0: closed. */
typedef struct FileWatch {
    int fd;
    uint64_t bytes;
    int64_t modified_ns;
} FileWatch;

int file_watch(FileWatch *w, const char *path, Err *e);
int file_watch_check(const FileWatch *w, const char *path, bool *changed,
                     Err *e); /* path: for messages. Fails: ERR_IO */
void file_watch_end(FileWatch *w);

/* Makes a folder to write into, and those above it, as mkdir -p does; leftovers of killed processes in it are
 * removed. */
int file_make_folders(const char *path, Err *e);
/* Removes the temporaries that killed processes left in a folder, once per folder and process, since a folder may
 * hold very many files. Called by file_create and file_make_folders. Temporaries that cannot be removed stay. */
void file_remove_leftovers(const char *folder);
int file_remove(const char *path, Err *e); /* 0 also where nothing was there */

/* Names in a folder, sorted bytewise; free with file_list_free. Hidden files (".name", as of editors, and macOS's
 * "._name") are left out. */
typedef struct FileList {
    char **names;
    int count;
} FileList;
int file_list(FileList *list, const char *folder, Err *e);

/* Appends a path and owns it from then on; a path of NULL means lack of memory. Fails: ERR_NOMEM. */
int file_list_add(FileList *list, char *path, Err *e);
void file_list_free(FileList *list);

/* "folder/name" from a format; NULL with e filled on lack of memory. */
char *path_format(Err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *path_absolute(const char *path, Err *e); /* of an existing path: no links, no ".."; NULL with e filled */
const char *path_base(const char *path);       /* what follows the last '/'; borrowed */
bool path_ends_with(const char *path, const char *suffix);

/* Whether path is /proc/self/fd/N. path_named: the path by whose ending a file's format is known: of an open file the
 * name that it was opened or made with, in buffer; else path itself. */
enum { PATH_NAMED_BYTES = 512 };
bool path_is_open_file(const char *path);
const char *path_named(const char *path, char buffer[PATH_NAMED_BYTES]);

/* Removes the open temporaries of this process, which must end right after: threads that create or finish a file
 * from now on block for ever. Async-signal-safe. */
void file_unlink_temporaries(void);

#endif
