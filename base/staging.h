/* Staging: a folder of results that exists under its name only when it is complete.
 *
 * It is filled in a hidden folder beside it, .NAME.SUFFIX/new, and then renamed. A folder that it replaces is removed
 * last. The hidden folder is locked. A run that is killed leaves it; the next run with that name removes it, after it has given
 * earlier results that are in it (the run was killed between two renames) their name again.
 *   Staging s;
 *   TRY(staging_begin(&s, "results/out", "export", e));
 *   int code = fill(s.fresh, e);
 *   if (!code) code = staging_settle(&s, e);
 *   return staging_end(&s, code, e); */
#ifndef BASE_STAGING_H
#define BASE_STAGING_H

#include "base/lock.h"

typedef struct Staging {
    const char *out; /* borrowed */
    char *work;      /* the hidden folder; owned */
    char *fresh;     /* the folder to fill; owned */
    char *earlier;   /* what it replaces, as long as that is not removed; owned */
    FolderLock lock; /* on work */
} Staging;

/* Makes out's parents and the folder to fill. Nothing is owned on failure: ERR_VALUE where another run writes it;
 * ERR_IO, ERR_NOMEM. */
int staging_begin(Staging *s, const char *out, const char *suffix, Err *e);

/* Gives the filled folder its name. Fails: ERR_IO, ERR_NOMEM; an earlier folder of that name is unchanged then. */
int staging_settle(const Staging *s, Err *e);

/* Removes the hidden folder (what else somebody put there stays), and returns code, or the failure of removing it where
 * code is 0. */
int staging_end(Staging *s, int code, Err *e);

#endif
