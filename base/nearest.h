/* The name that was probably meant: the nearest one by edit distance (Levenshtein), upper and lower case aside. For
 * hints in messages only. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stdbool.h>

/* Letters to insert, remove or replace; what is beyond 64 letters is not compared. */
int name_distance(const char *a, const char *b);

/* Whether a word is probably a misspelt name: few letters differ. */
bool name_is_near(const char *word, const char *name);

/* The nearest in a NULL-terminated list, the first of several; NULL for an empty list. */
const char *name_nearest(const char *word, const char *const *names);

#endif
