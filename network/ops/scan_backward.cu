/* Backward of the scan. LANES lanes share a channel, each has 16 / LANES states. From the last chunk to the first: the chunk is
 * computed forward again from its saved states, up to the start of each SUB positions; then SUB positions at a time backward,
 * with their states and decays in registers. */
#include "network/ops/scan_gpu.h"

namespace
{
const int LANES = 4, SUB = 8, OWN = SCAN_STATES / LANES, THREADS = SCAN_GROUP * LANES, WARP = 32,
          WARPS = THREADS / WARP, SUBS = SCAN_CHUNK / SUB, RANKS = SCAN_RANK_MOST / LANES;

/* A block's shared memory, in floats. */
struct Layout {
    float *rows, *deltas, *slopes, *starts, *sums;
    __host__ __device__ Layout(const ScanShape &s, float *shared)
        : rows(shared), deltas(rows + SCAN_CHUNK * s.shared_row()), slopes(deltas + SCAN_CHUNK * SCAN_GROUP),
          starts(slopes + SCAN_CHUNK * SCAN_GROUP), sums(starts + SUBS * THREADS * OWN)
    {
    }
    __host__ __device__ const float *end() const { return sums + SUB * WARPS * WARP; }
};

/* A lane's part of a channel. */
struct Channel {
    float A[OWN], ag[OWN], dA[OWN]; /* ag: the gradient of the state after this position */
    float bias, skip, dbias, dskip, dweight[RANKS];
    const float *weights;
    int lane, c, d; /* lane of the channel; channel in the group, and of all */
    bool exists;
};

__device__ __forceinline__ void start_channel(Channel *c, const ScanShape &s, const float *packed)
{
    c->lane = (int)threadIdx.x % LANES;
    c->c = (int)threadIdx.x / LANES;
    c->d = (int)blockIdx.x * SCAN_GROUP + c->c;
    c->exists = c->d < s.channels;
    packed += (int64_t)blockIdx.y * s.vectors() * s.channels + (c->exists ? c->d : 0);
    c->weights = packed + SCAN_STATES * s.channels;
    c->bias = c->weights[s.rank * s.channels];
    c->skip = c->exists ? c->weights[(s.rank + 1) * s.channels] : 0;
    c->dbias = c->dskip = 0;
#pragma unroll
    for (int n = 0; n < OWN; n++) {
        c->A[n] = c->exists ? packed[(c->lane * OWN + n) * s.channels] : 0;
        c->ag[n] = c->dA[n] = 0;
    }
#pragma unroll
    for (int j = 0; j < RANKS; j++) c->dweight[j] = 0;
}

/* delta of all positions, 0 behind the last: the lanes of a channel share the work. */
__device__ __forceinline__ void chunk_deltas(const Channel &c, const ScanShape &s, const ScanPlace &p, const Layout &m)
{
    for (int t = c.lane; t < (p.count + SUB - 1) / SUB * SUB; t += LANES) {
        const float *dt = m.rows + t * s.shared_row() + 2 * SCAN_STATES;
        float v = c.bias;
        for (int r = 0; r < s.rank; r++) v += c.weights[r * s.channels] * dt[r];
        m.deltas[t * SCAN_GROUP + c.c] = c.exists && t < p.count ? softplus_log2(v) : 0;
    }
    __syncwarp();
}

/* The states at the start of each SUB positions. x: of the image and channel, by pixel. */
template <class T>
__device__ __forceinline__ void chunk_starts(const Channel &c, const ScanBackward<T> &b, const ScanPlace &p,
                                             const Layout &m, const int *pixels, const Plane<const T> &x)
{
    const ScanShape &s = b.s;
    float h[OWN];
#pragma unroll
    for (int n = 0; n < OWN; n++)
        h[n] = p.chunk && c.exists ? scan_states_at(s, p, b.states, c.d)[(c.lane * OWN + n) * s.channels] : 0;
    const int last = (p.count - 1) / SUB * SUB; /* from there on it is only done backward */
    for (int t = 0; t <= last; t++) {
        if (t % SUB == 0)
#pragma unroll
            for (int n = 0; n < OWN; n++) m.starts[(t / SUB * OWN + n) * THREADS + threadIdx.x] = h[n];
        if (t == last) break;
        const float *B = m.rows + t * s.shared_row() + c.lane * OWN;
        const float delta = m.deltas[t * SCAN_GROUP + c.c], du = delta * gpu_get(x.at(pixels[t], 0));
#pragma unroll
        for (int n = 0; n < OWN; n++) h[n] = gpu_exp2(delta * c.A[n]) * h[n] + du * B[n];
    }
}

/* Sums of 2 OWN values over the channels of a warp, whose lanes are LANES apart. A lane gets value (lane / LANES). */
__device__ __forceinline__ float sum_over_channels(float (&v)[2 * OWN])
{
#pragma unroll
    for (int half = OWN, bit = WARP / 2; half; half /= 2, bit /= 2) {
        const bool upper = threadIdx.x & bit;
#pragma unroll
        for (int i = 0; i < half; i++) {
            const float mine = upper ? v[i + half] : v[i], other = upper ? v[i] : v[i + half];
            v[i] = mine + __shfl_xor_sync(0xffffffffu, other, bit);
        }
    }
    return v[0];
}

/* SUB positions, in registers. */
struct Positions {
    float a[SUB][OWN], h[SUB + 1][OWN]; /* decay; state before each position, and after the last */
    float u[SUB], dy[SUB];
};

template <class T>
__device__ __forceinline__ void load_positions(Positions *q, const Channel &c, const ScanShape &s, const ScanPlace &p,
                                               const Layout &m, const int *pixels, const Plane<const T> &x,
                                               const Plane<const T> &dy, int sub)
{
#pragma unroll
    for (int n = 0; n < OWN; n++) q->h[0][n] = m.starts[(sub * OWN + n) * THREADS + threadIdx.x];
#pragma unroll
    for (int i = 0; i < SUB; i++) {
        const int t = sub * SUB + i;
        const float *B = m.rows + t * s.shared_row() + c.lane * OWN;
        q->u[i] = gpu_get(x.at(pixels[t], 0));
        q->dy[i] = c.exists && t < p.count ? gpu_get(dy.at(pixels[t], 0)) : 0;
        const float delta = m.deltas[t * SCAN_GROUP + c.c], du = delta * q->u[i];
#pragma unroll
        for (int n = 0; n < OWN; n++) {
            q->a[i][n] = gpu_exp2(delta * c.A[n]);
            q->h[i + 1][n] = q->a[i][n] * q->h[i][n] + du * B[n];
        }
    }
}

/* What a position gives to its channel's inputs. */
struct Given {
    float du, ddelta; /* of delta·u, and of delta by the decays */
};

/* Position t, the i-th of its SUB: advances ag and dA; the sums of dB and dC over the warp's channels go to shared memory. */
__device__ __forceinline__ Given give_position(Channel *c, const Positions &q, const ScanShape &s, const Layout &m,
                                               int i, int t)
{
    const float *B = m.rows + t * s.shared_row() + c->lane * OWN, *C = B + SCAN_STATES;
    const float delta = m.deltas[t * SCAN_GROUP + c->c], du = delta * q.u[i];
    Given d = {0, 0};
    float dBC[2 * OWN];
#pragma unroll
    for (int n = 0; n < OWN; n++) {
        const float g = q.dy[i] * C[n] + c->ag[n];
        c->ag[n] = g * q.a[i][n];
        const float decayed = c->ag[n] * q.h[i][n];
        d.du += g * B[n];
        d.ddelta += decayed * c->A[n];
        c->dA[n] += decayed * delta;
        dBC[n] = g * du;
        dBC[OWN + n] = q.dy[i] * q.h[i + 1][n];
    }
#pragma unroll
    for (int bit = 1; bit < LANES; bit *= 2) {
        d.du += __shfl_xor_sync(0xffffffffu, d.du, bit);
        d.ddelta += __shfl_xor_sync(0xffffffffu, d.ddelta, bit);
    }
    m.sums[i * THREADS + threadIdx.x] = sum_over_channels(dBC);
    return d;
}

/* Adds the warps' sums of dB and dC of SUB positions, in order, and writes them. */
__device__ __forceinline__ void write_sums(const ScanShape &s, const ScanPlace &p, const Layout &m, const int *pixels,
                                           float *dprojections, int sub)
{
    for (int e = (int)threadIdx.x; e < SUB * WARP; e += THREADS) {
        const int i = e / WARP, lane = e % WARP, t = sub * SUB + i, value = lane / LANES;
        const int state = lane % LANES * OWN + value % OWN;
        float total = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) total += m.sums[i * THREADS + w * WARP + lane];
        if (t < p.count && state < s.states)
            scan_row_at(s, p, dprojections, pixels[t])[s.rank + (value < OWN ? 0 : s.states) + state] = total;
    }
}

/* d(dt) = Wᵀ dv, a sum over the group's channels. W is packed with the factor log2(e). */
__device__ __forceinline__ void write_ddt(const ScanShape &s, const ScanPlace &p, const Layout &m, const int *pixels,
                                          const float *packed, float *dprojections)
{
    const float *weights =
        packed + ((int64_t)p.direction * s.vectors() + SCAN_STATES) * s.channels + p.group * SCAN_GROUP;
    const int left = s.channels - p.group * SCAN_GROUP, channels = left < SCAN_GROUP ? left : SCAN_GROUP;
    for (int i = (int)threadIdx.x; i < p.count * s.rank; i += THREADS) {
        const int t = i / s.rank, r = i % s.rank;
        float total = 0;
        for (int j = 0; j < channels; j++) total += m.slopes[t * SCAN_GROUP + j] * weights[r * s.channels + j];
        scan_row_at(s, p, dprojections, pixels[t])[r] = total * SCAN_LN2;
    }
}

/* dW += dv dtᵀ over the positions; a lane has every LANES-th r. */
__device__ __forceinline__ void add_dweights(Channel *c, const ScanShape &s, const ScanPlace &p, const Layout &m)
{
    for (int t = 0; t < p.count; t++) {
        const float *dt = m.rows + t * s.shared_row() + 2 * SCAN_STATES;
        const float slope = m.slopes[t * SCAN_GROUP + c->c];
#pragma unroll
        for (int j = 0; j < RANKS; j++)
            if (c->lane + j * LANES < s.rank) c->dweight[j] += slope * dt[c->lane + j * LANES];
    }
}

__device__ __forceinline__ void write_params(const Channel &c, const ScanShape &s, float *dpacked)
{
    float *to = dpacked + ((int64_t)blockIdx.z * s.directions + blockIdx.y) * s.vectors() * s.channels + c.d;
#pragma unroll
    for (int n = 0; n < OWN; n++) to[(c.lane * OWN + n) * s.channels] = c.dA[n] * c.A[n] * SCAN_LN2; /* of A_log */
#pragma unroll
    for (int j = 0; j < RANKS; j++)
        if (c.lane + j * LANES < s.rank) to[(SCAN_STATES + c.lane + j * LANES) * s.channels] = c.dweight[j];
    if (c.lane) return;
    to[(SCAN_STATES + s.rank) * s.channels] = c.dbias;
    to[(SCAN_STATES + s.rank + 1) * s.channels] = c.dskip;
}

template <class T> __global__ void __launch_bounds__(THREADS) scan_backward(ScanBackward<T> b)
{
    SHARED_DYNAMIC(float, shared);
    SHARED(int, pixels, SCAN_CHUNK);
    const ScanShape &s = b.s;
    const Layout m(s, shared);
    Channel c;
    start_channel(&c, s, b.packed);
    const int64_t image = (int64_t)blockIdx.z * s.length();
    const Plane<const T> x = {b.x.at(image, c.exists ? c.d : 0), b.x.pitch};
    const Plane<const T> dy = {b.dy.at(image, c.exists ? c.d : 0), b.dy.pitch};
    float *dx = b.parts + ((int64_t)blockIdx.y * s.pixels() + image) * s.channels + c.d;
    float *dprojections = b.dprojections + (int64_t)blockIdx.x * s.pixels() * s.directions * s.row();
    for (int chunk = s.chunks() - 1; chunk >= 0; chunk--) {
        const ScanPlace p = scan_place(s, chunk);
        scan_load_rows(s, p, b.projections, m.rows, pixels);
        chunk_deltas(c, s, p, m);
        chunk_starts(c, b, p, m, pixels, x);
        for (int sub = (p.count - 1) / SUB; sub >= 0; sub--) {
            Positions q;
            load_positions(&q, c, s, p, m, pixels, x, dy, sub);
#pragma unroll
            for (int i = SUB - 1; i >= 0; i--) {
                const int t = sub * SUB + i;
                const Given d = give_position(&c, q, s, m, i, t);
                if (c.lane) continue;
                const float delta = m.deltas[t * SCAN_GROUP + c.c];
                /* the slope of softplus at delta is 1 - exp(-delta) */
                const float slope = (d.ddelta * SCAN_LN2 + d.du * q.u[i]) * -expm1f(-delta);
                m.slopes[t * SCAN_GROUP + c.c] = slope;
                c.dbias += slope;
                c.dskip += q.dy[i] * q.u[i];
                if (c.exists && t < p.count) dx[(int64_t)pixels[t] * s.channels] = c.skip * q.dy[i] + d.du * delta;
            }
            __syncthreads();
            write_sums(s, p, m, pixels, dprojections, sub);
            __syncthreads();
        }
        write_ddt(s, p, m, pixels, b.packed, dprojections);
        add_dweights(&c, s, p, m);
        __syncthreads(); /* before the next rows replace these */
    }
    if (c.exists) write_params(c, s, b.dpacked);
}
} // namespace

template <class T> void scan_backward_launch(const ScanBackward<T> &b, Err *failure)
{
    const dim3 grid((unsigned)b.s.groups(), (unsigned)b.s.directions, (unsigned)b.s.images);
    const size_t bytes = (size_t)((const char *)Layout(b.s, NULL).end() - (const char *)NULL);
    const cudaError_t error =
        cudaFuncSetAttribute((const void *)scan_backward<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    if (error && !failure->code)
        err_set(failure, ERR_UNSUPPORTED,
                "the scan needs %zu KB of shared memory in a block, which this GPU does not have", bytes >> 10);
    if (!error) LAUNCH((scan_backward<T>), grid, THREADS, bytes, b);
}

template void scan_backward_launch(const ScanBackward<float> &, Err *);
template void scan_backward_launch(const ScanBackward<bf16> &, Err *);
