/* The learning rate of an iteration: nnU-Net's PolyLRScheduler; PyTorch's CosineAnnealingLR in closed form, as used by the
 * Swin-UMamba trainers (docs/reference.md, Training of Swin-UMamba). */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include "plans/plan.h"

/* epoch, iteration (of the epoch) from 0. t: epoch, with schedule_step iteration also the part of it that is done.
 * Cosine: from learning_rate to final_learning_rate over schedule_epochs (0: epochs), then constant; poly:
 * learning_rate · (1 - t / length)^poly_power. In the first warmup_iterations of the run it is also multiplied by 1/n, 2/n … */
double schedule_learning_rate(const PlanTraining *training, int epoch, int iteration);

#endif
