/* What is wrong with a plan for this dataset: looked for before a voxel is changed by it. */
#ifndef PLANNER_PLAN_FAULTS_H
#define PLANNER_PLAN_FAULTS_H

#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"

enum { SPACING_SHOWN = 5 };

/* Training cases with a voxel size that is implausible beside the others' (preprocess/spacing_check.h): adds an error for
 * each that cannot be resampled sensibly; a warning for each of the first SPACING_SHOWN others that are far off, and one
 * that counts the rest. The plan is made, or the user's own. Fails: ERR_NOMEM. */
int plan_faults_spacing(FaultList *faults, const Plan *plan, const Fingerprint *f, const Dataset *d, Err *e);

/* CT normalisation takes its mean, standard deviation and limits from the voxels with a label above 0. Adds an error for
 * each channel so normalised where there is none, or where all have one value. */
void plan_faults_statistics(FaultList *faults, const Plan *plan, const DatasetInfo *info);

#endif
