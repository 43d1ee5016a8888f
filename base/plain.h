/* Text that a terminal only shows, and a line that stays one. */
#ifndef BASE_PLAIN_H
#define BASE_PLAIN_H

#include <stdio.h>

/* Replaces what a terminal would obey, such as codes in the name of a file, by "?": control characters other than newline
 * and tab (of ASCII, and U+0080 to U+009F), bytes that are not UTF-8, and characters that change the direction of the
 * text (U+202A to U+202E, U+2066 to U+2069). The text gets shorter, or stays. */
void plain_text(char *text);

/* The same for a text that is one line: newlines and tabs as well. */
void plain_line(char *text);

/* Writes a text as plain_text would make it. */
void plain_write(FILE *f, const char *text);

#endif
