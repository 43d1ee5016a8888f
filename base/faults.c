#include "base/faults.h"

#ifdef FAULTS
#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Process-wide state, set before main. */
static long due = -1;
static bool is_short, lists;
static FILE *record; /* opened at the start: a sandbox (base/sandbox.h) forbids it later */
static atomic_long calls, transfers;
static _Atomic(const char *) failed;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SWIN_UMAMBA_FAULT"), *path = getenv("SWIN_UMAMBA_FAULT_RECORD");
    is_short = text && !strcmp(text, "short");
    lists = text && !strcmp(text, "list");
    if (text && !is_short && !lists) due = atol(text);
    if (path) record = fopen(path, "we");
    unsetenv("SWIN_UMAMBA_FAULT"); /* programs that this one starts are not disturbed */
    unsetenv("SWIN_UMAMBA_FAULT_RECORD");
}

__attribute__((destructor)) static void end(void)
{
    const char *name = atomic_load(&failed);
    if (record) fprintf(record, "%ld %s\n", atomic_load(&calls), name ? name : "none");
    if (record) fclose(record);
}

/* Where a call comes from: a number that is the same in each run. Only frames of this program count, since libraries lie at other
 * addresses in each run. */
static unsigned place_of(void)
{
    enum { DEPTH = 24 };
    const ptrdiff_t own = (ptrdiff_t)1 << 26;
    void *frames[DEPTH];
    unsigned hash = 2166136261u; /* FNV-1a */
    const int count = backtrace(frames, DEPTH);
    for (int i = 0; i < count; i++) {
        const ptrdiff_t distance = (char *)frames[i] - (char *)(uintptr_t)place_of;
        if (distance < own && distance > -own) hash = (hash ^ (unsigned)distance) * 16777619u;
    }
    return hash;
}

bool fault_is_due(const char *call, int error)
{
    if (lists) fprintf(record, "%08x\n", place_of());
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
