/* Whole folders: replacing one by another, and removing one with its content. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include "base/error.h"

/* Renames `old` to `away` and `fresh` to `old`. `away` is in the same folder and must not exist. Where the file
 * system can exchange two names (most on Linux), the name `old` exists all the time. Else it does not exist for a
 * moment between two renames. Fails: ERR_IO; both folders then keep their names. */
int folder_replace(const char *old, const char *fresh, const char *away, Err *e);

int folder_rename(const char *from, const char *to, Err *e);

/* Removes a folder and all in it; links are removed, not followed. A path that does not exist is no error. Fails:
 * ERR_IO, ERR_NOMEM; part of the content may be removed then. */
int folder_remove(const char *path, Err *e);

/* Removes a folder that holds nothing but .lock, which the caller has locked; any other folder stays. */
void folder_remove_empty(const char *path);

#endif
