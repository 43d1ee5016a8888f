/* What a kernel file (.cu) includes: CUDA, what differs between NVIDIA's compiler and the emulator of the tests
 * (tests/cuda), and access to activations, which are float or bfloat16 in memory and float in registers.
 *
 * Kernels are CUDA C++ with these words instead of CUDA's syntax:
 *   LAUNCH((kernel<…>), grid, block, shared_bytes, arguments…)   on gpu_stream(), in the order of the calls
 *   SHARED(type, name, count);                                   a static array in shared memory
 *   SHARED_DYNAMIC(type, name);                                  the launch's shared_bytes
 * A failed launch is reported by the device's `end`, a fault of a kernel by its `wait`. */
#ifndef NETWORK_CUDA_GPU_H
#define NETWORK_CUDA_GPU_H

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <stdint.h>

extern "C" {
#include "base/half.h"
#include "network/cuda/recording.h"
#include "network/graph/op.h"
}

#ifdef __CUDACC__
#define LAUNCH_ON(stream, kernel, grid, block, shared, ...) kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#define SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define SHARED_DYNAMIC(type, name)                                \
    extern __shared__ __align__(16) unsigned char shared_bytes[]; \
    type *const name = (type *)shared_bytes

/* 2^x to 2 units in the last place; denormal numbers are 0. */
static __device__ __forceinline__ float gpu_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* The nearest half, as a float; ties go to the even one. */
static __device__ __forceinline__ float gpu_half_rounded(float x)
{
    float y;
    asm("{ .reg .b16 h; cvt.rn.f16.f32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(y) : "f"(x));
    return y;
}
#else
static inline float gpu_exp2(float x) { return exp2f(x); }
static inline float gpu_half_rounded(float x) { return half_rounded(x); }
#endif

#define LAUNCH(kernel, ...) LAUNCH_ON(gpu_stream(), kernel, __VA_ARGS__)

static __device__ __forceinline__ float gpu_exp(float x) { return gpu_exp2(x * 1.44269504f); }
static __device__ __forceinline__ float gpu_sigmoid(float x) { return 1 / (1 + gpu_exp(-x)); }

/* The number of parts of `size`, of which the last may be smaller. */
static __host__ __device__ __forceinline__ int64_t gpu_parts(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

typedef __nv_bfloat16 bf16;

/* ---- one value ---- */

static __device__ __forceinline__ float gpu_get(const float *p) { return *p; }
static __device__ __forceinline__ float gpu_get(const bf16 *p) { return __bfloat162float(*p); }
static __device__ __forceinline__ void gpu_put(float *p, float v) { *p = v; }
static __device__ __forceinline__ void gpu_put(bf16 *p, float v) { *p = __float2bfloat16_rn(v); }

/* ---- N neighbouring values: 1, or 8, which are then aligned to 16 bytes ---- */

enum { GPU_LANES = 8 };

template <int N> struct Lanes {
    float of[N];
};

static __device__ __forceinline__ void gpu_load(Lanes<1> *v, const float *p) { v->of[0] = gpu_get(p); }
static __device__ __forceinline__ void gpu_load(Lanes<1> *v, const bf16 *p) { v->of[0] = gpu_get(p); }
static __device__ __forceinline__ void gpu_store(float *p, const Lanes<1> &v) { gpu_put(p, v.of[0]); }
static __device__ __forceinline__ void gpu_store(bf16 *p, const Lanes<1> &v) { gpu_put(p, v.of[0]); }

static __device__ __forceinline__ void gpu_load(Lanes<8> *v, const float *p)
{
    const float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
    *v = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

static __device__ __forceinline__ void gpu_store(float *p, const Lanes<8> &v)
{
    ((float4 *)p)[0] = make_float4(v.of[0], v.of[1], v.of[2], v.of[3]);
    ((float4 *)p)[1] = make_float4(v.of[4], v.of[5], v.of[6], v.of[7]);
}

struct alignas(16) Bf16x8 {
    bf16 of[8];
};

static __device__ __forceinline__ void gpu_load(Lanes<8> *v, const bf16 *p)
{
    const Bf16x8 x = *(const Bf16x8 *)p;
    for (int i = 0; i < 8; i++) v->of[i] = gpu_get(&x.of[i]);
}

static __device__ __forceinline__ void gpu_store(bf16 *p, const Lanes<8> &v)
{
    Bf16x8 x;
    for (int i = 0; i < 8; i++) gpu_put(&x.of[i], v.of[i]);
    *(Bf16x8 *)p = x;
}

template <int N, class T> static __device__ __forceinline__ Lanes<N> gpu_load(const T *p)
{
    Lanes<N> v;
    gpu_load(&v, p);
    return v;
}

/* Writes a gradient, or adds it to what is there. */
template <int N, class T> static __device__ __forceinline__ void gpu_give(T *p, Lanes<N> v, bool add)
{
    if (add) {
        const Lanes<N> old = gpu_load<N>(p);
        for (int i = 0; i < N; i++) v.of[i] += old.of[i];
    }
    gpu_store(p, v);
}

/* ---- implementations ---- */

template <class T> struct GpuType;
template <> struct GpuType<float> {
    static constexpr DType dtype = DTYPE_F32;
    static constexpr const char *name = "cuda";
};
template <> struct GpuType<bf16> {
    static constexpr DType dtype = DTYPE_BF16;
    static constexpr const char *name = "cuda_bf16";
};

/* Defines both implementations of an op: GPU_IMPL(silu, .forward = forward<T>, …); with T for float and bf16.
 * GPU_IMPL_F32: for an op that only has float32. */
#define GPU_IMPL_AS(variable, type, ...)                                                                    \
    namespace variable##_type                                                                               \
    {                                                                                                       \
        typedef type T;                                                                                     \
        static constexpr OpImpl impl = {.name = GpuType<T>::name, .dtype = GpuType<T>::dtype, __VA_ARGS__}; \
    }                                                                                                       \
    extern "C" {                                                                                            \
    extern const OpImpl variable;                                                                           \
    const OpImpl variable = variable##_type::impl;                                                          \
    }
#define GPU_IMPL_F32(op, ...) GPU_IMPL_AS(op##_cuda, float, __VA_ARGS__)
#define GPU_IMPL(op, ...)         \
    GPU_IMPL_F32(op, __VA_ARGS__) \
    GPU_IMPL_AS(op##_cuda_bf16, bf16, __VA_ARGS__)

#endif
