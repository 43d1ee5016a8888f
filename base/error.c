/* strerror_r as POSIX has it: GNU's returns the text, where success would read as failure. */
#undef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/plain.h"

/* Shows that a text of `length` bytes was cut to fit into `size`, and does not cut within a character of UTF-8. */
static void mark_cut(char *text, size_t size, int length)
{
    static const char mark[] = "…";
    if (length < 0 || (size_t)length < size) return;
    size_t end = size - sizeof mark;
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) end--;
    memcpy(text + end, mark, sizeof mark);
}

int err_set(Err *e, ErrCode code, const char *format, ...)
{
    if (e) {
        va_list args;
        va_start(args, format);
        mark_cut(e->text, sizeof e->text, vsnprintf(e->text, sizeof e->text, format, args));
        va_end(args);
        e->code = code;
    }
    return code;
}

int err_errno(Err *e, int saved_errno, const char *format, ...)
{
    const ErrCode code = saved_errno == ENOMEM ? ERR_NOMEM : ERR_IO;
    if (e) {
        char reason[128] = "unknown error";
        if (strerror_r(saved_errno, reason, sizeof reason)) strcpy(reason, "unknown error");
        const size_t room = sizeof e->text - strlen(reason) - 2; /* the reason is never cut */
        va_list args;
        va_start(args, format);
        mark_cut(e->text, room, vsnprintf(e->text, room, format, args));
        va_end(args);
        const size_t used = strlen(e->text);
        snprintf(e->text + used, sizeof e->text - used, ": %s", reason);
        e->code = code;
    }
    return code;
}

int err_context(Err *e, const char *format, ...)
{
    if (!e) return ERR_VALUE;
    const Err inner = *e;
    char before[sizeof e->text];
    va_list args;
    va_start(args, format);
    mark_cut(before, sizeof before, vsnprintf(before, sizeof before, format, args));
    va_end(args);
    mark_cut(e->text, sizeof e->text, snprintf(e->text, sizeof e->text, "%s: %s", before, inner.text));
    return e->code;
}

void err_plain(Err *e)
{
    if (e) plain_line(e->text);
}

void err_clear(Err *e)
{
    e->code = ERR_NONE;
    e->text[0] = '\0';
}
