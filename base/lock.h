/* A lock on a folder, so that two runs do not write into it at once.
 *
 * The lock is the kernel's (flock): it ends with the process that holds it, however that dies, and
 * leaves nothing to clean up but an empty file. Owner: who took it, with folder_unlock. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

typedef struct FolderLock {
    int fd;       /* -1: none */
} FolderLock;

/* Locks FOLDER/.lock. Fails: ERR_VALUE if another process holds it, for longer than the fifth of a second that it
 * tries (folder_is_locked of others takes a moment); ERR_IO. */
int folder_lock(FolderLock *lock, const char *folder, Err *e);

/* The same, but waits for another process: for what is done in a moment. Fails: ERR_IO. */
int folder_lock_wait(FolderLock *lock, const char *folder, Err *e);

/* For reading: any number of readers, but nobody who holds folder_lock. A folder that cannot be written, as on a
 * read-only mount, has no writer, and where it has no .lock none is needed. Fails: ERR_VALUE if another process
 * writes there; ERR_IO. */
int folder_lock_shared(FolderLock *lock, const char *folder, Err *e);

/* Whether a process holds the lock of a folder, this one included. Nothing is made there. Fails: ERR_IO, ERR_NOMEM. */
int folder_is_locked(const char *folder, bool *locked, Err *e);
void folder_unlock(FolderLock *lock);

#endif
