/* From a dataset's fingerprint to its plan: nnU-Net's planner for the 2d configuration, 2.8.1's or the older
 * one of 2.1 (docs/reference.md, Planner), to the last bit; for other networks the patch becomes a multiple of 32 and
 * the batch is what the engine's memory plan says fits. */
#ifndef PLANNER_EXPERIMENT_PLANNER_H
#define PLANNER_EXPERIMENT_PLANNER_H

#include "planner/planner_input.h"

/* plan: on entry defaults with network and compatibility chosen (plan_defaults, overrides); everything that
 * follows from the dataset is written. explain (may be NULL): a line per decision, with the figures it came
 * from. Fails: ERR_VALUE, ERR_NOMEM, what training_bytes fails with. */
int plan_experiment(Plan *plan, const PlannerInput *in, Text *explain, Err *e);

/* Rounds the patch up to what the plan's network can halve; true if that changed it. */
bool planner_round_patch(Plan *plan);

#endif
