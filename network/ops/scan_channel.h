/* A thread that does a channel of the scan alone, its states in registers. */
#ifndef NETWORK_OPS_SCAN_CHANNEL_H
#define NETWORK_OPS_SCAN_CHANNEL_H

#include "network/ops/scan_gpu.h"

namespace
{
/* A thread's channel. */
struct ScanChannel {
    float A[SCAN_STATES], h[SCAN_STATES];
    float bias, skip;
    const float *weights; /* of dt; r is at r · channels */
    int d;
    bool exists;
};

__device__ __forceinline__ void scan_start_channel(ScanChannel *c, const ScanShape &s, const float *packed)
{
    c->d = (int)(blockIdx.x * SCAN_GROUP + threadIdx.x);
    c->exists = c->d < s.channels;
    packed += (int64_t)blockIdx.y * s.vectors() * s.channels + (c->exists ? c->d : 0);
#pragma unroll
    for (int n = 0; n < SCAN_STATES; n++) {
        c->A[n] = packed[n * s.channels];
        c->h[n] = 0;
    }
    c->weights = packed + SCAN_STATES * s.channels;
    c->bias = c->weights[s.rank * s.channels];
    c->skip = c->weights[(s.rank + 1) * s.channels];
}

/* delta · log2(e), before softplus, of SCAN_BATCH positions. */
__device__ __forceinline__ void scan_batch_delta(const ScanChannel &c, const ScanShape &s, const float *dts,
                                                 float *delta)
{
    const int row = s.dt_row();
#pragma unroll
    for (int i = 0; i < SCAN_BATCH; i++) delta[i] = c.bias;
    for (int r = 0; r < s.rank; r++) {
        const float w = c.weights[r * s.channels];
#pragma unroll
        for (int i = 0; i < SCAN_BATCH; i++) delta[i] += w * dts[i * row + r];
    }
}
} // namespace

#endif
