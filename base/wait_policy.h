/* How long a thread that waits for its team goes on looking (spins) before it sleeps.
 *
 * libgomp's default is some milliseconds: on a busy machine each wait then takes the processor from the very thread
 * that is waited for. Its other policy is to sleep at once (OMP_WAIT_POLICY=passive), which costs a tenth of the time
 * on an idle machine. Programs of this project set GOMP_SPINCOUNT to a value between (docs/performance.md), unless
 * the user has set OMP_WAIT_POLICY or GOMP_SPINCOUNT.
 *
 * libgomp reads its environment when it is loaded, before main and before a setenv of ours could have an effect. So an
 * entry of the array of environment variables is lent to the setting while libraries start (wait_policy.c). */
#ifndef BASE_WAIT_POLICY_H
#define BASE_WAIT_POLICY_H

/* Puts the environment back as it was; program_begin does this. */
void wait_policy_settled(void);

#endif
