/* The memory of training, by the executor's memory plan. */
#ifndef PLANNER_TRAINING_MEMORY_H
#define PLANNER_TRAINING_MEMORY_H

#include "planner/experiment_planner.h"

/* A TrainingBytes: the sum of activations and their gradients as the executor would place them (with the plan's
 * training.recompute), weights and their packed copies, also those for validation, their gradients and the optimizer's
 * state. Nothing of it is allocated. Fails: as network_build, executor_new. */
int64_t training_memory(const Plan *plan, const DatasetInfo *dataset, int batch, int height, int width, Err *e);

#endif
