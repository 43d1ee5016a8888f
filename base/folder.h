/* Whole folders: exchanging two, and removing one with all that is in it. */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include "base/error.h"

/* `fresh` takes the place of `old`, and `old` goes to `away`, a name in the same folder where nothing stands. Where the
 * file system can exchange two names (Linux: most), at every moment one of the two stands under the name `old`. Else
 * there is a moment between two renames when nothing does. Fails: ERR_IO; both stand then where they were. */
int folder_replace(const char *old, const char *fresh, const char *away, Err *e);

int folder_rename(const char *from, const char *to, Err *e);

/* Removes a folder and all in it; links are removed, not followed. What is not there is fine. Fails: ERR_IO,
 * ERR_NOMEM; some of it may be gone then. */
int folder_remove(const char *path, Err *e);

/* Removes a folder in which nothing is but .lock, which the caller holds; else leaves it as it is. */
void folder_remove_empty(const char *path);

#endif
