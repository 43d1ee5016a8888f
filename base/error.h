/* Errors: one convention for the whole project.
 *
 * A function that can fail returns 0, or a negative ErrCode with `e` filled. The text says what, where, what was
 * found, what was expected and what to do; callers add what they know (a case, a file) with err_context. `e` is
 * owned by the caller and may be reused after err_clear. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

typedef enum ErrCode {
    ERR_NONE = 0,
    ERR_NOMEM = -1,       /* out of memory */
    ERR_IO = -2,          /* a file could not be opened, read or written */
    ERR_FORMAT = -3,      /* a file's content is not what it must be */
    ERR_VALUE = -4,       /* a value is outside its range, or two values contradict */
    ERR_SHAPE = -5,       /* shapes do not fit */
    ERR_UNSUPPORTED = -6, /* valid, but not supported */
    ERR_INTERRUPTED = -7, /* a signal asked the program to stop */
    ERR_LIMIT = -8,       /* needs more memory than the options allow */
} ErrCode;

typedef struct Err {
    ErrCode code;
    char text[1024]; /* a longer one ends with "…" */
} Err;

/* Fills e (which may be NULL) and returns code. */
int err_set(Err *e, ErrCode code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with ": strerror(saved_errno)" at the end; returns ERR_NOMEM for ENOMEM, else ERR_IO. */
int err_errno(Err *e, int saved_errno, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "format: " in front of the text and returns e->code, so that it can close a failing call. */
int err_context(Err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Replaces control characters by '?', so that a text that quotes a file's content is one line. */
void err_plain(Err *e);

void err_clear(Err *e);

/* Returns the failure of a call to the caller; only where nothing has to be freed. */
#define TRY(call)                        \
    do {                                 \
        const int try_code_ = (call);    \
        if (try_code_) return try_code_; \
    } while (0)

#endif
