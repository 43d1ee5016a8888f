/* The learning rate of an epoch (nnU-Net's PolyLRScheduler; PyTorch's CosineAnnealingLR in closed form,
 * as the Swin-UMamba trainers step it: docs/reference.md, Training of Swin-UMamba). */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include "plans/plan.h"

/* epoch from 0. Cosine: from learning_rate to final_learning_rate over schedule_epochs (0: epochs), and
 * staying there; poly: learning_rate · (1 - epoch / length)^poly_power. */
double schedule_learning_rate(const PlanTraining *training, int epoch);

#endif
