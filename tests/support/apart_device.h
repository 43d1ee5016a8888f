/* A device for tests: the CPU with separate device memory. This memory is only accessible while the device works or
 * copies: any other access ends the program with a segmentation fault. Memory is aligned to 256 bytes. */
#ifndef TESTS_SUPPORT_APART_DEVICE_H
#define TESTS_SUPPORT_APART_DEVICE_H

#include "network/device/device.h"

/* The only instance; for one thread. */
const Device *apart_device(void);

/* Number of allocated blocks that were not freed, of device memory and of pinned host memory. */
int apart_device_blocks(void);

#endif
