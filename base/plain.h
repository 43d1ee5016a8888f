/* Text that a terminal only shows. */
#ifndef BASE_PLAIN_H
#define BASE_PLAIN_H

/* Replaces what a terminal would obey, such as codes in the name of a file, by "?": control characters other than newline
 * and tab. */
void plain_text(char *text);

#endif
