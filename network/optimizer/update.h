/* A step of the optimizer on a device, apart from the bookkeeping (optimizer.c). Only for files in network/optimizer and
 * those of a device.
 *
 * A step takes the norm of all gradients, clips them, counts the step and updates the parameters; where the norm is
 * not finite it changes nothing. All that differs from one step to the next stands in one struct, the StepBlock. */
#ifndef NETWORK_OPTIMIZER_UPDATE_H
#define NETWORK_OPTIMIZER_UPDATE_H

#include "network/device/device.h"
#include "network/optimizer/optimizer.h"

/* Numbers of one piece: what one thread of the CPU works on at a time. Large parameters are several pieces. */
enum { UPDATE_PIECE = 16384 };

/* A stretch of one parameter. Addresses are the device's. */
typedef struct UpdatePiece {
    int param;                          /* index */
    int64_t count;
    float *values, *moments[OPTIMIZER_MOMENTS];
    const float *gradients;
} UpdatePiece;

/* What changes between steps. */
typedef struct StepBlock {
    double learning_rate;               /* given */
    double norm, clip;                  /* found: ‖g‖, and what the gradients are multiplied by */
    int64_t *counts;                    /* steps so far, one per parameter; on the device */
} StepBlock;

/* What stays. */
typedef struct Update {
    AdamW adamw;                        /* of the rule that it is for */
    SGD sgd;                            /* likewise */
    double clip_norm;
    const UpdatePiece *pieces;          /* parameter by parameter; on the device */
    double *squares;                    /* one per piece: room for its Σ g²; on the device */
    int64_t piece_count;
    StepBlock *block;                   /* on the device */
} Update;

/* A rule on a device. 0, or negative with e filled. The device may still be at work when it returns. */
typedef int (*UpdateStep)(const Update *u, Err *e);

int update_adamw_cpu(const Update *u, Err *e);
int update_sgd_cpu(const Update *u, Err *e);

#endif
