/* Optimizer: AdamW (Loshchilov & Hutter 2019), Adam (Kingma & Ba 2015) or SGD with Nesterov's momentum, as PyTorch has
 * them, with clipping by one global norm.
 *
 *   TRY(optimizer_new_adamw(&o, parameters, &adamw, e));   or optimizer_new_sgd
 *   TRY(optimizer_adopt(o, executor_gradients(x), e));     again whenever the trained set changes
 *   … executor_backward(x, &step, e) …
 *   TRY(optimizer_step(o, learning_rate, loss, e));
 *   TRY(optimizer_norm(o, &norm, e));                      valid after the device's wait
 *   optimizer_free(o);
 *
 * Every parameter has its own step count, and moments from its first gradient on. A parameter that is frozen, or that
 * the loss does not depend on, has no moments and is never changed (no weight decay either). A parameter that is frozen
 * later keeps its state. Parameters and the adopted Gradients are borrowed and must outlive the Optimizer. Steps run on
 * the gradients' device (update.h). The state is also kept on the host, for checkpoints. One thread at a time may use
 * it; it uses OpenMP inside. The result does not depend on the number of threads. */
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
    double momentum;     /* Nesterov's; 0.99 in nnU-Net */
    double weight_decay; /* on every trained parameter; 3e-5 */
    double clip_norm;    /* as AdamW's */
} SGD;

enum { OPTIMIZER_MOMENTS = 2 };

typedef struct Optimizer Optimizer;

/* Fail: ERR_NOMEM. */
int optimizer_new_adamw(Optimizer **o, Parameters *parameters, const AdamW *adamw, Err *e);
int optimizer_new_adam(Optimizer **o, Parameters *parameters, const AdamW *adam, Err *e);
int optimizer_new_sgd(Optimizer **o, Parameters *parameters, const SGD *sgd, Err *e);
void optimizer_free(Optimizer *o);

/* Steps that follow also update `average`: for each trained parameter the exponential mean of its values after each of its steps, with
 * Adam's correction of the start (Kingma & Ba 2015, section 3):
 *   mean = mean + (1 - decay) / (1 - decay^t) (p - mean).
 * average: of the same graph, with the values of the parameters before the first step; borrowed, must outlive the Optimizer. decay: 0
 * (the last value) to below 1. To be called before optimizer_adopt. */
void optimizer_average(Optimizer *o, Parameters *average, double decay);

/* The next steps use these gradients. Their parameters get a state of zeros if they have none. All gradients that are
 * ever adopted must be on the same device. Fails: ERR_NOMEM, ERR_UNSUPPORTED (another device); then the earlier
 * gradients remain adopted. */
int optimizer_adopt(Optimizer *o, const Gradients *gradients, Err *e);

/* One update with the adopted gradients g: g *= min(1, clip / (‖g‖ + 1e-6)), then for each trained parameter
 *   AdamW: m = β1 m + (1 - β1) g,  v = β2 v + (1 - β2) g²,
 *          p = p - rate (decay · p + m / (1 - β1^t) / (√(v / (1 - β2^t)) + ε));
 *   Adam:  the same without that decay, with g + decay · p in place of g;
 *   SGD:   d = g + decay · p,  m = momentum · m + d,  p = p - rate (d + momentum · m).
 * If ‖g‖ or *loss is not finite, nothing is changed and no step is counted, nor by later steps, until gradients are adopted:
 * so a caller that reads them late finds the parameters of that step. loss: in the device's memory; NULL: only ‖g‖ counts.
 * Does not wait for the device. Fails: with the device's error. */
int optimizer_step(Optimizer *o, double learning_rate, const float *loss, Err *e);

/* Copies ‖g‖ of the last step, before clipping, to host memory. It is valid after the device's wait. Fails: as the device's
 * copy. */
int optimizer_norm(Optimizer *o, double *norm, Err *e);

/* Bytes of the moments of all parameters. */
size_t optimizer_bytes(const Optimizer *o);

/* ---- for checkpoints ---- */

/* PyTorch's name of a moment: exp_avg and exp_avg_sq for AdamW and Adam, momentum_buffer for SGD. NULL if this optimizer has no
 * such moment. which: 0 … OPTIMIZER_MOMENTS - 1. */
const char *optimizer_moment_name(const Optimizer *o, int which);

bool optimizer_has_state(const Optimizer *o, int index);

/* Allocates states of zeros for the marked parameters that have none; `marked` has one entry per parameter. Fails:
 * ERR_NOMEM. */
int optimizer_reserve(Optimizer *o, const bool *marked, Err *e);

/* The state on the host, owned by the Optimizer. Call optimizer_to_host before reading it. It may be written, to
 * restore a checkpoint; call optimizer_changed afterwards. */
float *optimizer_moment(const Optimizer *o, int index, int which); /* in the parameter's layout; NULL: no state */
int64_t *optimizer_steps(const Optimizer *o);                      /* updates so far, one per parameter */
int optimizer_to_host(Optimizer *o, Err *e);                       /* fails as the device's copy */
void optimizer_changed(Optimizer *o);

#endif
