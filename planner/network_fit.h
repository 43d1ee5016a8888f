/* Patch and batch of a network by the engine's own memory plan of a training step. */
#ifndef PLANNER_NETWORK_FIT_H
#define PLANNER_NETWORK_FIT_H

#include "planner/planner_input.h"

/* The largest batch from 2 on whose training step stays within in->memory_gb (GiB) and whose patches do not
 * cover more than covered_pixels. Where not even 2 fit, the patch shrinks first: the axis that is the
 * largest part of the median image, by the network's divisor. Fails: ERR_VALUE where the smallest patch is
 * too much; what training_bytes fails with. */
int fit_network_memory(Plan *plan, const PlannerInput *in, double covered_pixels, Text *explain, Err *e);

/* How many patches cover so many pixels: rounded, at least PLANNER_MIN_BATCH. */
int batch_bound(double covered_pixels, const int patch_yx[2]);

#endif
