/* Makes a plan from a dataset's fingerprint, with the same numbers as nnU-Net's planner for the 2d configuration, of
 * version 2.8.1 or 2.1, or as its planners of residual encoders (planner_kinds.h; docs/reference.md, Planner). For networks other than nnU-Net's U-Net the patch is rounded up to
 * a multiple of the network's divisor, and the batch follows from the memory plan of a training step. */
#ifndef PLANNER_EXPERIMENT_PLANNER_H
#define PLANNER_EXPERIMENT_PLANNER_H

#include "planner/planner_input.h"

/* plan: on entry the defaults, with network, compatibility and experiment_planner_used set (plan_defaults, overrides); all
 * that depends on the dataset is written. explain (may be NULL): a line per decision, with the numbers it is based on.
 * Fails: ERR_VALUE, also for an unknown planner; ERR_NOMEM; as training_bytes. */
int plan_experiment(Plan *plan, const PlannerInput *input, Text *explain, Err *e);

/* Rounds the patch up to a multiple of the divisor of the plan's network; returns whether that changed it. */
bool planner_round_patch(Plan *plan);

#endif
