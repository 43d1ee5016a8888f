/* CaseBatch: processes cases one after another, with a progress bar; an error of a case is reported, and the others continue. Other
 * processes can share the cases (base/crew.h). */
#ifndef INFERENCE_BATCH_H
#define INFERENCE_BATCH_H

#include <stdbool.h>

#include "base/error.h"
#include "base/processes.h"
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
    const Process *world; /* whose other processes serve; NULL: none */
    const char *names;    /* crew_hash of what the others have, too */
    int kind;             /* of the job, as parameters and bytes, for the others */
    const void *parameters;
    size_t bytes;
    /* Takes what another process sends about a case; as `work`. */
    int (*take)(void *context, int index, const char *result, size_t bytes, Err *e);
    void (*report)(void *context, const char *id, const Err *fault); /* reports a case that failed */
    void *report_context;
} CaseBatch;

typedef struct BatchEnd {
    int kept, failed; /* cases: whose output existed already; that were reported */
} BatchEnd;

/* A case that fails is counted, and no failure of the batch. Fails: as crew_begin and crew_end. */
int batch_run(const CaseBatch *b, BatchEnd *end, Err *e);

#endif
