/* Which training cases have a voxel size that is implausible beside the others' (preprocess/spacing_check.h). */
#ifndef PLANNER_SPACING_FAULTS_H
#define PLANNER_SPACING_FAULTS_H

#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"

/* Adds an error for each case that cannot be resampled sensibly; a warning for each of the first SPACING_SHOWN others
 * that are far off, and one that counts the rest. The plan is made, or the user's own. Fails: ERR_NOMEM. */
enum { SPACING_SHOWN = 5 };
int spacing_faults(FaultList *faults, const Plan *plan, const Fingerprint *f, const Dataset *d, Err *e);

#endif
