/* The arithmetic of an optimizer step, implemented for each device; optimizer.c does the rest. Only for files in
 * network/optimizer and those of a device.
 *
 * A step computes the norm of all gradients, clips them, increments the step counts, and updates the parameters and their
 * averages. If the norm or the loss is not finite, neither it nor a later step changes anything. */
#ifndef NETWORK_OPTIMIZER_UPDATE_H
#define NETWORK_OPTIMIZER_UPDATE_H

#include <math.h>

#include "network/device/device.h"
#include "network/graph/host_device.h"
#include "network/optimizer/optimizer.h"

/* Elements of a piece, the unit of work of a CPU thread. Large parameters consist of several pieces. */
enum { UPDATE_PIECE = 16384 };

/* A contiguous part of one parameter. All pointers are to device memory. */
typedef struct UpdatePiece {
    int param; /* the parameter's index */
    int64_t count;
    float *values, *moments[OPTIMIZER_MOMENTS];
    float *average; /* NULL: no averages */
    const float *gradients;
} UpdatePiece;

/* What a step leaves. */
typedef struct StepBlock {
    double norm, clip; /* ‖g‖, and the factor on the gradients */
    bool stopped;      /* a norm or loss was not finite: no step is taken any more */
    int64_t *counts;   /* steps so far, one per parameter; on the device */
} StepBlock;

/* A step. */
typedef struct Update {
    double learning_rate;
    const float *loss; /* on the device; NULL: not looked at */
    AdamW adamw;       /* used by AdamW and Adam only */
    SGD sgd;           /* used by SGD only */
    double clip_norm;
    double average_decay;      /* used if pieces have averages */
    const UpdatePiece *pieces; /* in the order of parameters; on the device */
    double *squares;           /* scratch: Σ g² of each piece; on the device */
    int64_t piece_count;
    StepBlock *block; /* on the device */
} Update;

/* The weight of a parameter in its average after `count` steps, so that the average has the weights 1 - decay, decay (1 - decay),
 * decay² (1 - decay) … from the last step back, divided by their sum. */
HOST_DEVICE static inline float average_weight(double decay, int64_t count)
{
    return (float)((1 - decay) / (1 - pow(decay, (double)count)));
}

/* One optimizer's update on one device. Returns 0, or a negative code with e filled. May be asynchronous. */
typedef int (*UpdateStep)(const Update *u, Err *e);

int update_adamw_cpu(const Update *u, Err *e);
int update_adam_cpu(const Update *u, Err *e);
int update_sgd_cpu(const Update *u, Err *e);

/* On a GPU; asynchronous. Without CUDA in the build their addresses are NULL. */
__attribute__((weak, visibility("hidden"))) int update_adamw_cuda(const Update *u, Err *e);
__attribute__((weak, visibility("hidden"))) int update_adam_cuda(const Update *u, Err *e);
__attribute__((weak, visibility("hidden"))) int update_sgd_cuda(const Update *u, Err *e);

#endif
