/* The attributes of the loss of image classes (class_loss.c). */
#ifndef NETWORK_OPS_CLASS_LOSS_H
#define NETWORK_OPS_CLASS_LOSS_H

typedef struct ClassLoss {
    double smoothing;
} ClassLoss;

#endif
