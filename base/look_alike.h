/* Names that a person takes for the same and that differ: in capital letters, in blanks around, or in their Unicode form.
 * An é may be one character (NFC, as most systems write it) or an e and an accent (NFD, as macOS stores files). For hints
 * in messages only: nothing is taken for something else by them. */
#ifndef BASE_LOOK_ALIKE_H
#define BASE_LOOK_ALIKE_H

#include <stdbool.h>

#include "base/text.h"

/* Whether two texts differ, but perhaps only in their Unicode form: wherever they do, one has a character beyond ASCII
 * and the other one any character with accents (Latin, Greek, Cyrillic, kana, Hangul). Which accent it is would need a
 * table. */
bool differ_in_form(const char *a, const char *b);

/* Whether they differ in these ways only, or in several of them. */
bool looks_alike(const char *a, const char *b);

/* The first of the names that looks so; NULL. */
const char *look_alike_find(const char *name, char *const *names, int count);

/* Adds what is to be said where such a name was found instead: "; FOUND is there, …". Nothing of NULL. */
void look_alike_tell(Text *text, const char *name, const char *found);

#endif
