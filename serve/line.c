#include "serve/line.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/memory.h"

enum { ASK_NANOSECONDS = 200000000 };

/* A request that waits; on the stack of its thread. */
typedef struct Waiting {
    struct Waiting *next;
} Waiting;

struct Line {
    swin_model **free; /* free_count of them are free */
    int model_count, free_count, places, inside;
    bool closed;
    Waiting *first; /* the next to get a model */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

int line_new(Line **result, swin_model *const *models, int count, int waiting, Err *e)
{
    pthread_condattr_t attributes;
    Line *line = *result = mem_zalloc(1, sizeof *line, e);
    if (!line) return ERR_NOMEM;
    line->free = mem_zalloc((size_t)count, sizeof *line->free, e);
    if (!line->free) {
        mem_free(line);
        *result = NULL;
        return ERR_NOMEM;
    }
    for (int i = 0; i < count; i++) line->free[i] = models[i];
    line->model_count = line->free_count = count;
    line->places = count + waiting;
    pthread_mutex_init(&line->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&line->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return 0;
}

void line_free(Line *line)
{
    if (!line) return;
    pthread_cond_destroy(&line->changed);
    pthread_mutex_destroy(&line->lock);
    mem_free(line->free);
    mem_free(line);
}

bool line_enter(Line *line)
{
    pthread_mutex_lock(&line->lock);
    const bool enters = !line->closed && line->inside < line->places;
    line->inside += enters;
    pthread_mutex_unlock(&line->lock);
    return enters;
}

static void append(Line *line, Waiting *w)
{
    Waiting **end = &line->first;
    while (*end) end = &(*end)->next;
    *end = w;
}

static void remove_from(Line *line, const Waiting *w)
{
    Waiting **at = &line->first;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
}

/* Waits for a change, at most until it is time to ask whether the client is gone. */
static void wait_a_moment(Line *line)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ASK_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&line->changed, &line->lock, &until);
}

swin_model *line_wait(Line *line, bool (*gone)(void *context), void *context)
{
    Waiting own = {NULL};
    swin_model *model = NULL;
    pthread_mutex_lock(&line->lock);
    append(line, &own);
    bool is_gone = gone(context);
    while (!is_gone && (line->first != &own || !line->free_count)) {
        wait_a_moment(line);
        is_gone = gone(context);
    }
    remove_from(line, &own);
    if (!is_gone) model = line->free[--line->free_count];
    pthread_cond_broadcast(&line->changed);
    pthread_mutex_unlock(&line->lock);
    return model;
}

void line_give_back(Line *line, swin_model *model)
{
    pthread_mutex_lock(&line->lock);
    line->free[line->free_count++] = model;
    pthread_cond_broadcast(&line->changed);
    pthread_mutex_unlock(&line->lock);
}

void line_leave(Line *line)
{
    pthread_mutex_lock(&line->lock);
    line->inside--;
    pthread_mutex_unlock(&line->lock);
}

void line_close(Line *line)
{
    pthread_mutex_lock(&line->lock);
    line->closed = true;
    pthread_mutex_unlock(&line->lock);
}

bool line_is_closed(Line *line)
{
    pthread_mutex_lock(&line->lock);
    const bool closed = line->closed;
    pthread_mutex_unlock(&line->lock);
    return closed;
}

LineLength line_length(Line *line)
{
    pthread_mutex_lock(&line->lock);
    const LineLength length = {.inside = line->inside,
                               .working = line->model_count - line->free_count,
                               .places = line->places,
                               .models = line->model_count};
    pthread_mutex_unlock(&line->lock);
    return length;
}
