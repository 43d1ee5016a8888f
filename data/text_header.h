/* Lines of the text header of an image file (MetaImage, NRRD), and the numbers in them. Plain values. */
#ifndef DATA_TEXT_HEADER_H
#define DATA_TEXT_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

enum { HEADER_LINE_BYTES = 4096 };

typedef struct HeaderLines {
    const uint8_t *bytes; /* of the file; borrowed */
    size_t count, at;     /* at: the byte after the last line read */
    int number;           /* of the last line read, from 1 */
    char text[HEADER_LINE_BYTES];
} HeaderLines;

/* The next line without white space at its ends, in text. false: the file ended, or the line is too long for a
 * header. */
bool header_next_line(HeaderLines *h);

/* Splits "key <separator> value" in place; both without white space at their ends. false: no separator. */
bool header_split(char *line, const char *separator, char **key, char **value);

/* Reads up to `most` numbers with white space, commas or parentheses around them. Returns their number; -1 for
 * other text, or for more numbers. */
int header_numbers(const char *text, double *values, int most);

/* The same of whole numbers from `lowest` on. */
int header_whole_numbers(const char *text, int64_t *values, int most, int64_t lowest);

/* MetaImage's truth values: True, T, 1, Yes …. Returns 1, 0, or -1 for other text. */
int header_truth(const char *text);

#endif
