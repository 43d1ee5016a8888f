/* Checkpoint: all data that a run needs to continue with the same bits as without a stop.
 *
 * A safetensors file: the weights with their official names (with averaging, the average: prediction takes it; the weights
 * that training continues from are optimizer.weights.NAME then), the optimizer's state for each (optimizer.exp_avg.NAME and
 * optimizer.exp_avg_sq.NAME, or optimizer.momentum_buffer.NAME), optimizer.step (one per parameter; 0: no state), and in
 * the header's notes the progress of the run and its curves. Written atomically. */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include "base/error.h"
#include "network/executor/parameters.h"
#include "network/optimizer/optimizer.h"
#include "trainer/history.h"

/* The progress of a run. */
typedef struct RunState {
    int epoch, iteration; /* the next training iteration; = iterations per epoch: validation is next */
    double loss_sum;      /* of this epoch's training iterations so far */
    double seconds;       /* duration of this epoch so far */
    double cpu_seconds;   /* CPU time of this epoch so far */
    double best_ema;      /* largest ema_pseudo_dice so far; NaN: none yet */
    History history;      /* of the finished epochs; owned */
    Text plan;            /* plan of the training, as plan_text; owned; empty: not known */
    Text pretrained;      /* parameters initialised from pretrained weights, as ImportReport.filled; owned; empty:
                                 none, or all */
} RunState;

/* The weights of a training, of one graph; borrowed. */
typedef struct CheckpointWeights {
    Parameters *trained;
    Parameters *average; /* of the trained ones (optimizer_average); NULL: none */
} CheckpointWeights;

/* Fails: ERR_IO, ERR_NOMEM, and as the device that the values are copied from. */
int checkpoint_write(const char *path, const CheckpointWeights *weights, Optimizer *optimizer, const RunState *state,
                     Err *e);

/* Fills weights, optimizer and state (empty before). Fails, with the path: ERR_IO; ERR_FORMAT if the file is damaged or
 * belongs to another network; ERR_VALUE for a NaN or an infinity; ERR_NOMEM. */
int checkpoint_read(const char *path, const CheckpointWeights *weights, Optimizer *optimizer, RunState *state, Err *e);

/* Adds the plan by which a checkpoint was trained; nothing if the file does not contain it. Fails: ERR_IO, ERR_FORMAT,
 * ERR_NOMEM. */
int checkpoint_plan(Text *plan, const char *path, Err *e);

#endif
