/* Evaluates all pairs of a summary, several at a time, and in a world (base/world.h) in all processes. */
#ifndef EVALUATION_ALL_CASES_H
#define EVALUATION_ALL_CASES_H

#include "base/processes.h"
#include "evaluation/case.h"

typedef struct AllCases {
    const Process *world; /* NULL: this process is alone */
    Summary *summary;     /* its cases are filled */
    const Pairs *pairs;
    const Rules *rules;
    int threads;
    /* Called by one thread at a time when a case is over; failed: why it has no result, or NULL. */
    void (*over)(void *context, int index, const Err *failed);
    void *context;
} AllCases;

/* In rank 0; the others are dismissed at the end. Cases that fail are told, and do not fail the whole. Fails: ERR_NOMEM; ERR_UNSUPPORTED
 * if another process cannot be reached. */
int all_cases_evaluate(const AllCases *a, Err *e);

/* In the other processes, with a summary of the same pairs; `over` is not called. Returns when rank 0 has dismissed them. */
int all_cases_serve(const AllCases *a, Err *e);

#endif
