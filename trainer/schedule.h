/* The learning rate of an epoch, and how long a run trains.
 *
 * Learning rate: nnU-Net's PolyLRScheduler; PyTorch's CosineAnnealingLR in closed form, as the Swin-UMamba trainers
 * step it (docs/reference.md, Training of Swin-UMamba). */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include "plans/plan.h"

/* epoch from 0. Cosine: from learning_rate to final_learning_rate over schedule_epochs (0: epochs), and
 * staying there; poly: learning_rate · (1 - epoch / length)^poly_power. */
double schedule_learning_rate(const PlanTraining *training, int epoch);

/* What one iteration takes on this machine, in seconds. */
typedef struct IterationTimes {
    double training, validation;
} IterationTimes;

/* Sets epochs, iterations_per_epoch and validation_iterations to what fits into that many minutes.
 * Epochs stay as long as planned where SHORTEST_RUN of them fit; otherwise there are SHORTEST_RUN shorter
 * ones, with the same share of validation. */
void schedule_fit_length(PlanTraining *training, double minutes, IterationTimes times);

#endif
