/* Chooses patch and batch of a network by the executor's memory plan of a training step. */
#ifndef PLANNER_NETWORK_FIT_H
#define PLANNER_NETWORK_FIT_H

#include "planner/planner_input.h"

/* Finds the largest batch (at least 2) whose training step needs at most in->memory_gb (GiB) and whose patches have at
 * most covered_pixels pixels. If a batch of 2 does not fit, the patch is reduced first: by the network's divisor, along
 * the axis that is the largest part of the median image. Fails: ERR_VALUE if even the smallest patch does not fit; as
 * training_bytes. */
int fit_network_memory(Plan *plan, const PlannerInput *in, double covered_pixels, Text *explain, Err *e);

/* The memory in bytes of a batch of the plan's patches; on in->gpu, where there is one, with the share of driver and
 * libraries. Fails: as training_bytes. */
int fit_step_bytes(const Plan *plan, const PlannerInput *in, int batch, double *bytes, Err *e);

/* For a batch that was chosen by another rule: reduces it to what in->memory_gb holds. Fails: ERR_VALUE if a batch of 2 does
 * not fit; as training_bytes. */
int fit_batch_to_memory(Plan *plan, const PlannerInput *in, Text *explain, Err *e);

/* The number of patches with covered_pixels pixels together: rounded, at least PLANNER_MIN_BATCH. */
int batch_bound(double covered_pixels, const int patch_yx[2]);

#endif
