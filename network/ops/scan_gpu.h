/* The selective scan on a GPU: scan.h has the equations. Rank up to SCAN_RANK_MOST.
 *
 * Lanes are channels: x and y are read and written in place, there are no copies per direction. A block goes along one
 * direction of one image for SCAN_GROUP channels, chunk by chunk; the chunk's rows of projections are in shared memory, once
 * for all of its channels. Each direction writes a part of its own; the parts are added in order (scan_merge).
 *
 * Where images, directions and groups are too few blocks for a GPU, a direction is cut into pieces of whole chunks, a block for
 * each. First each piece is done from states of 0: its end, and the sum of its deltas (scan_ends.cu). As states are linear in
 * the state at a piece's start, whose factor is exp(A Σ delta), these give the true start of each piece, from which the passes
 * then run. The same holds backward, for the gradients of the states.
 *
 * A kernel does SCAN_STATES states, a tile. More are scans of their own from the same x and delta, one after another: y, dx and
 * the gradients of delta are sums over the tiles, whose parts are added in order like those of directions. */
#ifndef NETWORK_OPS_SCAN_GPU_H
#define NETWORK_OPS_SCAN_GPU_H

#include "network/cuda/pointwise.h"

extern "C" {
#include "network/ops/ops.h"
}

enum {
    SCAN_STATES = 16,
    SCAN_CHUNK = 64,
    SCAN_GROUP = 64,
    SCAN_BATCH = 8,
    SCAN_RANK_MOST = 128,
    SCAN_BC = 2 * SCAN_STATES,
    SCAN_DT_ROW = SCAN_CHUNK + 4 /* 4: for the banks of shared memory */
};

struct ScanShape {
    int images, height, width, channels, states, rank, directions;
    int pieces; /* of a direction; 1: nothing is cut */
    int tile;   /* of the states */
    ScanOrder order[SCAN_MOST_DIRECTIONS];

    __host__ __device__ int length() const { return height * width; }
    __host__ __device__ int row() const { return rank + 2 * states; } /* of a pixel's projections for a direction */
    __host__ __device__ int chunks() const { return (length() + SCAN_CHUNK - 1) / SCAN_CHUNK; }
    __host__ __device__ int piece_chunks() const { return (chunks() + pieces - 1) / pieces; }
    __host__ __device__ int groups() const { return (channels + SCAN_GROUP - 1) / SCAN_GROUP; }
    __host__ __device__ int tiles() const { return (states + SCAN_STATES - 1) / SCAN_STATES; }
    __host__ __device__ int64_t pixels() const { return (int64_t)images * length(); }
    /* Packed vectors: of whole groups; 0 behind the channels. */
    __host__ __device__ int ranks() const { return (rank + 3) / 4 * 4; }
    __host__ __device__ int vectors() const { return SCAN_STATES + ranks() + 2; }
    __host__ __device__ int lanes() const { return groups() * SCAN_GROUP; }
    /* A chunk in shared memory: rows [B | C] of all positions, then the dt of all positions for each r. */
    __host__ __device__ int chunk_floats() const { return SCAN_CHUNK * SCAN_BC + ranks() * SCAN_DT_ROW; }
};

/* packed: for each direction A·log2e (SCAN_STATES, 0 behind the states), dt_weight·log2e (ranks(), 0 behind the rank),
 * dt_bias·log2e, Ds (0 in tiles behind the first); each for lanes() channels. Their gradients have the same order, without the
 * factors; a set for each piece of each image.
 * projections: rows [dt | B | C] of the directions, for each pixel, with all tiles.
 * parts: of each direction an image (N·H·W, D).
 * states: those at the starts of all chunks but the first, (N, K, chunks - 1, SCAN_STATES, D).
 * ends: of the pieces, (N, K, pieces, SCAN_STATES + 1, D): states (backward: their gradients), and the sum of the deltas; not
 * used where there is one piece. */
template <class T> struct ScanEnds {
    ScanShape s;
    Plane<const T> x; /* backward: dy */
    const float *projections, *packed;
    float *ends;
};

template <class T> struct ScanForward {
    ScanShape s;
    Plane<const T> x;
    const float *projections, *packed, *ends;
    float *parts, *states; /* states: NULL in inference */
};

template <class T> struct ScanBackward {
    ScanShape s;
    Plane<const T> x, dy;
    const float *projections, *packed, *states, *ends;
    float *parts;        /* of dx, without what goes through the projections */
    float *dprojections; /* a table like projections for each group of channels */
    float *dpacked;
};

template <class T> void scan_ends_launch(const ScanEnds<T> &e, bool backward);
template <class T> void scan_forward_launch(const ScanForward<T> &f);
template <class T> void scan_backward_launch(const ScanBackward<T> &b, Err *failure);

/* y (or dx, add: added to) = Σ of `count` parts, in order. */
template <class T> struct ScanMerge {
    Plane<T> y;
    const float *parts;
    int64_t size, channels; /* of a part */
    int count;
    bool add;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        Lanes<N> sum = gpu_load<N>(parts + pixel * channels + c);
        for (int k = 1; k < count; k++) {
            const Lanes<N> v = gpu_load<N>(parts + k * size + pixel * channels + c);
            for (int i = 0; i < N; i++) sum.of[i] += v.of[i];
        }
        gpu_give(y.at(pixel, c), sum, add);
    }
};

namespace
{
const float SCAN_LN2 = 0.69314718056f;

/* softplus of v·log(2), as on the CPU (network/ops/simd.h). */
__device__ __forceinline__ float softplus_log2(float v)
{
    const float e = gpu_exp2(-fabsf(v)); /* log(1 + 2^v) = max(0, v log(2)) + log(1 + e), with e from 0 to 1 */
    float q = e * -0.00331847346f + 0.0202045888f;
    q = q * e - 0.0576644503f;
    q = q * e + 0.106805563f;
    q = q * e - 0.153553963f;
    q = q * e + 0.196954012f;
    q = q * e - 0.249585882f;
    q = q * e + 0.33330512f;
    q = q * e - 0.499999315f;
    return fmaxf(0, v * SCAN_LN2) + (e * e * q + e);
}

/* The pixel of an image at position t along a direction. */
__device__ __forceinline__ int scan_pixel(const ScanShape &s, int direction, int t)
{
    ScanOrder order = s.order[0];
#pragma unroll
    for (int k = 1; k < SCAN_MOST_DIRECTIONS;
         k++) /* an index that is not constant would put the shape in local memory */
        if (direction == k) order = s.order[k];
    if (order == SCAN_ROW_MAJOR_REVERSED || order == SCAN_COLUMN_MAJOR_REVERSED) t = s.length() - 1 - t;
    const bool columns = order == SCAN_COLUMN_MAJOR || order == SCAN_COLUMN_MAJOR_REVERSED;
    return columns ? t % s.height * s.width + t / s.height : t;
}

/* The place of the tile's B (or C) of a state in a row of projections; -1: there is none. */
__device__ __forceinline__ int scan_place_of(const ScanShape &s, bool of_c, int state)
{
    state += s.tile * SCAN_STATES;
    return state < s.states ? s.rank + (of_c ? s.states : 0) + state : -1;
}

/* A channel of an image: the address of a pixel is one multiplication. */
template <class T> struct ScanColumn {
    char *first;
    uint32_t pitch; /* in bytes */
    __device__ ScanColumn(T *at, int64_t elements) : first((char *)at), pitch((uint32_t)elements * (uint32_t)sizeof(T))
    {
    }
    __device__ __forceinline__ T *at(int pixel) const { return (T *)(first + (uint64_t)(uint32_t)pixel * pitch); }
};

__device__ __forceinline__ void scan_load_four(float (&to)[4], const float *from)
{
    const float4 v = *(const float4 *)from;
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}

/* A block's place: its direction, image and channel; and the chunk's first position and number of positions. */
struct ScanPlace {
    int image, direction, group, chunk, first, count;
};

__device__ __forceinline__ ScanPlace scan_place(const ScanShape &s, int chunk)
{
    const int first = chunk * SCAN_CHUNK, left = s.length() - first;
    return {(int)blockIdx.z / s.pieces,           (int)blockIdx.y, (int)blockIdx.x, chunk, first,
            left < SCAN_CHUNK ? left : SCAN_CHUNK};
}

/* The block's piece: its chunks. */
struct ScanPiece {
    int index, first, end;
};

__device__ __forceinline__ ScanPiece scan_piece(const ScanShape &s)
{
    const int index = (int)blockIdx.z % s.pieces, first = index * s.piece_chunks(), end = first + s.piece_chunks();
    return {index, first, end < s.chunks() ? end : s.chunks()};
}

/* The end of a piece of the block's image and direction, for channel d; state n is at n · channels. */
template <class P> __device__ __forceinline__ P *scan_end_at(const ScanShape &s, P *ends, int piece, int d)
{
    const int64_t image = blockIdx.z / (unsigned)s.pieces;
    return ends + ((image * s.directions + blockIdx.y) * s.pieces + piece) * (SCAN_STATES + 1) * s.channels + d;
}

/* The states h, from `first` on, before a piece become those behind it. */
template <int N>
__device__ __forceinline__ void scan_join(float (&h)[N], const float (&A)[N], const float *end, int first, int channels)
{
    const float deltas = end[SCAN_STATES * channels];
#pragma unroll
    for (int n = 0; n < N; n++) h[n] = gpu_exp2(A[n] * deltas) * h[n] + end[(first + n) * channels];
}

/* The address of a pixel's row for the place's direction; pixel: in its image. */
template <class P>
__device__ __forceinline__ P *scan_row_at(const ScanShape &s, const ScanPlace &p, P *table, int pixel)
{
    return table + (((int64_t)p.image * s.length() + pixel) * s.directions + p.direction) * s.row();
}

/* A value of the projections' rows, at all positions of the chunk: to[t · STEP]. There are none behind the last position, and
 * none where `place` is -1: 0. */
template <int THREADS, int STEP>
__device__ __forceinline__ void scan_load_value(const ScanShape &s, const ScanPlace &p, const float *projections,
                                                int place, const int *pixels, float *to)
{
    const ScanColumn<const float> from(scan_row_at(s, p, projections, 0) + (place < 0 ? 0 : place),
                                       (int64_t)s.directions * s.row());
    const int warps = THREADS / 32, first = (int)threadIdx.x / 32, count = place < 0 ? 0 : p.count;
#pragma unroll 4
    for (int i = 0; i < SCAN_CHUNK / warps; i++) {
        const int t = first + i * warps;
        const float value = *from.at(pixels[t]);
        to[t * STEP] = t < count ? value : 0;
    }
}

/* Loads the chunk's pixels and projections; positions behind the last get the last pixel. A warp does a position at a time. */
template <int THREADS>
__device__ __forceinline__ void scan_load_rows(const ScanShape &s, const ScanPlace &p, const float *projections,
                                               float *rows, int *pixels)
{
    const int lane = (int)threadIdx.x % 32, place = scan_place_of(s, lane >= SCAN_STATES, lane % SCAN_STATES);
    float *dts = rows + SCAN_CHUNK * SCAN_BC;
    for (int t = (int)threadIdx.x; t < SCAN_CHUNK; t += THREADS)
        pixels[t] = scan_pixel(s, p.direction, t < p.count ? p.first + t : s.length() - 1);
    __syncthreads();
    scan_load_value<THREADS, SCAN_BC>(s, p, projections, place, pixels, rows + lane);
#pragma unroll 1
    for (int r = lane; r < s.ranks(); r += 32)
        scan_load_value<THREADS, 1>(s, p, projections, r < s.rank ? r : -1, pixels, dts + r * SCAN_DT_ROW);
    __syncthreads();
}

/* The saved states of a channel at the start of the chunk; state n is at n · channels. Not of chunk 0. */
template <class P>
__device__ __forceinline__ P *scan_states_at(const ScanShape &s, const ScanPlace &p, P *states, int d)
{
    const int64_t chunk = ((int64_t)p.image * s.directions + p.direction) * (s.chunks() - 1) + p.chunk - 1;
    return states + chunk * SCAN_STATES * s.channels + d;
}
} // namespace

#endif
