/* The learning rate of an epoch, and the length of a run.
 *
 * Learning rate: nnU-Net's PolyLRScheduler; PyTorch's CosineAnnealingLR in closed form, as used by the
 * Swin-UMamba trainers (docs/reference.md, Training of Swin-UMamba). */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include "plans/plan.h"

/* epoch from 0. Cosine: from learning_rate to final_learning_rate over schedule_epochs (0: epochs), then constant; poly:
 * learning_rate · (1 - epoch / length)^poly_power. */
double schedule_learning_rate(const PlanTraining *training, int epoch);

/* Duration or CPU time of one iteration on this machine, in seconds. */
typedef struct IterationTimes {
    double training, validation;
} IterationTimes;

/* Sets epochs, iterations_per_epoch and validation_iterations so that the run takes about `minutes`. Epochs keep the planned
 * number of iterations if SHORTEST_RUN of them fit; otherwise there are SHORTEST_RUN shorter epochs, with the same ratio of
 * validation to training. */
void schedule_fit_length(PlanTraining *training, double minutes, IterationTimes times);

#endif
