/* strerror_r as POSIX has it: GNU's returns the text, where success would read as failure. */
#undef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int err_set(Err *e, ErrCode code, const char *format, ...)
{
    if (e) {
        va_list args;
        va_start(args, format);
        vsnprintf(e->text, sizeof e->text, format, args);
        va_end(args);
        e->code = code;
    }
    return code;
}

int err_errno(Err *e, int saved_errno, const char *format, ...)
{
    const ErrCode code = saved_errno == ENOMEM ? ERR_NOMEM : ERR_IO;
    if (e) {
        va_list args;
        va_start(args, format);
        vsnprintf(e->text, sizeof e->text, format, args);
        va_end(args);
        const size_t used = strlen(e->text);
        char reason[128] = "unknown error";
        if (strerror_r(saved_errno, reason, sizeof reason)) strcpy(reason, "unknown error");
        snprintf(e->text + used, sizeof e->text - used, ": %s", reason);
        e->code = code;
    }
    return code;
}

int err_context(Err *e, const char *format, ...)
{
    if (!e) return ERR_VALUE;
    char joined[sizeof e->text];
    va_list args;
    va_start(args, format);
    vsnprintf(joined, sizeof joined, format, args);
    va_end(args);
    Text whole = {0};
    text_add(&whole, "%s: %s", joined, e->text);
    if (!whole.failed) {
        strncpy(e->text, whole.data, sizeof e->text - 1);
        e->text[sizeof e->text - 1] = '\0';
    }
    text_free(&whole);
    return e->code;
}

void err_plain(Err *e)
{
    for (char *c = e ? e->text : ""; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
}

void err_clear(Err *e)
{
    e->code = ERR_NONE;
    e->text[0] = '\0';
}
