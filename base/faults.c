#include "base/faults.h"

#ifdef FAULTS
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Process-wide state, set before main. */
static long due = -1;
static bool is_short;
static FILE *report; /* opened at the start: a sandbox (base/sandbox.h) forbids it later */
static atomic_long calls, transfers;
static _Atomic(const char *) failed;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SWIN_UMAMBA_FAULT");
    is_short = text && !strcmp(text, "short");
    if (text && !is_short) due = atol(text);
    const char *path = getenv("SWIN_UMAMBA_FAULT_RECORD");
    if (path) report = fopen(path, "we");
}

__attribute__((destructor)) static void record(void)
{
    const char *name = atomic_load(&failed);
    if (!report) return;
    fprintf(report, "%ld %s\n", atomic_load(&calls), name ? name : "none");
    fclose(report);
}

bool fault_is_due(const char *call, int error)
{
    if (atomic_fetch_add(&calls, 1) != due) return false;
    atomic_store(&failed, call);
    errno = error;
    return true;
}

ptrdiff_t fault_most(size_t bytes)
{
    enum { SHORT = 4099 };
    if (!is_short) return (ptrdiff_t)bytes;
    if (atomic_fetch_add(&transfers, 1) % 2) {
        errno = EINTR;
        return -1;
    }
    return bytes < SHORT ? (ptrdiff_t)bytes : SHORT;
}
#endif
