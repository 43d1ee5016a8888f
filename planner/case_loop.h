/* Work on all cases of a dataset side by side, each case by one thread.
 *
 * Every case has a fault list of its own; they are joined in the order of the cases, so that messages do not
 * depend on threads. The first failure that is no fault of a case stops the loop. */
#ifndef PLANNER_CASE_LOOP_H
#define PLANNER_CASE_LOOP_H

#include "base/progress.h"
#include "data/dataset.h"

/* One case. Returns 0 also where faults were added; negative, with e filled, to stop the whole. */
typedef int CaseWork(void *context, int index, const Case *c, FaultList *faults, Err *e);

/* threads >= 1; progress may be NULL. Fails: what `work` fails with; ERR_NOMEM. */
int for_each_case(const Dataset *d, CaseWork *work, void *context, int threads, Progress *progress,
                  FaultList *faults, Err *e);

#endif
