/* Backward of the scan. LANES lanes share a pair of channels, each has 16 / LANES states of both. From the last chunk to the
 * first: the chunk is computed forward again from its saved states, up to the start of each SUB positions; then SUB positions
 * at a time backward, with their states and decays in registers. */
#include "network/ops/scan_gpu.h"

namespace
{
const int LANES = 4, PAIR = 2, SUB = 8, OWN = SCAN_STATES / LANES, THREADS = SCAN_GROUP / PAIR * LANES, WARP = 32,
          WARPS = THREADS / WARP, SUBS = SCAN_CHUNK / SUB, DELTAS = 4;

/* A block's shared memory, in floats. */
struct Layout {
    float *rows, *dts, *deltas, *slopes, *starts, *sums; /* slopes: of softplus; then the gradients before softplus */
    __host__ __device__ Layout(const ScanShape &s, float *shared)
        : rows(shared), dts(rows + SCAN_CHUNK * SCAN_BC), deltas(rows + s.chunk_floats()),
          slopes(deltas + SCAN_CHUNK * SCAN_GROUP), starts(slopes + SCAN_CHUNK * SCAN_GROUP),
          sums(starts + SUBS * THREADS * PAIR * OWN)
    {
    }
    __host__ __device__ const float *end() const { return sums + SUB * THREADS; }
};

/* A channel of an image: the address of a pixel is one multiplication. */
template <class T> struct Column {
    char *first;
    uint32_t pitch; /* in bytes */
    __device__ Column(T *at, int64_t elements) : first((char *)at), pitch((uint32_t)elements * (uint32_t)sizeof(T)) {}
    __device__ __forceinline__ T *at(int pixel) const { return (T *)(first + (uint64_t)(uint32_t)pixel * pitch); }
};

/* What a block reads and writes: of its image and direction, and of the thread's pair of channels. */
template <class T> struct Images {
    Column<const T> x[PAIR], dy[PAIR];
    Column<float> dx, dprojections; /* dprojections: of the value that the thread writes in write_sums */
};

/* A lane's part of a pair of channels. */
struct Channels {
    float A[PAIR][OWN], ag[PAIR][OWN], dA[PAIR][OWN]; /* ag: the gradient of the state after this position */
    float bias[PAIR], skip[PAIR], dbias[PAIR], dskip[PAIR];
    const float *weights[PAIR];
    int lane, c, d; /* lane of the pair; its first channel in the group, and of all */
    bool exists[PAIR];
};

__device__ __forceinline__ void start_channels(Channels *c, const ScanShape &s, const float *packed)
{
    c->lane = (int)threadIdx.x % LANES;
    c->c = (int)threadIdx.x / LANES * PAIR;
    c->d = (int)blockIdx.x * SCAN_GROUP + c->c;
#pragma unroll
    for (int j = 0; j < PAIR; j++) {
        c->exists[j] = c->d + j < s.channels;
        const float *from = packed + (int64_t)blockIdx.y * s.vectors() * s.channels + (c->exists[j] ? c->d + j : 0);
        c->weights[j] = from + SCAN_STATES * s.channels;
        c->bias[j] = c->weights[j][s.rank * s.channels];
        c->skip[j] = c->weights[j][(s.rank + 1) * s.channels];
        c->dbias[j] = c->dskip[j] = 0;
#pragma unroll
        for (int n = 0; n < OWN; n++) {
            c->A[j][n] = c->exists[j] ? from[(c->lane * OWN + n) * s.channels] : 0;
            c->ag[j][n] = c->dA[j][n] = 0;
        }
    }
}

/* delta of all positions and the slope of softplus there; 0 behind the last position and channel, which then give nothing. The
 * lanes of a pair share the work. */
__device__ __forceinline__ void chunk_deltas(const Channels &c, const ScanShape &s, const ScanPlace &p, const Layout &m)
{
    const int row = s.dt_row();
    for (int first = 0; first < p.count; first += LANES * DELTAS) {
        const int t0 = first + c.lane;
        float v[DELTAS][PAIR];
#pragma unroll
        for (int i = 0; i < DELTAS * PAIR; i++) v[i / PAIR][i % PAIR] = c.bias[i % PAIR];
        for (int r = 0; r < s.rank; r++)
#pragma unroll
            for (int i = 0; i < DELTAS * PAIR; i++)
                v[i / PAIR][i % PAIR] += c.weights[i % PAIR][r * s.channels] * m.dts[(t0 + i / PAIR * LANES) * row + r];
#pragma unroll
        for (int i = 0; i < DELTAS * PAIR; i++) {
            const int t = t0 + i / PAIR * LANES, at = t * SCAN_GROUP + c.c + i % PAIR;
            const bool there = t < p.count && c.exists[i % PAIR];
            const float value = v[i / PAIR][i % PAIR], power = gpu_exp2(value);
            m.deltas[at] = there ? softplus_log2(value) : 0;
            m.slopes[at] = !there ? 0 : value > 28 ? 1 : power / (1 + power);
        }
    }
    __syncwarp();
}

__device__ __forceinline__ float4 four(const float *p) { return *(const float4 *)p; }

/* B or C of a position, for the lane's states. */
__device__ __forceinline__ void load_states(float (&to)[OWN], const float *from)
{
    const float4 v = four(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}

/* delta (or the slope) of a pair at position t. */
__device__ __forceinline__ void load_pair(float (&to)[PAIR], const float *table, const Channels &c, int t)
{
    const float2 v = *(const float2 *)(table + t * SCAN_GROUP + c.c);
    to[0] = v.x, to[1] = v.y;
}

__device__ __forceinline__ float *starts_at(const Layout &m, int sub, int j)
{
    return m.starts + ((sub * PAIR + j) * THREADS + (int)threadIdx.x) * OWN;
}

/* The states at the start of each SUB positions. */
template <class T>
__device__ __forceinline__ void chunk_starts(const Channels &c, const ScanBackward<T> &b, const ScanPlace &p,
                                             const Layout &m, const int *pixels, const Images<T> &images)
{
    const ScanShape &s = b.s;
    const int last = (p.count - 1) / SUB; /* from there on it is only done backward */
    float h[PAIR][OWN];
#pragma unroll
    for (int i = 0; i < PAIR * OWN; i++) {
        const int j = i / OWN, n = c.lane * OWN + i % OWN;
        h[j][i % OWN] = p.chunk && c.exists[j] ? scan_states_at(s, p, b.states, c.d + j)[n * s.channels] : 0;
    }
    for (int sub = 0;; sub++) {
#pragma unroll
        for (int j = 0; j < PAIR; j++)
            *(float4 *)starts_at(m, sub, j) = make_float4(h[j][0], h[j][1], h[j][2], h[j][3]);
        if (sub == last) break;
#pragma unroll
        for (int i = 0; i < SUB; i++) {
            const int t = sub * SUB + i;
            float B[OWN], delta[PAIR];
            load_states(B, m.rows + t * SCAN_BC + c.lane * OWN);
            load_pair(delta, m.deltas, c, t);
#pragma unroll
            for (int j = 0; j < PAIR; j++) {
                const float du = delta[j] * gpu_get(images.x[j].at(pixels[t]));
#pragma unroll
                for (int n = 0; n < OWN; n++) h[j][n] = gpu_exp2(delta[j] * c.A[j][n]) * h[j][n] + du * B[n];
            }
        }
    }
}

/* SUB positions, in registers. */
struct Positions {
    float a[SUB][PAIR][OWN], h[SUB + 1][PAIR][OWN]; /* decay; state before each position, and after the last */
    float du[SUB][PAIR], dy[SUB][PAIR];             /* du: delta·u */
};

template <class T>
__device__ __forceinline__ void load_positions(Positions *q, const Channels &c, const Layout &m, const int *pixels,
                                               const Images<T> &images, int sub)
{
#pragma unroll
    for (int j = 0; j < PAIR; j++) load_states(q->h[0][j], starts_at(m, sub, j));
#pragma unroll
    for (int i = 0; i < SUB; i++) {
        const int t = sub * SUB + i, pixel = pixels[t];
        float B[OWN], delta[PAIR];
        load_states(B, m.rows + t * SCAN_BC + c.lane * OWN);
        load_pair(delta, m.deltas, c, t);
#pragma unroll
        for (int j = 0; j < PAIR; j++) {
            q->du[i][j] = delta[j] * gpu_get(images.x[j].at(pixel));
            q->dy[i][j] = gpu_get(images.dy[j].at(pixel));
#pragma unroll
            for (int n = 0; n < OWN; n++) {
                q->a[i][j][n] = gpu_exp2(delta[j] * c.A[j][n]);
                q->h[i + 1][j][n] = q->a[i][j][n] * q->h[i][j][n] + q->du[i][j] * B[n];
            }
        }
    }
}

/* One of a lane's two values, and the other lane's that is added to it: the upper lane keeps b. */
__device__ __forceinline__ float exchange(float a, float b, bool upper, int bit)
{
    const float given = upper ? a : b;
    const uint32_t kept =
        __builtin_bit_cast(uint32_t, a) ^ __builtin_bit_cast(uint32_t, b) ^ __builtin_bit_cast(uint32_t, given);
    return __builtin_bit_cast(float, kept) + __shfl_xor_sync(0xffffffffu, given, bit);
}

/* Sums of 2 OWN values over the lanes of a warp that have the same states. A lane gets value (lane / LANES). */
__device__ __forceinline__ float sum_over_channels(float (&v)[2 * OWN])
{
#pragma unroll
    for (int half = OWN, bit = WARP / 2; half; half /= 2, bit /= 2) {
        const bool upper = threadIdx.x & bit;
#pragma unroll
        for (int i = 0; i < half; i++) v[i] = exchange(v[i], v[i + half], upper, bit);
    }
    return v[0];
}

/* What a position gives to the inputs of its pair: gradients of delta·u, and of delta by the decays; a lane's part of them. */
struct Given {
    float du[PAIR], ddelta[PAIR];
};

/* Sums of LANES positions over the lanes of a pair. A lane gets position (lane). */
__device__ __forceinline__ Given sum_over_states(const Given (&v)[LANES], int lane)
{
    Given halves[LANES / 2], sum;
    const bool upper = lane & 2, odd = lane & 1;
#pragma unroll
    for (int k = 0; k < LANES / 2 * PAIR; k++) {
        const int i = k / PAIR, j = k % PAIR;
        halves[i].du[j] = exchange(v[i].du[j], v[i + 2].du[j], upper, 2);
        halves[i].ddelta[j] = exchange(v[i].ddelta[j], v[i + 2].ddelta[j], upper, 2);
    }
#pragma unroll
    for (int j = 0; j < PAIR; j++) {
        sum.du[j] = exchange(halves[0].du[j], halves[1].du[j], odd, 1);
        sum.ddelta[j] = exchange(halves[0].ddelta[j], halves[1].ddelta[j], odd, 1);
    }
    return sum;
}

/* Position t, the i-th of its SUB: advances ag and dA; the sums of dB and dC over the warp's channels go to shared memory. */
__device__ __forceinline__ Given give_position(Channels *c, const Positions &q, const Layout &m, int i, int t)
{
    const float *row = m.rows + t * SCAN_BC + c->lane * OWN;
    float B[OWN], C[OWN], delta[PAIR], dBC[2 * OWN];
    load_states(B, row);
    load_states(C, row + SCAN_STATES);
    load_pair(delta, m.deltas, *c, t);
    Given d = {};
#pragma unroll
    for (int k = 0; k < PAIR * OWN; k++) {
        const int j = k / OWN, n = k % OWN;
        const float g = q.dy[i][j] * C[n] + c->ag[j][n];
        c->ag[j][n] = g * q.a[i][j][n];
        const float decayed = c->ag[j][n] * q.h[i][j][n], du = q.du[i][j];
        d.du[j] = n ? d.du[j] + g * B[n] : g * B[n];
        d.ddelta[j] = n ? d.ddelta[j] + decayed * c->A[j][n] : decayed * c->A[j][n];
        c->dA[j][n] += decayed * delta[j];
        dBC[n] = j ? dBC[n] + g * du : g * du;
        dBC[OWN + n] = j ? dBC[OWN + n] + q.dy[i][j] * q.h[i + 1][j][n] : q.dy[i][j] * q.h[i + 1][j][n];
    }
    m.sums[i * THREADS + threadIdx.x] = sum_over_channels(dBC);
    return d;
}

/* Position t of the lane: dx, and the gradients of what is before softplus. */
template <class T>
__device__ __forceinline__ void finish_position(Channels *c, const Given &d, const ScanPlace &p, const Layout &m,
                                                const int *pixels, const Images<T> &images, int t)
{
    const int pixel = pixels[t];
    float delta[PAIR], slope[PAIR];
    load_pair(delta, m.deltas, *c, t);
    load_pair(slope, m.slopes, *c, t);
#pragma unroll
    for (int j = 0; j < PAIR; j++) {
        const float u = gpu_get(images.x[j].at(pixel)), dy = gpu_get(images.dy[j].at(pixel));
        slope[j] *= d.ddelta[j] * SCAN_LN2 + d.du[j] * u;
        c->dbias[j] += slope[j];
        if (t >= p.count || !c->exists[j]) continue;
        c->dskip[j] += dy * u;
        images.dx.at(pixel)[j] = c->skip[j] * dy + d.du[j] * delta[j];
    }
    *(float2 *)(m.slopes + t * SCAN_GROUP + c->c) = make_float2(slope[0], slope[1]);
}

/* The place of the thread's value in a row of projections; -1: it has none. */
__device__ __forceinline__ int sums_place(const ScanShape &s)
{
    const int lane = (int)threadIdx.x % WARP, value = lane / LANES, state = lane % LANES * OWN + value % OWN;
    return state < s.states ? s.rank + (value < OWN ? 0 : s.states) + state : -1;
}

/* Adds the warps' sums of dB and dC of SUB positions, in order, and writes them; a warp does every WARPS-th position. */
template <class T>
__device__ __forceinline__ void write_sums(const ScanShape &s, const ScanPlace &p, const Layout &m, const int *pixels,
                                           const Images<T> &images, int sub)
{
    const bool has_place = sums_place(s) >= 0;
#pragma unroll
    for (int k = 0; k < SUB / WARPS; k++) {
        const int i = k * WARPS + (int)threadIdx.x / WARP, t = sub * SUB + i;
        float total = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) total += m.sums[i * THREADS + w * WARP + (int)threadIdx.x % WARP];
        if (t < p.count && has_place) *images.dprojections.at(pixels[t]) = total;
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

/* dW += dv dtᵀ over the chunk's positions: a thread has a channel, and four values of dt at a time. dweights: of the group's
 * channels, written by the first chunk. */
__device__ __forceinline__ void add_dweights(const ScanShape &s, const ScanPlace &p, const Layout &m, float *dweights,
                                             bool first)
{
    const int c = (int)threadIdx.x % SCAN_GROUP;
    if (p.group * SCAN_GROUP + c >= s.channels) return;
    for (int r = (int)threadIdx.x / SCAN_GROUP * 4; r < s.rank; r += THREADS / SCAN_GROUP * 4) {
        float sum[4] = {};
        for (int t = 0; t < p.count; t++) {
            const float4 dt = four(m.dts + t * s.dt_row() + r);
            const float slope = m.slopes[t * SCAN_GROUP + c];
            sum[0] += slope * dt.x, sum[1] += slope * dt.y, sum[2] += slope * dt.z, sum[3] += slope * dt.w;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float *to = dweights + (r + i) * s.channels + c;
            if (r + i < s.rank) *to = first ? sum[i] : *to + sum[i];
        }
    }
}

/* to: of the pair's first channel. */
__device__ __forceinline__ void write_params(const Channels &c, const ScanShape &s, float *to)
{
#pragma unroll
    for (int j = 0; j < PAIR; j++) {
        float dbias = c.dbias[j], dskip = c.dskip[j];
#pragma unroll
        for (int bit = 1; bit < LANES; bit *= 2) {
            dbias += __shfl_xor_sync(0xffffffffu, dbias, bit);
            dskip += __shfl_xor_sync(0xffffffffu, dskip, bit);
        }
        if (!c.exists[j]) continue;
#pragma unroll
        for (int n = 0; n < OWN; n++) /* of A_log */
            to[(c.lane * OWN + n) * s.channels + j] = c.dA[j][n] * c.A[j][n] * SCAN_LN2;
        if (c.lane) continue;
        to[(SCAN_STATES + s.rank) * s.channels + j] = dbias;
        to[(SCAN_STATES + s.rank + 1) * s.channels + j] = dskip;
    }
}

template <class T> __global__ void __launch_bounds__(THREADS) scan_backward(ScanBackward<T> b)
{
    SHARED_DYNAMIC(float, shared);
    SHARED(int, pixels, SCAN_CHUNK);
    const ScanShape &s = b.s;
    const Layout m(s, shared);
    Channels c;
    start_channels(&c, s, b.packed);
    const ScanPiece piece = scan_piece(s);
    const int64_t image = (int64_t)(blockIdx.z / (unsigned)s.pieces) * s.length();
    const int d[PAIR] = {c.exists[0] ? c.d : 0, c.exists[1] ? c.d + 1 : 0};
    float *dprojections = b.dprojections + (int64_t)blockIdx.x * s.pixels() * s.directions * s.row();
    const Images<T> images = {
        {{b.x.at(image, d[0]), b.x.pitch}, {b.x.at(image, d[1]), b.x.pitch}},
        {{b.dy.at(image, d[0]), b.dy.pitch}, {b.dy.at(image, d[1]), b.dy.pitch}},
        {b.parts + ((int64_t)blockIdx.y * s.pixels() + image) * s.channels + c.d, s.channels},
        {scan_row_at(s, scan_place(s, 0), dprojections, 0) + sums_place(s), (int64_t)s.directions * s.row()}};
    float *dpacked = b.dpacked + ((int64_t)blockIdx.z * s.directions + blockIdx.y) * s.vectors() * s.channels;
    for (int i = s.pieces - 1; i > piece.index; i--)
#pragma unroll
        for (int j = 0; j < PAIR; j++)
            scan_join(c.ag[j], c.A[j], scan_end_at(s, b.ends, i, d[j]), c.lane * OWN, s.channels);
    for (int chunk = piece.end - 1; chunk >= piece.first; chunk--) {
        const ScanPlace p = scan_place(s, chunk);
        scan_load_rows(s, p, b.projections, m.rows, pixels);
        chunk_deltas(c, s, p, m);
        chunk_starts(c, b, p, m, pixels, images);
        for (int sub = (p.count - 1) / SUB; sub >= 0; sub--) {
            Positions q;
            load_positions(&q, c, m, pixels, images, sub);
#pragma unroll
            for (int first = SUB - LANES; first >= 0; first -= LANES) {
                Given given[LANES];
#pragma unroll
                for (int i = LANES - 1; i >= 0; i--)
                    given[i] = give_position(&c, q, m, first + i, sub * SUB + first + i);
                finish_position(&c, sum_over_states(given, c.lane), p, m, pixels, images, sub * SUB + first + c.lane);
            }
            __syncthreads();
            write_sums(s, p, m, pixels, images, sub);
            __syncthreads();
        }
        write_ddt(s, p, m, pixels, b.packed, dprojections);
        add_dweights(s, p, m, dpacked + SCAN_STATES * s.channels + p.group * SCAN_GROUP, chunk == piece.end - 1);
        __syncthreads(); /* before the next rows replace these */
    }
    write_params(c, s, dpacked + c.d);
}
} // namespace

template <class T> void scan_backward_launch(const ScanBackward<T> &b, Err *failure)
{
    const dim3 grid((unsigned)b.s.groups(), (unsigned)b.s.directions, (unsigned)(b.s.images * b.s.pieces));
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
