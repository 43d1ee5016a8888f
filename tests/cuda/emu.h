/* The emulator's interface for tests: what C and C++ tests ask of it.
 *
 * It is faithful in: blocks and threads in any order, barriers, warps of 32, shuffles, atomics, shared memory that starts
 * as NaN, streams that run as late as possible. It reports a barrier or shuffle that not all threads reach; every access
 * outside of device and shared memory, of memory never written, misaligned, or outside of what a node may touch; every
 * race between threads, blocks and launches; calls with wrong arguments. It does not show: speed, the rounding of
 * approximate instructions, execution in lockstep, memory orders weaker than sequential consistency. */
#ifndef TESTS_CUDA_EMU_H
#define TESTS_CUDA_EMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "network/device/device.h"

/* The order in which blocks, and the threads of a block, run. Every order must give the same bits. */
typedef enum EmuOrder { EMU_FORWARD, EMU_BACKWARD, EMU_SHUFFLED, EMU_ORDERS } EmuOrder;
void emu_set_order(EmuOrder order);

/* The number of reports since the last call, and the text of the first of them ("" if none), which stays valid until the
 * next report. */
int emu_errors(void);
const char *emu_first_error(void);

/* Kernels launched from now on may access only these regions; emu_end_node: all allocated memory again. */
void emu_begin_node(const DeviceRegion *regions, int count);
void emu_end_node(void);

/* Marks memory as never written. */
void emu_forget(const void *p, size_t bytes);

size_t emu_live_bytes(void); /* allocated and not freed, on the device and pinned on the host */
int emu_live_handles(void);  /* streams, graphs and instances of graphs that were not destroyed */

void emu_report(const char *format, ...) __attribute__((format(printf, 1, 2)));

int emu_cudnn_descriptors(void); /* of cuDNN's double: those not destroyed */

typedef struct EmuCounts {
    uint64_t switches, barriers, shuffles, accesses;
    uint64_t issued;  /* by the host: kernels, copies, calls of libraries, whole graphs */
    uint64_t emptied; /* how often the host waited until nothing was left to do for the default stream */
    uint64_t moved;   /* bytes of device memory read and written; in each launch, copy or call an address counts once */
} EmuCounts;
EmuCounts emu_counts(void); /* since the program's start */

#ifdef __cplusplus
}
#endif
#endif
