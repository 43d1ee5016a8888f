/* Looks for values that are not finite (device.c, finite.cu). */
#ifndef NETWORK_CUDA_FINITE_H
#define NETWORK_CUDA_FINITE_H

#include "network/device/device.h"

/* Sets *found, in device memory, to 1 if a value of the rows is infinite or not a number; else it stays. float32 or
 * bfloat16. Asynchronous. */
void gpu_find_not_finite(const DeviceRows *rows, int *found);

#endif
