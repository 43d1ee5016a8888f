/* A lock on a folder, so that two runs do not write into it at once.
 *
 * The lock is the kernel's (flock): it ends with the process that holds it, even if that is killed; only an empty
 * file remains. The caller releases it with folder_unlock. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

typedef struct FolderLock {
    int fd; /* -1: none */
} FolderLock;

/* Locks FOLDER/.lock. Fails: ERR_VALUE if another process holds it, after retries of 0.2 s in all (folder_is_locked
 * of another process holds it for a moment); ERR_IO. */
int folder_lock(FolderLock *lock, const char *folder, Err *e);

/* The same, but waits for the other process, for at most so many seconds: for locks that are held for a moment only. A
 * training holds that of its fold for hours. Fails: ERR_VALUE, ERR_IO. */
enum { LOCK_MOMENT = 10, LOCK_LONGEST = 900 };
int folder_lock_wait(FolderLock *lock, const char *folder, int seconds, Err *e);

/* Locks FOLDER/.runs.lock as long as a run writes there, shared with all others that do. alone: only if there are no others,
 * for a run that replaces what they have made; afterwards it is shared, too. The caller has folder_lock. Fails: ERR_VALUE if
 * there are others; ERR_IO. */
int folder_lock_runs(FolderLock *lock, const char *folder, bool alone, Err *e);

/* Locks FOLDER/.watch.lock, for a program that writes into the folder as long as it runs: folder_lock stays free for the
 * moments in which records are written. Fails: ERR_VALUE if another process holds it; ERR_IO. */
int folder_lock_watch(FolderLock *lock, const char *folder, Err *e);

/* A shared lock for reading: any number of readers, while no process has folder_lock. A folder that cannot be
 * written (a read-only mount) has no writer; if it has no .lock, none is made. Fails: ERR_VALUE if another process
 * writes there; ERR_IO. */
int folder_lock_shared(FolderLock *lock, const char *folder, Err *e);

/* Locks the folder of a file while the file is written, without making another file in it: the lock is on the folder itself.
 * Waits LOCK_MOMENT at most: the user may hold that lock for another purpose (flock FOLDER COMMAND). No lock (fd -1) then, and
 * where there is no folder, or it cannot be read or locked (some network file systems). Fails: ERR_IO, ERR_NOMEM. */
int folder_lock_of(FolderLock *lock, const char *file, Err *e);

/* Whether a process holds the lock of a folder, this one included. Nothing is made there. Fails: ERR_IO, ERR_NOMEM. */
int folder_is_locked(const char *folder, bool *locked, Err *e);
void folder_unlock(FolderLock *lock);

#endif
