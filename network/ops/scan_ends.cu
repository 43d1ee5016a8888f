/* The ends of pieces that start from states of 0 (scan_gpu.h). */
#include "network/ops/scan_channel.h"

namespace
{
/* One position of all states. Forward: row is B, v is delta·x; backward: row is C, v is dy. */
template <bool BACKWARD>
__device__ __forceinline__ void step_ends(ScanChannel *c, const float *row, float delta, float v)
{
#pragma unroll
    for (int n = 0; n < SCAN_STATES; n += 4) {
        const float4 four = *(const float4 *)(row + n);
        const float r[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float a = gpu_exp2(delta * c->A[n + i]), given = v * r[i];
            c->h[n + i] = BACKWARD ? a * (c->h[n + i] + given) : a * c->h[n + i] + given;
        }
    }
}

/* Positions behind the last one, where backward starts, have C = 0: the gradients remain 0. The end of the last piece of a
 * direction is not used forward, that of the first not backward. */
template <class T, bool BACKWARD> __global__ void __launch_bounds__(SCAN_GROUP, 8) scan_ends(ScanEnds<T> e)
{
    SHARED_DYNAMIC(float, rows);
    SHARED(int, pixels, SCAN_CHUNK);
    const ScanShape &s = e.s;
    const ScanPiece piece = scan_piece(s);
    const float *dts = rows + SCAN_CHUNK * SCAN_BC;
    if (piece.index == (BACKWARD ? 0 : s.pieces - 1)) return;
    ScanChannel c;
    scan_start_channel(&c, s, e.packed);
    const int64_t image = (int64_t)(blockIdx.z / (unsigned)s.pieces) * s.length();
    const ScanColumn<const T> x(e.x.at(image, c.exists ? c.d : 0), e.x.pitch);
    float deltas = 0;
    for (int chunk = piece.first; chunk < piece.end; chunk++) {
        const ScanPlace p = scan_place(s, BACKWARD ? piece.first + piece.end - 1 - chunk : chunk);
        scan_load_rows<SCAN_GROUP>(s, p, e.projections, rows, pixels);
        const int last = (p.count - 1) / SCAN_BATCH;
        for (int batch = 0; batch <= last; batch++) {
            const int t = (BACKWARD ? last - batch : batch) * SCAN_BATCH;
            float v[SCAN_BATCH], delta[SCAN_BATCH];
#pragma unroll
            for (int i = 0; i < SCAN_BATCH; i++) v[i] = gpu_get(x.at(pixels[t + i]));
            scan_batch_delta(c, s, dts + t, delta);
#pragma unroll
            for (int k = 0; k < SCAN_BATCH; k++) {
                const int i = BACKWARD ? SCAN_BATCH - 1 - k : k;
                const float step = softplus_log2(delta[i]), *row = rows + (t + i) * SCAN_BC;
                deltas += step;
                step_ends<BACKWARD>(&c, BACKWARD ? row + SCAN_STATES : row, step, BACKWARD ? v[i] : step * v[i]);
            }
        }
        __syncthreads(); /* before the next rows replace these */
    }
    if (!c.exists) return;
    float *end = scan_end_at(s, e.ends, piece.index, c.d);
#pragma unroll
    for (int n = 0; n < SCAN_STATES; n++) end[n * s.channels] = c.h[n];
    end[SCAN_STATES * s.channels] = deltas;
}
} // namespace

template <class T> void scan_ends_launch(const ScanEnds<T> &e, bool backward)
{
    const dim3 grid((unsigned)e.s.groups(), (unsigned)e.s.directions, (unsigned)(e.s.images * e.s.pieces));
    const size_t shared = (size_t)e.s.chunk_floats() * sizeof(float);
    if (e.s.pieces == 1) return;
    if (backward) LAUNCH((scan_ends<T, true>), grid, SCAN_GROUP, shared, e);
    else LAUNCH((scan_ends<T, false>), grid, SCAN_GROUP, shared, e);
}

template void scan_ends_launch(const ScanEnds<float> &, bool);
template void scan_ends_launch(const ScanEnds<bf16> &, bool);
