/* Optimizer: AdamW (Loshchilov & Hutter 2019) or SGD with Nesterov's momentum, both as PyTorch has them, with
 * clipping by one global norm.
 *
 *   TRY(optimizer_new_adamw(&o, parameters, &adamw, e));   or optimizer_new_sgd
 *   TRY(optimizer_adopt(o, executor_gradients(x), e));     again whenever the trained set changes
 *   … executor_backward(x, &step); norm = optimizer_step(o, learning_rate);
 *   optimizer_free(o);
 *
 * Every parameter has its own step count and, once it has had a gradient, its moments: what is frozen or
 * never reached has neither and is left alone altogether (no decay). States stay when parameters drop out
 * of the trained set. Parameters and the adopted Gradients are borrowed and must outlive the Optimizer.
 * One thread at a time; OpenMP inside; the result does not depend on the number of threads. */
#ifndef NETWORK_OPTIMIZER_OPTIMIZER_H
#define NETWORK_OPTIMIZER_OPTIMIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "network/executor/executor.h"
#include "network/executor/parameters.h"

typedef struct AdamW {
    double beta1, beta2, epsilon; /* 0.9, 0.999, 1e-5 in Swin-UMamba */
    double weight_decay;          /* on every trained parameter; 0.05 */
    double clip_norm;             /* largest L2 norm of all gradients; 12; 0: no clipping */
} AdamW;

typedef struct SGD {
    double momentum;              /* Nesterov's; 0.99 in nnU-Net */
    double weight_decay;          /* on every trained parameter; 3e-5 */
    double clip_norm;             /* as AdamW's */
} SGD;

enum { OPTIMIZER_MOMENTS = 2 };

/* One parameter's, in its own layout; owned by the Optimizer. */
typedef struct OptimizerState {
    float *moments[OPTIMIZER_MOMENTS]; /* those that the optimizer keeps; NULL: the parameter has no state */
    int64_t step;                      /* updates so far */
} OptimizerState;

typedef struct Optimizer Optimizer;

/* Fail: ERR_NOMEM. */
int optimizer_new_adamw(Optimizer **o, Parameters *parameters, const AdamW *adamw, Err *e);
int optimizer_new_sgd(Optimizer **o, Parameters *parameters, const SGD *sgd, Err *e);
void optimizer_free(Optimizer *o);

/* From now on steps follow these gradients. Parameters among them without state get a fresh one.
 * Fails: ERR_NOMEM, with everything as it was. */
int optimizer_adopt(Optimizer *o, const Gradients *gradients, Err *e);

/* One update with the adopted gradients g: g *= min(1, clip / (‖g‖ + 1e-6)), then for each trained parameter
 *   AdamW: m = β1 m + (1 - β1) g,  v = β2 v + (1 - β2) g²,
 *          p = p - rate (decay · p + m / (1 - β1^t) / (√(v / (1 - β2^t)) + ε));
 *   SGD:   d = g + decay · p,  m = momentum · m + d,  p = p - rate (d + momentum · m).
 * Returns ‖g‖ before clipping. Where that is not finite nothing is changed, no step counted. */
double optimizer_step(Optimizer *o, double learning_rate);

/* What the moments of all parameters take. */
size_t optimizer_bytes(const Optimizer *o);

/* ---- for checkpoints ---- */

/* PyTorch's name of what is kept of each parameter: exp_avg and exp_avg_sq, or momentum_buffer; NULL from
 * the first that is not. which: 0 … OPTIMIZER_MOMENTS - 1. */
const char *optimizer_moment_name(const Optimizer *o, int which);

/* The index-th parameter's state; its numbers may be written (restoring). */
OptimizerState *optimizer_state(Optimizer *o, int index);
bool optimizer_has_state(const Optimizer *o, int index);

/* Makes states (zero) for the marked parameters that have none; `marked` has one entry per parameter. */
int optimizer_reserve(Optimizer *o, const bool *marked, Err *e);

#endif
