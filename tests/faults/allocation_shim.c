/* Preloaded (tests/faults/disturbances.py): of the allocations of at least FAIL_MIN bytes the one of number FAIL_AT fails.
 * At the end FAIL_COUNT, a file's name, gets how many there were. FAIL_LIST=1: before that a line for each, with a number for
 * its callers, which is the same for the same callers in one run. glibc only. */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static size_t least = (size_t)-1; /* nothing is counted before the environment has been read */
static int lists;
static long failing = -1;
static atomic_long seen;
static _Thread_local int listing; /* backtrace and fprintf allocate */

static FILE *report; /* opened at the start: a sandbox (base/sandbox.h) forbids it later */

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("FAIL_AT"), *min = getenv("FAIL_MIN"), *path = getenv("FAIL_COUNT");
    if (path) report = fopen(path, "we");
    if (at) failing = atol(at);
    lists = report && getenv("FAIL_LIST");
    least = min ? (size_t)atol(min) : 0;
}

__attribute__((destructor)) static void end(void)
{
    least = (size_t)-1;
    if (!report) return;
    fprintf(report, "%ld\n", atomic_load(&seen));
    fclose(report);
}

static void list_callers(void)
{
    enum { DEPTH = 16 };
    void *frames[DEPTH];
    unsigned hash = 2166136261u; /* FNV-1a */
    listing = 1;
    const int count = backtrace(frames, DEPTH);
    for (int i = 0; i < count; i++) hash = (hash ^ (unsigned)(uintptr_t)frames[i]) * 16777619u;
    fprintf(report, "%08x\n", hash);
    listing = 0;
}

static int fails(size_t bytes)
{
    if (bytes < least || listing) return 0;
    if (lists) list_callers();
    if (atomic_fetch_add(&seen, 1) != failing) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n) { return fails(n) ? NULL : __libc_malloc(n); }
void *calloc(size_t a, size_t b) { return fails(a * b) ? NULL : __libc_calloc(a, b); }
void *realloc(void *p, size_t n) { return fails(n) ? NULL : __libc_realloc(p, n); }
void *memalign(size_t to, size_t n) { return fails(n) ? NULL : __libc_memalign(to, n); }
void *aligned_alloc(size_t to, size_t n) { return memalign(to, n); }

int posix_memalign(void **p, size_t to, size_t n)
{
    *p = memalign(to, n);
    return *p ? 0 : ENOMEM;
}
