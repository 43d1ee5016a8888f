/* The precision of a network's arithmetic, by its name in --precision. */
#ifndef NETWORK_EXECUTOR_PRECISION_H
#define NETWORK_EXECUTOR_PRECISION_H

#include "network/device/device.h"

/* name: "fp32", or "bf16" (activations and packed weights in bfloat16, except in a network's exact layers; parameters,
 * sums, statistics, the scan and the loss in float32). If the device does not support it: float32, and *lacks is a line
 * that says so. Else *lacks is NULL. */
DType precision_of(const char *name, const Device *device, const char **lacks);

const char *precision_name(DType precision); /* the name of a precision */

#endif
