/* The precision of a network's arithmetic, as --precision names it. */
#ifndef NETWORK_EXECUTOR_PRECISION_H
#define NETWORK_EXECUTOR_PRECISION_H

#include "base/array.h"

/* "fp32" or "bf16" (activations and packed weights in bfloat16, but for a network's exact layers; parameters, sums,
 * statistics, the scan and the loss in float32). Where this CPU lacks it: float32, and *lacks is a line that says
 * so; else NULL. */
DType precision_of(const char *name, const char **lacks);

const char *precision_name(DType precision); /* the other way round */

#endif
