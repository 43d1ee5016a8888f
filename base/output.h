/* A file that the user names by -o. */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include "base/lock.h"

/* Fails if there is a file of this name and `replace` is not set: ERR_VALUE. An open file (base/file.h) is always free. */
int output_expect_free(const char *path, bool replace, Err *e);

/* Before the file is written: locks its folder and asks again, since another program may have written it meanwhile. The caller
 * writes, and releases the lock by folder_unlock. Fails: as folder_lock_of and output_expect_free; nothing is
 * locked then. */
int output_begin(FolderLock *lock, const char *path, bool replace, Err *e);

#endif
