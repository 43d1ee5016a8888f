/* The precision of a network's arithmetic, as --precision names it. */
#ifndef NETWORK_EXECUTOR_PRECISION_H
#define NETWORK_EXECUTOR_PRECISION_H

#include "network/device/device.h"

/* "fp32" or "bf16" (activations and packed weights in bfloat16, but for a network's exact layers; parameters, sums,
 * statistics, the scan and the loss in float32). Where the device lacks it: float32, and *lacks is a line that says
 * so; else NULL. */
DType precision_of(const char *name, const Device *device, const char **lacks);

const char *precision_name(DType precision); /* the other way round */

#endif
