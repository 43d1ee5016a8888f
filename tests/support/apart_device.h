/* A device for tests: the CPU with memory apart from the host's. It can be touched only while the device works or copies:
 * where anything else reads or writes it, the program ends with a segmentation fault. Places are aligned to 256 bytes. */
#ifndef TESTS_SUPPORT_APART_DEVICE_H
#define TESTS_SUPPORT_APART_DEVICE_H

#include "network/device/device.h"

/* The one there is; for one thread. */
const Device *apart_device(void);

/* Blocks that were got and not given back: of the device's memory, and of host memory for copies. */
int apart_device_blocks(void);

#endif
