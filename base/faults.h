/* Failures on demand, for tests (make faults).
 *
 * In a build with FAULTS (the sanitizers' variants) the environment variable SWIN_UMAMBA_FAULT=K lets the K-th call of
 * mem_alloc or of base/sys.h fail, counted from 0 over all threads. SWIN_UMAMBA_FAULT=short fails none, but makes every read and
 * write a short one, and interrupts every second of them. At its end the process writes into the file
 * SWIN_UMAMBA_FAULT_RECORD the number of calls, and the name of the one that failed. SWIN_UMAMBA_FAULT=list writes a line for
 * each call before: a number for the place that it was made at, and for the callers of that. Programs that the process starts are
 * not disturbed. Other builds have none of this. */
#ifndef BASE_FAULTS_H
#define BASE_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef FAULTS
/* Counts a call. True if it is the one that must fail: errno is then `error`. call: its name, a literal. */
bool fault_is_due(const char *call, int error);

/* How many of `bytes` a read or write may do; -1 with errno EINTR: it is interrupted. */
ptrdiff_t fault_most(size_t bytes);
#else
static inline bool fault_is_due(const char *call, int error)
{
    (void)call;
    (void)error;
    return false;
}

static inline ptrdiff_t fault_most(size_t bytes) { return (ptrdiff_t)bytes; }
#endif

#endif
