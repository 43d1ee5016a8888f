/* What tests ask of the emulated GPU (tests/cuda/emu.h). Programs that are not linked with it do not have these functions:
 * their addresses are NULL. */
#ifndef TESTS_SUPPORT_EMULATOR_H
#define TESTS_SUPPORT_EMULATOR_H

#include "tests/cuda/emu.h"

#pragma weak emu_set_order
#pragma weak emu_errors
#pragma weak emu_first_error
#pragma weak emu_live_bytes
#pragma weak emu_live_handles
#pragma weak emu_counts

#endif
