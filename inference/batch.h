/* Batch: cases one after another, with a progress bar; a bad one is reported and the others go on. */
#ifndef INFERENCE_BATCH_H
#define INFERENCE_BATCH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/progress.h"

typedef struct Batch {
    const char *title;                  /* of the bar */
    int count;
    bool quiet;
    const char *(*id)(const void *context, int index);
    /* Works on one case; *kept: its output stood there already. Fails as it likes. */
    int (*work)(void *context, int index, Progress *progress, bool *kept, Err *e);
    void (*report)(const char *id, const Err *fault);   /* tells the user of a case that failed */
    void *context;
} Batch;

/* *kept: how many were there already. Fails once all are done: ERR_VALUE with the number of bad cases. */
int batch_run(const Batch *b, int *kept, Err *e);

#endif
