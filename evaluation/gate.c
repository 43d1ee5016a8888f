#include "evaluation/gate.h"

Gate gate_make(int64_t budget) { return (Gate){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, budget, budget}; }

static int64_t share(const Gate *g, int64_t wanted) { return wanted < g->budget ? wanted : g->budget; }

void gate_enter(Gate *g, int64_t wanted)
{
    pthread_mutex_lock(&g->lock);
    while (g->left < share(g, wanted)) pthread_cond_wait(&g->freed, &g->lock);
    g->left -= share(g, wanted);
    pthread_mutex_unlock(&g->lock);
}

void gate_leave(Gate *g, int64_t wanted)
{
    pthread_mutex_lock(&g->lock);
    g->left += share(g, wanted);
    pthread_cond_broadcast(&g->freed);
    pthread_mutex_unlock(&g->lock);
}
