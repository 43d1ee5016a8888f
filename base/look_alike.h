/* Names that look the same but differ in capital letters, in blanks around them, or in their Unicode form. An é may
 * be one character (NFC, as most systems write it) or an e and an accent (NFD, as macOS stores files). Used for
 * hints in messages only: names are always compared by their bytes. */
#ifndef BASE_LOOK_ALIKE_H
#define BASE_LOOK_ALIKE_H

#include <stdbool.h>

#include "base/text.h"

/* Whether two texts differ, and possibly in their Unicode form only: at each difference one text has a character
 * beyond ASCII, and the other a character with combining accents (Latin, Greek, Cyrillic, kana, Hangul). Which
 * accent it is is not checked: that would need a table. */
bool differ_in_form(const char *a, const char *b);

/* Whether they differ in these ways only, or in several of them. */
bool looks_alike(const char *a, const char *b);

/* The first of the names that looks like `name`; NULL if there is none. */
const char *look_alike_find(const char *name, char *const *names, int count);

/* Adds a hint "; FOUND is there, …" to a message that says that `name` is missing. found may be NULL: no hint. */
void look_alike_tell(Text *text, const char *name, const char *found);

#endif
