/* Kernels that are wrong on purpose. With `sound` the same code is right, and nothing must be reported. */
#include "network/cuda/gpu.h"

#include "broken.h"

enum { THREADS = 128 };

__global__ void missing_barrier(float *out, const float *in, bool sound)
{
    SHARED(float, x, THREADS);
    x[threadIdx.x] = 0;
    __syncthreads();
    x[threadIdx.x] = in[threadIdx.x];
    if (sound) __syncthreads();
    out[threadIdx.x] = x[THREADS - 1 - threadIdx.x];
}

__global__ void missing_second_barrier(float *out, const float *in, bool sound)
{
    SHARED(float, x, THREADS);
    float sum = 0;
    for (int i = 0; i < 2; i++) {
        x[threadIdx.x] = in[threadIdx.x] + (float)i;
        __syncthreads();
        sum += x[THREADS - 1 - threadIdx.x];
        if (sound) __syncthreads();
    }
    out[threadIdx.x] = sum;
}

__global__ void barrier_in_a_branch(float *out, const float *in, bool sound)
{
    SHARED(float, x, THREADS);
    if (sound || threadIdx.x < 96) {
        x[threadIdx.x] = in[threadIdx.x];
        __syncthreads();
    }
    out[threadIdx.x] = sound ? x[THREADS - 1 - threadIdx.x] : 0;
}

__global__ void two_barriers_met(float *out, const float *in, bool sound)
{
    if (sound || threadIdx.x < 64) __syncthreads();
    else __syncthreads();
    out[threadIdx.x] = in[threadIdx.x];
}

__global__ void write_past_the_end(float *out, const float *in, bool sound)
{
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (sound ? i < BROKEN_OUTPUTS : i <= BROKEN_OUTPUTS) out[i] = in[i % THREADS];
}

__global__ void read_before_the_start(float *out, const float *in, bool sound)
{
    out[threadIdx.x] = in[(int)threadIdx.x - (sound ? 0 : 1)];
}

__global__ void shared_memory_overrun(float *out, const float *in, bool sound)
{
    SHARED_DYNAMIC(float, x);
    for (unsigned i = threadIdx.x; i < (sound ? 64 : 65); i += 64) x[i] = in[i];
    __syncthreads();
    if (threadIdx.x < 64) out[threadIdx.x] = x[63 - threadIdx.x];
}

__global__ void static_array_overrun(float *out, const float *in, bool sound)
{
    SHARED(float, x, 50);
    SHARED(float, y, 50);
    if (threadIdx.x < (sound ? 50 : 51)) x[threadIdx.x] = in[threadIdx.x];
    if (threadIdx.x < 50) y[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    if (threadIdx.x < 50) out[threadIdx.x] = x[49 - threadIdx.x] + y[49 - threadIdx.x];
}

__global__ void two_blocks_one_address(float *out, const float *in, bool sound)
{
    if (threadIdx.x == 0) out[sound ? blockIdx.x : 0] = in[blockIdx.x];
}

/* No race, but the last bits of the sum depend on the order. */
__global__ void sum_by_atomics(float *out, const float *in, bool sound)
{
    if (sound && threadIdx.x == 0 && blockIdx.x == 0)
        for (int i = 0; i < THREADS; i++) out[0] += in[i] * 1.1f;
    if (!sound && threadIdx.x < 16) atomicAdd(out, in[blockIdx.x * 16 + threadIdx.x] * 1.1f);
}

__global__ void shuffle_without_all_lanes(float *out, const float *in, bool sound)
{
    float v = in[threadIdx.x];
    if (sound || threadIdx.x % 32 < 16) v += __shfl_xor_sync(0xffffffffu, v, 1);
    out[threadIdx.x] = v;
}

__global__ void shuffle_from_another_mask(float *out, const float *in, bool sound)
{
    float v = in[threadIdx.x];
    if (threadIdx.x % 32 < 16) v += __shfl_sync(0xffffu, v, sound ? 3 : 20);
    out[threadIdx.x] = v;
}

__global__ void missing_warp_barrier(float *out, const float *in, bool sound)
{
    SHARED(float, x, THREADS);
    x[threadIdx.x] = 0;
    __syncthreads();
    x[threadIdx.x] = in[threadIdx.x];
    if (sound) __syncwarp();
    out[threadIdx.x] = x[threadIdx.x ^ 1];
}

__global__ void misaligned_float4(float *out, const float *in, bool sound)
{
    if (threadIdx.x < 8) *(float4 *)(out + 4 * threadIdx.x) = *(const float4 *)(in + 4 * threadIdx.x + (sound ? 0 : 2));
}

__global__ void misaligned_store(float *out, const float *in, bool sound)
{
    const float x = in[threadIdx.x];
    if (threadIdx.x < 8) *(float4 *)(out + 4 * threadIdx.x + (sound ? 0 : 2)) = make_float4(x, 2 * x, 3 * x, 4 * x);
}

__global__ void shared_memory_never_written(float *out, const float *in, bool sound)
{
    SHARED(float, x, THREADS + 1);
    x[threadIdx.x] = in[threadIdx.x];
    if (sound && threadIdx.x == 0) x[THREADS] = 0;
    __syncthreads();
    out[threadIdx.x] = x[threadIdx.x + 1];
}

__global__ void own_array_overrun(float *out, const float *in, bool sound)
{
    struct {
        float first[4], last[4];
    } x = {};
    for (unsigned i = 0; i < (sound ? 4 : 5); i++) x.first[i] = in[i];
    out[threadIdx.x] = x.first[threadIdx.x % 4] + x.last[0];
}

__global__ void much_shared_memory(float *out, const float *in, bool)
{
    SHARED_DYNAMIC(float, x);
    x[threadIdx.x] = in[threadIdx.x];
    out[threadIdx.x] = x[threadIdx.x];
}

__global__ void copy(float *out, const float *in, int count)
{
    const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < count) out[i] = in[i];
}

__global__ void scale(float *out, const float *in, float rate, const float *on_device)
{
    out[threadIdx.x] = in[threadIdx.x] * (on_device ? *on_device : rate);
}

#define CASE(kernel, blocks, threads, shared)    \
    {                                            \
#kernel, kernel, blocks, threads, shared \
    }
static const struct {
    const char *name;
    void (*kernel)(float *, const float *, bool);
    unsigned blocks, threads, shared;
} cases[] = {
    CASE(missing_barrier, 1, THREADS, 0),      CASE(missing_second_barrier, 1, THREADS, 0),
    CASE(barrier_in_a_branch, 1, THREADS, 0),  CASE(two_barriers_met, 1, THREADS, 0),
    CASE(write_past_the_end, 8, THREADS, 0),   CASE(read_before_the_start, 1, THREADS, 0),
    CASE(shared_memory_overrun, 1, 64, 256),   CASE(static_array_overrun, 1, 64, 0),
    CASE(two_blocks_one_address, 8, 32, 0),    CASE(sum_by_atomics, 8, 32, 0),
    CASE(shuffle_without_all_lanes, 1, 64, 0), CASE(shuffle_from_another_mask, 1, 64, 0),
    CASE(missing_warp_barrier, 1, THREADS, 0), CASE(misaligned_float4, 1, 32, 0),
    CASE(misaligned_store, 1, 32, 0),          CASE(shared_memory_never_written, 1, THREADS, 0),
    CASE(own_array_overrun, 1, 32, 0),
};

int broken_count() { return (int)(sizeof cases / sizeof *cases); }
const char *broken_name(int i) { return cases[i].name; }

void broken_run(int i, float *out, const float *in, bool sound)
{
    emu_call(NULL, cases[i].name, cases[i].kernel, cases[i].blocks, cases[i].threads, cases[i].shared, out, in, sound);
}

void broken_shared(float *out, const float *in, int bytes, bool sound)
{
    if (sound)
        cudaFuncSetAttribute((const void *)much_shared_memory, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    LAUNCH_ON(NULL, much_shared_memory, 1, THREADS, (size_t)bytes, out, in, sound);
}

void broken_copy(float *out, const float *in, int count, cudaStream_t stream)
{
    LAUNCH_ON(stream, copy, (unsigned)(count + THREADS - 1) / THREADS, THREADS, 0, out, in, count);
}

void broken_scale(float *out, const float *in, float rate, const float *on_device, cudaStream_t stream)
{
    LAUNCH_ON(stream, scale, 1, THREADS, 0, out, in, rate, on_device);
}
