/* The learning rate of an iteration, and the length of a run.
 *
 * Learning rate: nnU-Net's PolyLRScheduler; PyTorch's CosineAnnealingLR in closed form, as used by the
 * Swin-UMamba trainers (docs/reference.md, Training of Swin-UMamba). */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include "plans/plan.h"

/* epoch, iteration (of the epoch) from 0. t: epoch, with schedule_step iteration also the part of it that is done.
 * Cosine: from learning_rate to final_learning_rate over schedule_epochs (0: epochs), then constant; poly:
 * learning_rate · (1 - t / length)^poly_power. In the first warmup_iterations of the run it is also multiplied by 1/n, 2/n … */
double schedule_learning_rate(const PlanTraining *training, int epoch, int iteration);

/* Duration or CPU time of one iteration on this machine, in seconds. */
typedef struct IterationTimes {
    double training, validation;
} IterationTimes;

/* Sets epochs, iterations_per_epoch and validation_iterations so that the run takes about `minutes`. Epochs keep the planned
 * number of iterations if SHORTEST_RUN of them fit; otherwise there are SHORTEST_RUN shorter epochs, with the same ratio of
 * validation to training. */
void schedule_fit_length(PlanTraining *training, double minutes, IterationTimes times);

#endif
