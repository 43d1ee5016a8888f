/* Work on a thread of its own, with a team of OpenMP threads.
 *
 * The caller may be a thread with a small stack, within a parallel region, or a process that was forked after OpenMP was
 * used: a team of the caller would then fail, hang, or have its settings. The thread and its team block all signals, so
 * that the program's own threads get them, and end with the work. */
#ifndef LIBRARY_WORKER_H
#define LIBRARY_WORKER_H

#include "base/error.h"

/* Runs work and waits for it. threads: of the team; 0: as OpenMP has it by default. Fails: as work; ERR_NOMEM if no thread
 * can be started. */
int worker_run(int threads, int (*work)(void *context, Err *e), void *context, Err *e);

#endif
