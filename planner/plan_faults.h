/* Checks a plan against its dataset before the cases are preprocessed. */
#ifndef PLANNER_PLAN_FAULTS_H
#define PLANNER_PLAN_FAULTS_H

#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"

enum { SPACING_SHOWN = 5 };

/* Checks for training cases whose voxel size is implausible compared with the others' (preprocess/spacing_check.h). Adds
 * an error for each case that cannot be resampled sensibly, a warning for each of the first SPACING_SHOWN others that
 * differ much, and one warning with the number of the rest. Fails: ERR_NOMEM. */
int plan_faults_spacing(FaultList *faults, const Plan *plan, const Fingerprint *f, const Dataset *d, Err *e);

/* CT normalisation uses mean, standard deviation and limits of the voxels with a label above 0. Adds an error for each
 * channel with this normalisation if there are no such voxels, or if all have the same value. A channel without
 * normalisation gets a warning if those voxels are too large for a network. */
void plan_faults_statistics(FaultList *faults, const Plan *plan, const DatasetInfo *info);

#endif
