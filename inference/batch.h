/* CaseBatch: processes cases one after another, with a progress bar; an error of a case is reported, and the others continue. */
#ifndef INFERENCE_BATCH_H
#define INFERENCE_BATCH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/progress.h"

enum { BATCH_LATER = 1 };

typedef struct CaseBatch {
    const char *title; /* of the progress bar */
    int count;
    bool quiet;
    const char *(*id)(const void *context, int index);
    /* Processes one case; *kept: its output existed already. May fail with any code. BATCH_LATER: it is left to a later run,
     * and not counted. */
    int (*work)(void *context, int index, Progress *progress, bool *kept, Err *e);
    void *context;
    void (*report)(void *context, const char *id, const Err *fault); /* reports a case that failed */
    void *report_context;
} CaseBatch;

/* *kept: number of cases whose output existed already. Fails after all cases: ERR_VALUE with the number of failed ones. */
int batch_run(const CaseBatch *b, int *kept, Err *e);

#endif
