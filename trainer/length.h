/* How long a run trains, where the user says how much time there is instead of how many epochs. */
#ifndef TRAINER_LENGTH_H
#define TRAINER_LENGTH_H

#include "plans/plan.h"

/* What one iteration takes on this machine, in seconds. */
typedef struct IterationTimes {
    double training, validation;
} IterationTimes;

/* Sets epochs, iterations_per_epoch and validation_iterations to what fits into that many minutes.
 * Epochs stay as long as planned where SHORTEST_RUN of them fit; otherwise there are SHORTEST_RUN shorter
 * ones, with the same share of validation. */
void length_fit(PlanTraining *training, double minutes, IterationTimes times);

#endif
