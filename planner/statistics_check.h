/* Whether the plan's statistics can normalise: checked when it is planned, before a voxel is changed by them. */
#ifndef PLANNER_STATISTICS_CHECK_H
#define PLANNER_STATISTICS_CHECK_H

#include "data/faults.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

/* CT normalisation takes its mean, standard deviation and limits from the voxels with a label above 0. Adds an error for
 * each channel so normalised where there is none, or where all have one value. */
void statistics_check(FaultList *faults, const Plan *plan, const DatasetInfo *info);

#endif
