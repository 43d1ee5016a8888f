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
    const float *weights; /* of dt; r is at r · lanes() */
    int d;
    bool exists;
};

__device__ __forceinline__ void scan_start_channel(ScanChannel *c, const ScanShape &s, const float *packed)
{
    c->d = (int)(blockIdx.x * SCAN_GROUP + threadIdx.x);
    c->exists = c->d < s.channels;
    packed += (int64_t)blockIdx.y * s.vectors() * s.lanes() + c->d;
#pragma unroll
    for (int n = 0; n < SCAN_STATES; n++) {
        c->A[n] = packed[n * s.lanes()];
        c->h[n] = 0;
    }
    c->weights = packed + SCAN_STATES * s.lanes();
    c->bias = c->weights[s.ranks() * s.lanes()];
    c->skip = c->weights[(s.ranks() + 1) * s.lanes()];
}

/* delta · log2(e), before softplus, of SCAN_BATCH positions; dts: of the first of them. */
__device__ __forceinline__ void scan_batch_delta(const ScanChannel &c, const ScanShape &s, const float *dts,
                                                 float *delta)
{
    const float *weights = c.weights;
#pragma unroll
    for (int i = 0; i < SCAN_BATCH; i++) delta[i] = c.bias;
#pragma unroll 1
    for (int r = 0; r < s.rank; r += 2) /* behind an odd rank are zeros */
#pragma unroll
        for (int k = 0; k < 2; k++, dts += SCAN_DT_ROW, weights += s.lanes()) {
            const float w = *weights;
#pragma unroll
            for (int i = 0; i < SCAN_BATCH; i += 4) {
                float dt[4];
                scan_load_four(dt, dts + i);
#pragma unroll
                for (int j = 0; j < 4; j++) delta[i + j] += w * dt[j];
            }
        }
}
} // namespace

#endif
