/* A growing string, for messages, lists and files that are written in one piece.
 *
 * Start with `Text t = {0}`, end with text_free. Appending can fail only for lack of memory; the failure is kept,
 * later appends do nothing, and text_check returns it at the end. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct Text {
    char *data;    /* NUL-terminated once something was added; owned */
    size_t length; /* bytes without the NUL */
    size_t capacity;
    bool failed;
} Text;

void text_add(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_args(Text *t, const char *format, va_list args);
void text_add_bytes(Text *t, const char *bytes, size_t count);
void text_add_text(Text *t, const Text *other);

/* The bytes as a JSON string with its quotes, which is a string of YAML, too. */
void text_add_json_string(Text *t, const char *value);

/* With &, <, > and double quotes escaped. */
void text_add_html(Text *t, const char *value);

/* Formats as printf, quoted for a shell if needed, so that it is one argument. */
void text_add_argument(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether a shell takes the text for arguments and nothing else, as text_add_argument writes them, separated by blanks. */
bool text_is_arguments(const char *text);

/* The shortest decimal form that reads back to the same double ("nan", "inf" as such). */
void text_add_double(Text *t, double value);

/* The code point (at most 0x10ffff) as UTF-8. */
void text_add_utf8(Text *t, unsigned code);

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool text_is_utf8(const char *bytes, size_t count);

/* The code point at the text's beginning; *bytes: its length, 1 where these are no UTF-8. */
unsigned text_code_point(const char *text, int *bytes);

/* How many columns of a terminal UTF-8 text takes: East Asian letters and pictographs two, combining marks none, bytes
 * that are no UTF-8 one each. */
int text_columns(const char *text);

/* The text, and blanks up to that many columns. */
void text_add_padded(Text *t, const char *text, int columns);

/* The beginning of the next line, or the end of the text after the last line. *length: of this line, without its
 * line break. */
const char *text_next_line(const char *line, int *length);

/* Formats as printf into a new string (mem_free); NULL with e filled for lack of memory. */
char *text_format(Err *e, const char *format, va_list args);

/* 0, or ERR_NOMEM if any append failed. */
int text_check(const Text *t, Err *e);
void text_free(Text *t);

#endif
