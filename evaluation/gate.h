/* Gate: limits parallel work so that its memory stays within a budget.
 *
 *   Gate g = gate_make(bytes);   any thread: gate_enter(&g, wanted) … gate_leave(&g, wanted)
 * Work that needs more than the whole budget runs alone. */
#ifndef EVALUATION_GATE_H
#define EVALUATION_GATE_H

#include <pthread.h>
#include <stdint.h>

typedef struct Gate {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int64_t budget, left; /* bytes */
} Gate;

Gate gate_make(int64_t budget);
void gate_enter(Gate *g, int64_t wanted); /* blocks until so much is left */
void gate_leave(Gate *g, int64_t wanted);

#endif
