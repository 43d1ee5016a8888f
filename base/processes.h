/* Process: one of several processes of a program that work together. What starts them is processes_run, below, or mpirun
 * (base/world.h).
 *
 * Processes: a program goes on as several processes on one machine, and ends when all have ended.
 *
 *   static int work(void *context, const Process *p, Err *e) { … }
 *   code = processes_run(count, work, context, &patience, e);
 *   return program_end(code, e, quiet);
 * The calling process starts the others by fork and only waits: before the call nothing may be in use that does not
 * survive a fork (threads, OpenMP teams, a GPU). A signal to it is passed on, and the processes heed no other: so a
 * terminal, or a job scheduler that signals every process, does not stop them twice. If it is killed, they get SIGTERM.
 * For mains only. */
#ifndef BASE_PROCESSES_H
#define BASE_PROCESSES_H

#include <stddef.h>

#include "base/error.h"

/* A table of functions, as what has started the processes fills it. One thread at a time may use it. */
typedef struct Process Process;
struct Process {
    int rank, count; /* rank: from 0 */
    int rank_here,
        count_here; /* among those on the same machine; rank_here, from 0: which of its GPUs is for this process */
    int (*share)(const Process *process, void *bytes, size_t size, Err *e);
    void (*beat)(const Process *process);
    void (*failed)(const Process *process, const Err *e);
};

/* How long processes that wait for each other may be silent (process_beat). */
typedef struct Patience {
    double seconds;   /* PATIENCE_AT_FIRST times as long before the first beat */
    const char *hint; /* what is kept then, and what to do; a part of the error's text */
} Patience;
enum { PATIENCE_AT_FIRST = 6 };

/* Runs work(context, …) in `count` processes. Standard output is that of all; on signals only the caller prints. A process
 * that fails ends all: rank 0 has a few seconds to end by itself. patience: all are killed if they are silent for longer while
 * others than rank 0 run; NULL: they need not tell. Returns 0 if all have succeeded; else the code of one that was killed, or of
 * the first that failed, with its text in e; ERR_INTERRUPTED only if none failed otherwise. Fails: ERR_IO, ERR_NOMEM;
 * ERR_UNSUPPORTED for silence. */
int processes_run(int count, int (*work)(void *context, const Process *process, Err *e), void *context,
                  const Patience *patience, Err *e);

/* Tells that this process goes on. */
void process_beat(const Process *process);

/* Gives rank 0's bytes (up to 512) to all ranks, each of which must call this; at most once in a run of processes_run. Fails: ERR_IO,
 * also if rank 0 has ended; ERR_UNSUPPORTED if MPI fails. */
int process_share(const Process *process, void *bytes, size_t size, Err *e);

/* Tells a failure before work returns it: for a clean-up by which other processes fail, too. */
void process_failed(const Process *process, const Err *e);

#endif
