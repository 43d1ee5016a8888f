#include "network/ops/scan_channel.h"

namespace
{
/* One position: updates the states, returns y. row: [B | C]. */
__device__ __forceinline__ float step_channel(ScanChannel *c, const float *row, float delta, float u)
{
    const float4 *B = (const float4 *)row, *C = B + SCAN_STATES / 4;
    const float du = delta * u;
    float even = c->skip * u, odd = 0;
#pragma unroll
    for (int n = 0; n < SCAN_STATES; n += 4) {
        const float4 b = B[n / 4], y = C[n / 4];
        float *h = c->h + n;
        const float *A = c->A + n;
        h[0] = gpu_exp2(delta * A[0]) * h[0] + du * b.x;
        h[1] = gpu_exp2(delta * A[1]) * h[1] + du * b.y;
        h[2] = gpu_exp2(delta * A[2]) * h[2] + du * b.z;
        h[3] = gpu_exp2(delta * A[3]) * h[3] + du * b.w;
        even += y.x * h[0];
        odd += y.y * h[1];
        even += y.z * h[2];
        odd += y.w * h[3];
    }
    return even + odd;
}

template <class T> __global__ void __launch_bounds__(SCAN_GROUP, 8) scan_forward(ScanForward<T> f)
{
    SHARED_DYNAMIC(float, rows);
    SHARED(int, pixels, SCAN_CHUNK);
    const ScanShape &s = f.s;
    const float *dts = rows + SCAN_CHUNK * SCAN_BC;
    ScanChannel c;
    scan_start_channel(&c, s, f.packed);
    const ScanPiece piece = scan_piece(s);
    const int64_t image = (int64_t)(blockIdx.z / (unsigned)s.pieces) * s.length();
    const ScanColumn<const T> x(f.x.at(image, c.exists ? c.d : 0), f.x.pitch);
    const ScanColumn<float> y(f.parts + ((int64_t)blockIdx.y * s.pixels() + image) * s.channels + c.d, s.channels);
    for (int i = 0; i < piece.index; i++)
        scan_join(c.h, c.A, scan_end_at(s, f.ends, i, c.exists ? c.d : 0), 0, s.channels);
    for (int chunk = piece.first; chunk < piece.end; chunk++) {
        const ScanPlace p = scan_place(s, chunk);
        scan_load_rows<SCAN_GROUP>(s, p, f.projections, rows, pixels);
        if (f.states && chunk && c.exists)
            for (int n = 0; n < SCAN_STATES; n++) scan_states_at(s, p, f.states, c.d)[n * s.channels] = c.h[n];
        for (int t = 0; t < p.count; t += SCAN_BATCH) {
            float u[SCAN_BATCH], delta[SCAN_BATCH];
#pragma unroll
            for (int i = 0; i < SCAN_BATCH; i++) u[i] = gpu_get(x.at(pixels[t + i]));
            scan_batch_delta(c, s, dts + t, delta);
#pragma unroll
            for (int i = 0; i < SCAN_BATCH; i++) {
                const float v = step_channel(&c, rows + (t + i) * SCAN_BC, softplus_log2(delta[i]), u[i]);
                if (c.exists && t + i < p.count) *y.at(pixels[t + i]) = v;
            }
        }
        __syncthreads(); /* before the next rows replace these */
    }
}
} // namespace

template <class T> void scan_forward_launch(const ScanForward<T> &f)
{
    const dim3 grid((unsigned)f.s.groups(), (unsigned)f.s.directions, (unsigned)(f.s.images * f.s.pieces));
    LAUNCH((scan_forward<T>), grid, SCAN_GROUP, (size_t)f.s.chunk_floats() * sizeof(float), f);
}

template void scan_forward_launch(const ScanForward<float> &);
template void scan_forward_launch(const ScanForward<bf16> &);
