/* The selective scan on a GPU: scan.h has the equations. Up to SCAN_STATES states, rank up to SCAN_RANK_MOST.
 *
 * Lanes are channels: x and y are read and written in place, there are no copies per direction. A block goes along one
 * direction of one image for SCAN_GROUP channels, chunk by chunk; the chunk's rows of projections are in shared memory, once
 * for all of its channels. Each direction writes a part of its own; the parts are added in order (scan_merge).
 *
 * Where images, directions and groups are too few blocks for a GPU, a direction is cut into pieces of whole chunks, a block for
 * each. First each piece is done from states of 0: its end, and the sum of its deltas (scan_ends.cu). As states are linear in
 * the state at a piece's start, whose factor is exp(A Σ delta), these give the true start of each piece, from which the passes
 * then run. The same holds backward, for the gradients of the states. */
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
    SCAN_RANK_MOST = 64,
    SCAN_BC = 2 * SCAN_STATES
};

struct ScanShape {
    int images, height, width, channels, states, rank, directions;
    int pieces; /* of a direction; 1: nothing is cut */
    ScanOrder order[SCAN_MOST_DIRECTIONS];

    __host__ __device__ int length() const { return height * width; }
    __host__ __device__ int row() const { return rank + 2 * states; } /* of a pixel's projections for a direction */
    __host__ __device__ int chunks() const { return (length() + SCAN_CHUNK - 1) / SCAN_CHUNK; }
    __host__ __device__ int piece_chunks() const { return (chunks() + pieces - 1) / pieces; }
    __host__ __device__ int groups() const { return (channels + SCAN_GROUP - 1) / SCAN_GROUP; }
    __host__ __device__ int vectors() const { return SCAN_STATES + rank + 2; }
    __host__ __device__ int64_t pixels() const { return (int64_t)images * length(); }
    /* A chunk in shared memory: rows [B | C] of all positions, then rows of dt, padded to fours. */
    __host__ __device__ int dt_row() const { return (rank + 3) / 4 * 4; }
    __host__ __device__ int chunk_floats() const { return SCAN_CHUNK * (SCAN_BC + dt_row()); }
};

/* packed: for each direction A·log2e (SCAN_STATES, 0 behind the states), dt_weight·log2e (rank), dt_bias·log2e, Ds; each for
 * all channels. Their gradients have the same order, without the factors; a set for each piece of each image.
 * projections: rows [dt | B | C] of the directions, for each pixel.
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

/* softplus of v, from v · log2(e). */
__device__ __forceinline__ float softplus_log2(float v) { return v > 28 ? v * SCAN_LN2 : log1pf(gpu_exp2(v)); }

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

/* Value j of [B | C | dt] in shared memory: its index in the pixel's projections; -1: there is none. */
__device__ __forceinline__ int scan_source(const ScanShape &s, int j)
{
    if (j >= SCAN_BC) return j - SCAN_BC < s.rank ? j - SCAN_BC : -1;
    if (j % SCAN_STATES >= s.states) return -1;
    return s.rank + j / SCAN_STATES * s.states + j % SCAN_STATES;
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

/* Loads the chunk's pixels and rows; positions behind the last get the last pixel, and rows of 0. */
__device__ __forceinline__ void scan_load_rows(const ScanShape &s, const ScanPlace &p, const float *projections,
                                               float *rows, int *pixels)
{
    const int row = SCAN_BC + s.dt_row();
    float *dts = rows + SCAN_CHUNK * SCAN_BC;
    for (int t = (int)threadIdx.x; t < SCAN_CHUNK; t += (int)blockDim.x)
        pixels[t] = scan_pixel(s, p.direction, t < p.count ? p.first + t : s.length() - 1);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < SCAN_CHUNK * row; i += (int)blockDim.x) {
        const int t = i / row, j = i % row, from = scan_source(s, j);
        const float value = t < p.count && from >= 0 ? scan_row_at(s, p, projections, pixels[t])[from] : 0;
        (j < SCAN_BC ? rows[t * SCAN_BC + j] : dts[t * s.dt_row() + j - SCAN_BC]) = value;
    }
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
