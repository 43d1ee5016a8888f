/* What the three parts of the emulator share: fibers (emu.cc), watch (watch.cc), runtime (runtime.cc). */
#ifndef TESTS_CUDA_EMU_INTERNAL_H
#define TESTS_CUDA_EMU_INTERNAL_H

#include <vector>

#include "cuda_runtime.h"
#include "emu.h"

enum { EMU_MOST_THREADS = 1024, EMU_WARP = 32, EMU_SHARED_MOST = 227 << 10, EMU_SHARED_ARRAYS = 32 };
enum : size_t { EMU_SHARED_DEFAULT = 48 << 10 };

/* ---- fibers ---- */

/* Where the running thread is, as far as accesses are ordered by it. */
struct EmuPlace {
    uint32_t launch, block, epoch; /* epoch: barriers of the block so far */
    uint16_t thread, warp_epoch;   /* warp_epoch: barriers of the warp since the last one of the block */
};
extern EmuPlace emu_place;
extern bool emu_running;                  /* a kernel is */
extern char *emu_stacks, *emu_stacks_end; /* of all fibers */
extern char *emu_shared_memory;           /* of the running block: EMU_SHARED_MOST bytes */
/* The arrays in it: first the dynamic memory, then the static arrays. */
struct EmuSharedArray {
    size_t begin, end;
    uintptr_t declaration;
};
extern EmuSharedArray emu_shared_arrays[EMU_SHARED_ARRAYS];
extern int emu_shared_count;
extern EmuCounts emu_counted;

typedef std::vector<DeviceRegion> EmuRegions;

struct EmuKernel {
    const char *name;
    dim3 grid, block;
    size_t shared;
    std::function<void()> body;
};
void emu_run(const EmuKernel &kernel, uint32_t launch, const EmuRegions *regions); /* regions NULL: all memory */
bool emu_failed();            /* something was reported since emu_errors */
[[noreturn]] void emu_kill(); /* ends the launch, after an access that cannot be made */

/* ---- watch ---- */

void emu_watch_launch(const EmuRegions *regions);
void emu_watch_block(size_t shared_bytes); /* a block begins: nobody has accessed that much of shared memory */
bool emu_touch_as(uint32_t launch, const void *p, size_t bytes, bool write);
bool emu_update_as(uint32_t launch, const void *p, size_t bytes); /* what is read and then written */
bool emu_touch_within(const EmuRegions *may, const void *p, size_t bytes, bool write); /* reports what is not inside */

/* ---- runtime ---- */

/* The device's memory is one range of addresses, of which each is allocated once. */
enum : size_t { EMU_PAGE = 4096, EMU_DEVICE_BYTES = (size_t)64 << 30 };
extern char *emu_device; /* NULL before the first allocation */

struct EmuAllocation {
    char *begin, *end;
};
const EmuAllocation *emu_find_allocation(const void *p);  /* NULL: p is not in allocated device memory */
bool emu_launch_before(uint32_t earlier, uint32_t later); /* whether it happens before */

/* ---- for doubles of libraries ---- */

/* `work` runs in the order of the stream, with the device's memory accessible: again, where a graph repeats it. It tells what
 * it accesses by emu_touch, which reports and returns false where that is not allocated, or not what the node may access. */
void emu_enqueue(cudaStream_t stream, std::function<void()> work);
bool emu_touch(const void *p, size_t bytes, bool write);
bool emu_update(const void *p, size_t bytes); /* reads and writes it */

/* Rounded as by tensor cores. */
static inline float emu_to_tf32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
    memcpy(&f, &bits, sizeof f);
    return f;
}

#endif
