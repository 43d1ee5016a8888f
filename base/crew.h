/* Crew: the processes of a world (base/world.h) share the items of a job. Rank 0 is the program as it is without others: it hands
 * out the items, does some itself, and gets the results of the others. These serve until it dismisses them.
 *
 *   rank 0:  crew_begin(&crew, &job, e);               any other rank:  crew_serve(world, &work, e);
 *            while ((item = crew_next(crew)) >= 0) …
 *            crew_end(crew, e);
 *            … other jobs …
 *            crew_dismiss(world);
 * Items are handed out one at a time, in ascending order, to whoever is free. */
#ifndef BASE_CREW_H
#define BASE_CREW_H

#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/world.h"

typedef struct Crew Crew;

/* A hash of the items' names, in their order: each process lists them itself, and items are told by their number. */
void crew_hash(char hash[HASH_BYTES], int64_t items, const char *(*name)(const void *context, int64_t item),
               const void *context);

/* A job of rank 0. */
typedef struct CrewJob {
    const Process *world;   /* NULL: there are no others */
    int kind;               /* which work it is */
    const void *parameters; /* of the job, for the others; borrowed during crew_begin */
    size_t bytes;
    int64_t items;
    char names[HASH_BYTES]; /* crew_hash: a process with other items fails */
    /* Takes what another process has found out about an item, or (item -1) about all of its items at their end. Called by
     * crew_next and crew_end, by one thread at a time. Returns 0, or a negative code, with e filled, to end the job. */
    int (*take)(void *context, int64_t item, const char *result, size_t bytes, Err *e);
    void *context;
} CrewJob;

/* Fails: ERR_NOMEM, ERR_IO (no thread), ERR_UNSUPPORTED (the message). */
int crew_begin(Crew **crew, const CrewJob *job, Err *e);

/* The next item, or -1: none is left, or the job ends early. From any thread. */
int64_t crew_next(Crew *crew);

/* No further item is handed out. From any thread. */
void crew_stop(Crew *crew);

/* Waits for the results of the others and frees the crew. Fails: as `take` or the item of another process did. */
int crew_end(Crew *crew, Err *e);

/* The work of the other processes. A failure ends the job, and is that of crew_end. begin and end may be NULL. */
typedef struct CrewWork {
    int (*begin)(void *context, int kind, const char *parameters, size_t bytes, Err *e);
    int (*item)(void *context, int kind, int64_t item, Text *result, Err *e); /* from any of the threads */
    int (*end)(void *context, int kind, Text *result, Err *e);
    void *context;
    int threads;            /* items at a time */
    char names[HASH_BYTES]; /* crew_hash of this process's items */
} CrewWork;

/* Serves until rank 0 dismisses. Fails: ERR_UNSUPPORTED if a message fails. */
int crew_serve(const Process *world, const CrewWork *work, Err *e);

/* Ends crew_serve of all others. NULL: there are none. Also after a failure of rank 0's. */
void crew_dismiss(const Process *world);

#endif
