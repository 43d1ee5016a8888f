/* Checkpoint: all that a run needs to go on bit for bit as if it had not stopped.
 *
 * A safetensors file: the weights under their official names, what the optimizer keeps of each
 * (optimizer.exp_avg.NAME and optimizer.exp_avg_sq.NAME, or optimizer.momentum_buffer.NAME), optimizer.step
 * (one per parameter; 0: no state), and in the header's notes where the run stands, with its curves. Written
 * atomically: a checkpoint is there whole or not at all. */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include "base/error.h"
#include "network/executor/parameters.h"
#include "network/optimizer/optimizer.h"
#include "trainer/history.h"

/* Where a run stands. */
typedef struct RunState {
    int epoch, iteration; /* the training iteration to do next; = iterations per epoch: validation is next */
    double loss_sum;          /* of this epoch's training iterations so far */
    double seconds;           /* spent in this epoch so far */
    double best_ema;          /* largest ema_pseudo_dice so far; NaN: none yet */
    History history;          /* of the finished epochs; owned */
    Text plan;                /* by which it is trained, as plan_text; owned; empty: not known */
    Text pretrained;          /* which parameters began with weights from elsewhere, as ImportReport's filled; owned;
                                 empty: none, or all */
} RunState;

/* Fails: ERR_IO, ERR_NOMEM, and as the device does from which it takes the numbers. */
int checkpoint_write(const char *path, Parameters *parameters, Optimizer *optimizer, const RunState *state,
                     Err *e);

/* Fills parameters, optimizer and state (empty before). Fails: ERR_IO; ERR_FORMAT with the path where the
 * file is damaged or belongs to another network; ERR_NOMEM. */
int checkpoint_read(const char *path, Parameters *parameters, Optimizer *optimizer, RunState *state, Err *e);

/* Adds the plan by which a checkpoint was trained; nothing where it does not tell. Fails: ERR_IO, ERR_FORMAT,
 * ERR_NOMEM. */
int checkpoint_plan(Text *plan, const char *path, Err *e);

#endif
