/* What a training step takes, by the engine's own plan of its memory. */
#ifndef PLANNER_TRAINING_MEMORY_H
#define PLANNER_TRAINING_MEMORY_H

#include "planner/experiment_planner.h"

/* A TrainingBytes: activations and their gradients as the executor would place them (with the plan's
 * training.recompute), weights, and for each of these a gradient and what the optimizer keeps. Nothing of it is
 * allocated. Fails: as network_build, executor_new. */
int64_t training_memory(const Plan *plan, const DatasetInfo *dataset, int batch, int height, int width,
                        Err *e);

#endif
