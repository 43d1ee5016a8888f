/* Staging: a folder of results that exists under its name only when it is complete.
 *
 * It is filled in a hidden folder beside it, .NAME.SUFFIX/new, and then renamed. A folder that it replaces is removed
 * last. A run that is killed leaves the hidden folder, which no other run touches: another run may be writing it, or
 * it holds the earlier results of one that was killed between two renames.
 *   Staging s;
 *   TRY(staging_begin(&s, "results/out", "export", e));
 *   int code = fill(s.fresh, e);
 *   if (!code) code = staging_settle(&s, e);
 *   return staging_end(&s, code, e); */
#ifndef BASE_STAGING_H
#define BASE_STAGING_H

#include "base/error.h"

typedef struct Staging {
    const char *out; /* borrowed */
    char *work;      /* the hidden folder; owned */
    char *fresh;     /* the folder to fill; owned */
} Staging;

/* Makes out's parents and the folder to fill. Nothing is owned on failure: ERR_VALUE where the hidden folder exists;
 * ERR_IO, ERR_NOMEM. */
int staging_begin(Staging *s, const char *out, const char *suffix, Err *e);

/* Gives the filled folder its name. Fails: ERR_IO, ERR_NOMEM; an earlier folder of that name is unchanged then. */
int staging_settle(const Staging *s, Err *e);

/* Removes the hidden folder, and returns code, or the failure of removing it where code is 0. */
int staging_end(Staging *s, int code, Err *e);

#endif
