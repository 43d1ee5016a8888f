/* How many threads a program should use.
 *
 * A team of threads must be as large as was asked for: barriers of compiled kernels wait for every thread that was
 * asked for, so that a smaller team hangs. So no more may be asked for than OpenMP grants (OMP_THREAD_LIMIT,
 * OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS). Threads beyond the processors that the system lets run (affinity, a
 * container's quota) only wait. */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <sys/types.h>

/* CPUs that the control groups of this process grant, rounded up; INT_MAX where they set no limit. From
 * ROOT/proc/self/cgroup, ROOT/proc/self/mountinfo and the groups' files (version 2: cpu.max; version 1:
 * cpu.cfs_quota_us), the strictest of a group and those above it. ROOT is "", except in tests. */
int threads_quota(const char *root);

typedef struct ThreadSetting {
    int asked;      /* by -j; 0: not at all */
    int by_default; /* OMP_NUM_THREADS, else the processors that the process may run on */
    int processors; /* that the process may run on */
    int quota;      /* threads_quota */
    int limit;      /* OpenMP's: OMP_THREAD_LIMIT; 1 where it may not start any team */
} ThreadSetting;

/* Threads to use, at least 1. *bounded tells that fewer were taken than asked for (by -j or OMP_NUM_THREADS): above
 * the limit, or above 4 times the processors. The quota bounds the default only, without a message. */
int threads_choose(const ThreadSetting *s, int *bounded);

/* The setting of this process, as OpenMP and the system give it to the calling thread. */
ThreadSetting threads_setting(int asked);

/* ---- several processes on a machine ---- */

enum { THREADS_PROCESSORS = 8192 }; /* Linux has no more */

/* users[i] (THREADS_PROCESSORS) becomes 1 for each processor i that this process may run on, else 0. */
void threads_mark(int *users);

/* The threads that one of several processes should have, at least 1. It may run on the processors with own[i] = 1, and shares each with
 * users[i] - 1 others. The quota is that of all `processes`. */
int threads_part(const int *own, const int *users, int processes, int quota);

/* The number of processors that another process of this machine may run on; 0 where the system does not tell. */
int threads_processors_of(pid_t process);

/* Tells OpenMP to use so many in the calling thread's teams. */
void threads_use(int threads);

#endif
