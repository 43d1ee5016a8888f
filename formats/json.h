/* JsonReader: reads JSON in memory in one pass, without building a tree; for large headers of a known form.
 *
 *   JsonReader r = {.start = text, .at = text, .end = text + bytes, .e = e};
 *   json_object(&r, member, context);   // calls member for each key, which reads the value
 *   text_free(&r.string);
 * Only objects, strings and lists of integers are read. The bytes must be UTF-8. Every function returns 0, or fails
 * with ERR_FORMAT and the byte, or ERR_NOMEM. */
#ifndef FORMATS_JSON_H
#define FORMATS_JSON_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef struct JsonReader {
    const char *start, *at, *end; /* borrowed; at: what is read next */
    Text string;                  /* the last string that was read */
    Err *e;
} JsonReader;

/* Reads a string into r->string. `what` was expected, for the message. */
int json_string(JsonReader *r, const char *what);

/* Reads "[a, b, …]" with at most `most` integers from 0. */
int json_integers(JsonReader *r, int64_t *values, int most, int *count);

/* Reads `{"key": value, …}`; each value is read by `member`, with its key in r->string. */
int json_object(JsonReader *r, int (*member)(JsonReader *, void *), void *context);

void json_skip_space(JsonReader *r);

/* "header byte N: expected …"; returns ERR_FORMAT. */
int json_unexpected(JsonReader *r, const char *expected);

#endif
