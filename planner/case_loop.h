/* Parallel loop over all cases of a dataset; each case is processed by one thread.
 *
 * Other processes can share the cases (planning_share.h). Every case has its own fault list. The lists are joined in the order of the cases, so that the order of messages does
 * not depend on the threads. The first failure that is not a fault of a case stops the loop. */
#ifndef PLANNER_CASE_LOOP_H
#define PLANNER_CASE_LOOP_H

#include "base/hash.h"
#include "base/processes.h"
#include "base/progress.h"
#include "data/dataset.h"

/* Processes one case. Returns 0, also if faults were added; negative, with e filled, to stop the loop. */
typedef int CaseWork(void *context, int index, const Case *c, FaultList *faults, Err *e);

/* How other processes take part. */
typedef struct CaseShare {
    const Process *world; /* NULL: there are none */
    int kind;             /* of the work, as parameters and bytes, for them */
    const void *parameters;
    size_t bytes;
    /* Takes what another process has found out about a case, or (index -1) about all of its cases. context: of the work. */
    int (*take)(void *context, int index, const char *result, size_t bytes, Err *e);
} CaseShare;

/* threads >= 1; progress and share may be NULL. Fails: what `work` fails with; as share->take, crew_begin and crew_end; ERR_NOMEM. */
int for_each_case(const Dataset *d, CaseWork *work, void *context, int threads, const CaseShare *share,
                  Progress *progress, FaultList *faults, Err *e);

/* The names of the cases (crew_hash). */
void case_names_hash(char hash[HASH_BYTES], const Dataset *d);

/* In another process: appends the faults of a case to its result, before what `take` gets. */
void case_faults_pack(Text *result, const FaultList *faults);

#endif
