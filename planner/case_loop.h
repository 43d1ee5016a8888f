/* Parallel loop over all cases of a dataset; each case is processed by one thread.
 *
 * Every case has its own fault list. The lists are joined in the order of the cases, so that the order of messages does
 * not depend on the threads. The first failure that is not a fault of a case stops the loop. */
#ifndef PLANNER_CASE_LOOP_H
#define PLANNER_CASE_LOOP_H

#include "base/progress.h"
#include "data/dataset.h"

/* Processes one case. Returns 0, also if faults were added; negative, with e filled, to stop the loop. */
typedef int CaseWork(void *context, int index, const Case *c, FaultList *faults, Err *e);

/* threads >= 1; progress may be NULL. Fails: what `work` fails with; ERR_NOMEM. */
int for_each_case(const Dataset *d, CaseWork *work, void *context, int threads, Progress *progress, FaultList *faults,
                  Err *e);

#endif
