/* How long a thread that waits for its team spins before it sleeps.
 *
 * libgomp's default is some milliseconds: on a busy machine each spinning thread then occupies the processor that the
 * awaited thread needs. The alternative is to sleep at once (OMP_WAIT_POLICY=passive), which costs a tenth of the time
 * on an idle machine. Programs of this project set GOMP_SPINCOUNT to a value between (docs/performance.md), unless the
 * user has set OMP_WAIT_POLICY or GOMP_SPINCOUNT.
 *
 * libgomp reads its environment when it is loaded, before main and before a setenv of ours could have an effect. So
 * another entry of the environment is replaced by the setting while libraries start, and restored later
 * (wait_policy.c). */
#ifndef BASE_WAIT_POLICY_H
#define BASE_WAIT_POLICY_H

/* Restores the environment; called by program_begin. */
void wait_policy_settled(void);

#endif
