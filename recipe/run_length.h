/* The length of a run that shall take a given time. */
#ifndef RECIPE_RUN_LENGTH_H
#define RECIPE_RUN_LENGTH_H

#include "plans/plan.h"

/* Duration or CPU time of one iteration on this machine, in seconds. */
typedef struct IterationTimes {
    double training, validation;
} IterationTimes;

/* Sets epochs, iterations_per_epoch and validation_iterations so that the run takes about `minutes`. Epochs keep the planned
 * number of iterations if SHORTEST_RUN of them fit; otherwise there are SHORTEST_RUN shorter epochs, with the same ratio of
 * validation to training. */
void run_length_fit(PlanTraining *training, double minutes, IterationTimes times);

/* The number of training iterations that fit into `minutes`. */
double run_length_iterations(const PlanTraining *training, double minutes, IterationTimes times);

/* The number of training iterations of a run. */
double run_length_of(const PlanTraining *training);

#endif
