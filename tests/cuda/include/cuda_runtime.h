/* What a kernel file sees of CUDA, for the emulator, in place of NVIDIA's header of this name. Every thread of a block is
 * a fiber of one host thread (tests/cuda/emu.cc); the file is compiled with -fsanitize=thread, whose calls are answered by
 * tests/cuda/watch.cc. Kernels use LAUNCH, SHARED and SHARED_DYNAMIC (network/cuda/gpu.h); __syncthreads, __syncwarp and
 * shuffles are as in CUDA. */
#ifndef TESTS_CUDA_RUNTIME_H
#define TESTS_CUDA_RUNTIME_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <tuple>

#include "cuda_runtime_api.h"

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define EMU_UNWATCHED __attribute__((no_sanitize("thread")))

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint3 {
    unsigned x, y, z;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }

/* ---- what a thread sees ---- */

struct EmuNow {
    uint3 thread, block; /* of the running fiber */
    dim3 block_dim, grid_dim;
};
extern EmuNow emu_now;
#define threadIdx emu_now.thread
#define blockIdx emu_now.block
#define blockDim emu_now.block_dim
#define gridDim emu_now.grid_dim

/* line: of the source, to recognise a barrier and to report it. */
void emu_barrier(int line);
void emu_warp_barrier(unsigned mask, int line, bool orders_memory);
uint64_t emu_shuffle(unsigned mask, uint64_t value, int from, int line);
int emu_lane();
void *emu_shared(size_t bytes, uintptr_t declaration); /* a static array, the same for all threads */
void *emu_shared_dynamic();
void emu_atomic(const void *p, size_t bytes); /* tells the watch; the caller then updates */

#define __syncthreads() emu_barrier(__LINE__)
#define __syncwarp(...) emu_warp_barrier(0xffffffffu, __LINE__, true)
#define SHARED(type, name, count) \
    type *const name = (type *)emu_shared(sizeof(type) * (count), (uintptr_t)__FILE__ + __LINE__)
#define SHARED_DYNAMIC(type, name) type *const name = (type *)emu_shared_dynamic()

template <class T> EMU_UNWATCHED static inline T emu_exchange(unsigned mask, T value, int from, int line)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = emu_shuffle(mask, bits, from, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}
#define __shfl_sync(mask, value, lane) emu_exchange(mask, value, (lane)&31, __LINE__)
#define __shfl_xor_sync(mask, value, bits) emu_exchange(mask, value, emu_lane() ^ (bits), __LINE__)
#define __shfl_down_sync(mask, value, by) \
    emu_exchange(mask, value, emu_lane() + (by) < 32 ? emu_lane() + (by) : emu_lane(), __LINE__)

template <class T> EMU_UNWATCHED static inline T atomicAdd(T *p, T value)
{
    emu_atomic(p, sizeof *p);
    const T old = *p;
    *p = old + value;
    return old;
}
EMU_UNWATCHED static inline int atomicOr(int *p, int value)
{
    emu_atomic(p, sizeof *p);
    const int old = *p;
    *p = old | value;
    return old;
}
template <class T> static inline T __ldg(const T *p) { return *p; }

/* ---- launching ---- */

extern bool emu_watching; /* off while a thread fetches its arguments */
void emu_launch(cudaStream_t stream, const char *name, const void *kernel, dim3 grid, dim3 block, size_t shared,
                std::function<void()> body);

template <class... Parameters, class... Arguments>
static inline void emu_call(cudaStream_t stream, const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                            size_t shared, Arguments... arguments)
{
    emu_launch(stream, name, (const void *)kernel, grid, block, shared, [=]() {
        std::tuple<Parameters...> own{Parameters(arguments)...};
        void (*const start)(Parameters...) = kernel;
        emu_watching = true;
        std::apply(start, own);
    });
}
#define LAUNCH_ON(stream, kernel, grid, block, shared, ...) \
    emu_call(stream, #kernel, kernel, grid, block, shared, __VA_ARGS__)

#endif
