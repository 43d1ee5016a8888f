/* Backward of the scan. LANES lanes share a pair of channels, each has 16 / LANES states of both. From the last chunk to the
 * first: the chunk is computed forward again from its saved states, up to the start of each SUB positions; then SUB positions
 * at a time backward, with their states and decays in registers. */
#include "network/ops/scan_gpu.h"

namespace
{
const int LANES = 4, PAIR = 2, SUB = 8, OWN = SCAN_STATES / LANES, THREADS = SCAN_GROUP / PAIR * LANES, WARP = 32,
          WARPS = THREADS / WARP, SUBS = SCAN_CHUNK / SUB, DELTAS = 8, ROUND = 2,
          RS = WARPS / 2 * 4; /* the values of dt that a block does at a time */

/* A block's shared memory, in floats.
 * deltas: later the gradients before softplus. inputs: delta·u.
 * starts: the states before each SUB positions. Where one is used, dB and dC of ROUND positions take its place and the next. */
struct Layout {
    float *rows, *dts, *deltas, *inputs, *starts;
    __host__ __device__ Layout(const ScanShape &s, float *shared)
        : rows(shared), dts(rows + SCAN_CHUNK * SCAN_BC), deltas(rows + s.chunk_floats()),
          inputs(deltas + SCAN_CHUNK * SCAN_GROUP), starts(inputs + SCAN_CHUNK * SCAN_GROUP)
    {
    }
    /* A thread's four values: of a channel of its pair before SUB positions, or B or C of a position. */
    __device__ __forceinline__ float *four(int sub, int half, int thread) const
    {
        return starts + ((sub * PAIR + half) * THREADS + thread) * OWN;
    }
    __host__ __device__ const float *end() const { return starts + (SUBS - 1 + ROUND) * PAIR * THREADS * OWN; }
};

/* What a block reads and writes: of its image and direction, and of the thread's pair of channels. */
template <class T> struct Images {
    ScanColumn<const T> x[PAIR], dy[PAIR];
    ScanColumn<float> dx, dprojections; /* dprojections: of the value that the thread writes in write_sums */
};

/* A lane's part of a pair of channels. */
struct Channels {
    float A[PAIR][OWN], ag[PAIR][OWN], dA[PAIR][OWN]; /* ag: the gradient of the state after this position */
    float bias[PAIR], skip[PAIR], dbias[PAIR], dskip[PAIR];
    const float *weights; /* of dt; r is at r · lanes() */
    int lane, c, d;       /* lane of the pair; its first channel in the group, and of all */
    bool exists[PAIR];
};

__device__ __forceinline__ void start_channels(Channels *c, const ScanShape &s, const float *packed)
{
    c->lane = (int)threadIdx.x % LANES;
    c->c = (int)threadIdx.x / LANES * PAIR;
    c->d = (int)blockIdx.x * SCAN_GROUP + c->c;
    packed += (int64_t)blockIdx.y * s.vectors() * s.lanes() + c->d;
    c->weights = packed + SCAN_STATES * s.lanes();
#pragma unroll
    for (int j = 0; j < PAIR; j++) {
        c->exists[j] = c->d + j < s.channels;
        const float *from = packed + j;
        c->bias[j] = from[(SCAN_STATES + s.ranks()) * s.lanes()];
        c->skip[j] = from[(SCAN_STATES + s.ranks() + 1) * s.lanes()];
        c->dbias[j] = c->dskip[j] = 0;
#pragma unroll
        for (int n = 0; n < OWN; n++) {
            c->A[j][n] = from[(c->lane * OWN + n) * s.lanes()];
            c->ag[j][n] = c->dA[j][n] = 0;
        }
    }
}

__device__ __forceinline__ void store_four(float *to, const float *v)
{
    *(float4 *)to = make_float4(v[0], v[1], v[2], v[3]);
}

/* delta (or delta·u) of a pair at position t. */
__device__ __forceinline__ void load_pair(float (&to)[PAIR], const float *table, const Channels &c, int t)
{
    const float2 v = *(const float2 *)(table + t * SCAN_GROUP + c.c);
    to[0] = v.x, to[1] = v.y;
}

__device__ __forceinline__ void store_pair(float *table, const Channels &c, int t, const float (&v)[PAIR])
{
    *(float2 *)(table + t * SCAN_GROUP + c.c) = make_float2(v[0], v[1]);
}

/* delta and delta·u of all positions; 0 behind the last position and channel, which then give nothing. The lanes of a pair share
 * the work. */
template <class T>
__device__ __forceinline__ void chunk_deltas(const Channels &c, const ScanShape &s, const ScanPlace &p, const Layout &m,
                                             const int *pixels, const Images<T> &images)
{
#pragma unroll 1
    for (int t0 = c.lane * DELTAS; t0 < SCAN_CHUNK; t0 += LANES * DELTAS) {
        const float *weights = c.weights, *dts = m.dts + t0;
        float v[DELTAS][PAIR];
#pragma unroll
        for (int i = 0; i < DELTAS * PAIR; i++) v[i / PAIR][i % PAIR] = c.bias[i % PAIR];
#pragma unroll 1
        for (int r = 0; r < s.rank; r++, weights += s.lanes(), dts += SCAN_DT_ROW) {
            const float2 w = *(const float2 *)weights;
#pragma unroll
            for (int i = 0; i < DELTAS; i += 4) {
                float dt[4];
                scan_load_four(dt, dts + i);
#pragma unroll
                for (int k = 0; k < 4; k++) v[i + k][0] += w.x * dt[k], v[i + k][1] += w.y * dt[k];
            }
        }
#pragma unroll
        for (int i = 0; i < DELTAS; i++) {
            const int t = t0 + i;
            float delta[PAIR], du[PAIR];
#pragma unroll
            for (int j = 0; j < PAIR; j++) {
                delta[j] = t < p.count && c.exists[j] ? softplus_log2(v[i][j]) : 0;
                du[j] = delta[j] * gpu_get(images.x[j].at(pixels[t]));
            }
            store_pair(m.deltas, c, t, delta);
            store_pair(m.inputs, c, t, du);
        }
    }
    __syncwarp();
}

/* The states at the start of each SUB positions. */
template <class T>
__device__ __forceinline__ void chunk_starts(const Channels &c, const ScanBackward<T> &b, const ScanPlace &p,
                                             const Layout &m)
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
        for (int j = 0; j < PAIR; j++) store_four(m.four(sub, j, (int)threadIdx.x), h[j]);
        if (sub == last) break;
#pragma unroll
        for (int i = 0; i < SUB; i++) {
            const int t = sub * SUB + i;
            float B[OWN], delta[PAIR], du[PAIR];
            scan_load_four(B, m.rows + t * SCAN_BC + c.lane * OWN);
            load_pair(delta, m.deltas, c, t);
            load_pair(du, m.inputs, c, t);
#pragma unroll
            for (int k = 0; k < PAIR * OWN; k++) {
                const int j = k / OWN, n = k % OWN;
                h[j][n] = gpu_exp2(delta[j] * c.A[j][n]) * h[j][n] + du[j] * B[n];
            }
        }
    }
}

/* SUB positions, in registers. */
struct Positions {
    float a[SUB][PAIR][OWN], h[SUB + 1][PAIR][OWN]; /* decay; state before each position, and after the last */
    float dy[SUB][PAIR];
};

template <class T>
__device__ __forceinline__ void load_positions(Positions *q, const Channels &c, const Layout &m, const int *pixels,
                                               const Images<T> &images, int sub)
{
#pragma unroll
    for (int j = 0; j < PAIR; j++) scan_load_four(q->h[0][j], m.four(sub, j, (int)threadIdx.x));
#pragma unroll
    for (int i = 0; i < SUB; i++) {
        const int t = sub * SUB + i, pixel = pixels[t];
        float B[OWN], delta[PAIR], du[PAIR];
        scan_load_four(B, m.rows + t * SCAN_BC + c.lane * OWN);
        load_pair(delta, m.deltas, c, t);
        load_pair(du, m.inputs, c, t);
#pragma unroll
        for (int j = 0; j < PAIR; j++) {
            q->dy[i][j] = gpu_get(images.dy[j].at(pixel));
#pragma unroll
            for (int n = 0; n < OWN; n++) {
                q->a[i][j][n] = gpu_exp2(delta[j] * c.A[j][n]);
                q->h[i + 1][j][n] = q->a[i][j][n] * q->h[i][j][n] + du[j] * B[n];
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

/* Sums of N values over the lanes of a warp whose numbers differ in BIT and the bits below, as many as halve N down to KEPT. A
 * lane gets the KEPT sums of its place among them, in front. */
template <int KEPT, int N, int BIT = WARP / 2> __device__ __forceinline__ void sum_over_lanes(float *v)
{
    const bool upper = threadIdx.x & BIT;
#pragma unroll
    for (int i = 0; i < N / 2; i++) v[i] = exchange(v[i], v[i + N / 2], upper, BIT);
    if constexpr (N / 2 > KEPT) sum_over_lanes<KEPT, N / 2, BIT / 2>(v);
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

/* The i-th of SUB positions: advances ag and dA; dB and dC go to shared memory. */
__device__ __forceinline__ Given give_position(Channels *c, const Positions &q, const Layout &m, int sub, int i)
{
    const int t = sub * SUB + i;
    const float *row = m.rows + t * SCAN_BC + c->lane * OWN;
    float B[OWN], C[OWN], delta[PAIR], du[PAIR], dBC[2 * OWN];
    scan_load_four(B, row);
    scan_load_four(C, row + SCAN_STATES);
    load_pair(delta, m.deltas, *c, t);
    load_pair(du, m.inputs, *c, t);
    Given d = {};
#pragma unroll
    for (int k = 0; k < PAIR * OWN; k++) {
        const int j = k / OWN, n = k % OWN;
        const float g = q.dy[i][j] * C[n] + c->ag[j][n];
        c->ag[j][n] = g * q.a[i][j][n];
        const float decayed = c->ag[j][n] * q.h[i][j][n];
        d.du[j] = n ? d.du[j] + g * B[n] : g * B[n];
        d.ddelta[j] = n ? d.ddelta[j] + decayed * c->A[j][n] : decayed * c->A[j][n];
        c->dA[j][n] += decayed * delta[j];
        dBC[n] = j ? dBC[n] + g * du[j] : g * du[j];
        dBC[OWN + n] = j ? dBC[OWN + n] + q.dy[i][j] * q.h[i + 1][j][n] : q.dy[i][j] * q.h[i + 1][j][n];
    }
    for (int half = 0; half < 2; half++) store_four(m.four(sub + i % ROUND, half, (int)threadIdx.x), dBC + half * OWN);
    return d;
}

/* The slope of softplus where its value is v: 1 - exp(-v), to 3 units in the last place; for small v by a polynomial. */
__device__ __forceinline__ float slope_of_softplus(float v)
{
    float q = v * 0.00677104f - 0.04100128f;
    q = q * v + 0.16654815f;
    q = q * v - 0.4999925f;
    q = q * v + 0.99999992f;
    return v < 0.5f ? q * v : 1 - gpu_exp(-v);
}

/* Position t of the lane: dx, and the gradients of what is before softplus. */
template <class T>
__device__ __forceinline__ void finish_position(Channels *c, const Given &d, const ScanPlace &p, const Layout &m,
                                                const int *pixels, const Images<T> &images, int t)
{
    const int pixel = pixels[t];
    float delta[PAIR], dv[PAIR];
    load_pair(delta, m.deltas, *c, t);
#pragma unroll
    for (int j = 0; j < PAIR; j++) {
        const float u = gpu_get(images.x[j].at(pixel)), dy = gpu_get(images.dy[j].at(pixel));
        dv[j] = slope_of_softplus(delta[j]) * (d.ddelta[j] * SCAN_LN2 + d.du[j] * u);
        c->dbias[j] += dv[j];
        if (t >= p.count || !c->exists[j]) continue;
        c->dskip[j] += dy * u;
        images.dx.at(pixel)[j] = c->skip[j] * dy + d.du[j] * delta[j];
    }
    store_pair(m.deltas, *c, t, dv);
}

/* Of ROUND positions, a warp sums the dB or dC of one over the block's channels. A lane gets the sum of a state. */
struct Sums {
    int position, half, state;
    __device__ Sums()
        : position((int)threadIdx.x / WARP / 2), half((int)threadIdx.x / WARP % 2),
          state((int)threadIdx.x % LANES * OWN + (int)threadIdx.x % WARP / (2 * LANES))
    {
    }
    /* In a row of projections; -1: it has none, or another lane has it, too. */
    __device__ int place(const ScanShape &s) const { return threadIdx.x & LANES ? -1 : scan_place_of(s, half, state); }
};

/* Sums the gradients of B and C of ROUND positions, from the i-th of its SUB on, and writes them; before position `end`. */
template <class T>
__device__ __forceinline__ void write_sums(const Layout &m, const int *pixels, const Images<T> &images, int sub, int i,
                                           int end)
{
    const Sums sums;
    const int t = sub * SUB + i;
    float v[OWN] = {}, of_warp[OWN];
    __syncthreads();
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        scan_load_four(of_warp, m.four(sub + sums.position, sums.half, w * WARP + (int)threadIdx.x % WARP));
#pragma unroll
        for (int n = 0; n < OWN; n++) v[n] = w ? v[n] + of_warp[n] : of_warp[n];
    }
    sum_over_lanes<1, OWN>(v);
    v[0] += __shfl_xor_sync(0xffffffffu, v[0], LANES);
    if (t < end) *images.dprojections.at(pixels[t + sums.position]) = v[0];
    __syncthreads();
}

/* A thread's part of a product over positions or channels: four of the one (of SCAN_CHUNK = SCAN_GROUP) by four values of dt,
 * summed over a quarter of the other. */
struct Tile {
    int quad, quarter, r; /* r: the first; the next are RS further */
    __device__ Tile()
        : quad((int)threadIdx.x / WARP % 2 * 8 + (int)threadIdx.x % 8), quarter((int)threadIdx.x % WARP / 8),
          r((int)threadIdx.x / WARP / 2 * 4)
    {
    }
};

/* d(dt) = Wᵀ dv, a sum over the group's channels. W is packed with the factor log2(e). */
__device__ __forceinline__ void write_ddt(const ScanShape &s, const ScanPlace &p, const Layout &m, const int *pixels,
                                          const float *weights, float *dprojections)
{
    const Tile tile;
    const int t = tile.quad * 4 + tile.quarter;
    float *row = scan_row_at(s, p, dprojections, pixels[t]);
#pragma unroll 1
    for (int r = tile.r; r < s.rank; r += RS) {
        float sum[16] = {};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const int c =
                (tile.quarter * 4 + k + tile.quad) % 16 * 4; /* threads of different quads use different banks */
            float w[4][4], dv[4];
#pragma unroll
            for (int j = 0; j < 4; j++) scan_load_four(w[j], weights + (r + j) * s.lanes() + c);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                scan_load_four(dv, m.deltas + (tile.quad * 4 + i) * SCAN_GROUP + c);
#pragma unroll
                for (int j = 0; j < 16; j++) sum[i * 4 + j / 4] += dv[j % 4] * w[j / 4][j % 4];
            }
        }
        sum_over_lanes<4, 16>(sum);
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (t < p.count && r + j < s.rank) row[r + j] = sum[j] * SCAN_LN2;
    }
}

/* dW += dv dtᵀ over the chunk's positions. dweights: of the group's channels, written by the first chunk. */
__device__ __forceinline__ void add_dweights(const ScanShape &s, const Layout &m, float *dweights, bool first)
{
    const Tile tile;
    dweights += tile.quad * 4 + tile.quarter;
#pragma unroll 1
    for (int r = tile.r; r < s.rank; r += RS) {
        float sum[16] = {};
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const int t = (tile.quarter * 4 + k) * 4;
            float dt[4][4], dv[4];
#pragma unroll
            for (int j = 0; j < 4; j++) scan_load_four(dt[j], m.dts + (r + j) * SCAN_DT_ROW + t);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                scan_load_four(dv, m.deltas + (t + i) * SCAN_GROUP + tile.quad * 4);
#pragma unroll
                for (int j = 0; j < 16; j++) sum[j] += dv[j / 4] * dt[j % 4][i];
            }
        }
        sum_over_lanes<4, 16>(sum);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float *to = dweights + (r + j) * s.lanes();
            *to = first ? sum[j] : *to + sum[j];
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
            to[(c.lane * OWN + n) * s.lanes() + j] = c.dA[j][n] * c.A[j][n] * SCAN_LN2;
        if (c.lane) continue;
        to[(SCAN_STATES + s.ranks()) * s.lanes() + j] = dbias;
        to[(SCAN_STATES + s.ranks() + 1) * s.lanes() + j] = dskip;
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
        {scan_row_at(s, scan_place(s, 0), dprojections, 0) + Sums().place(s), (int64_t)s.directions * s.row()}};
    float *dpacked = b.dpacked + ((int64_t)blockIdx.z * s.directions + blockIdx.y) * s.vectors() * s.lanes();
    for (int i = s.pieces - 1; i > piece.index; i--)
#pragma unroll
        for (int j = 0; j < PAIR; j++)
            scan_join(c.ag[j], c.A[j], scan_end_at(s, b.ends, i, d[j]), c.lane * OWN, s.channels);
    for (int chunk = piece.end - 1; chunk >= piece.first; chunk--) {
        const ScanPlace p = scan_place(s, chunk);
        scan_load_rows<THREADS>(s, p, b.projections, m.rows, pixels);
        chunk_deltas(c, s, p, m, pixels, images);
        chunk_starts(c, b, p, m);
        const int end = Sums().place(s) < 0 ? 0 : p.count - Sums().position; /* of the sums that the thread writes */
        for (int sub = (p.count - 1) / SUB; sub >= 0; sub--) {
            Positions q;
            load_positions(&q, c, m, pixels, images, sub);
#pragma unroll
            for (int first = SUB - LANES; first >= 0; first -= LANES) {
                Given given[LANES];
#pragma unroll
                for (int i = LANES - 1; i >= 0; i--) {
                    given[i] = give_position(&c, q, m, sub, first + i);
                    if (i % ROUND == 0) write_sums(m, pixels, images, sub, first + i, end);
                }
                finish_position(&c, sum_over_states(given, c.lane), p, m, pixels, images, sub * SUB + first + c.lane);
            }
        }
        __syncthreads();
        write_ddt(s, p, m, pixels, c.weights - c.c, dprojections);
        add_dweights(s, m, dpacked + SCAN_STATES * s.lanes() + p.group * SCAN_GROUP, chunk == piece.end - 1);
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
