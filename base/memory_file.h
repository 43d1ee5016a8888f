/* Files in memory (memfd_create): they have a path, /proc/self/fd/N, and are never on a disk. */
#ifndef BASE_MEMORY_FILE_H
#define BASE_MEMORY_FILE_H

#include <stddef.h>

#include "base/error.h"

enum { MEMORY_FILE_PATH_BYTES = 32 };

/* A new, empty file; its format is known by the ending of name (path_named). Returns its number, which the caller closes, or
 * -1 with e filled: ERR_NOMEM; ERR_IO if the process or the system has too many open files. */
int memory_file_new(const char *name, char path[MEMORY_FILE_PATH_BYTES], Err *e);

/* Replaces the path of a file by a name that people know, in a text of `bytes` bytes of room. */
void memory_file_rename(char *text, size_t bytes, const char *path, const char *name);

#endif
