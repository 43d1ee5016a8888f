/* Attention on a GPU; attention.c has the equations. Up to ATTENTION_MOST_CHANNELS channels a head, computed in float32.
 *
 * A block does ROWS tokens of a window (or image) for one head. Each row belongs to S lanes of a warp, which have D channels
 * each in registers: forward and the gradient of q have a query in a row and go along the keys; the gradients of k and v have
 * a key in a row and go along the queries. What they go along is in shared memory, COLUMNS tokens at a time.
 * Scores are in units of log(2), as on the CPU. */
#ifndef NETWORK_OPS_ATTENTION_GPU_H
#define NETWORK_OPS_ATTENTION_GPU_H

#include "network/cuda/sums.h"

extern "C" {
#include "network/ops/attention.h"
#include "network/ops/attention_windows.h"
}

enum { ATTENTION_ROWS = 64, ATTENTION_COLUMNS = 32, ATTENTION_MOST_CHANNELS = 128 };

static const float LOG2E = 1.44269502f;

struct AttentionShape {
    WindowGrid grid;
    int64_t window;      /* of the table; 0: none */
    int heads, channels; /* channels of a head */
    int pieces;          /* backward sums the parameters' gradients over pieces of the windows */

    __host__ __device__ int64_t blocks() const { return gpu_parts(grid.tokens, ATTENTION_ROWS); }
    __host__ __device__ int64_t windows_of_piece() const { return gpu_parts(grid.count, pieces); }
    __host__ __device__ int64_t table_rows() const { return window ? (2 * window - 1) * (2 * window - 1) : 0; }
    /* Where a window and head have their tokens in the tables of logarithms and of D. */
    __device__ int64_t row(int64_t at, int head) const { return (at * heads + head) * grid.tokens; }
};

/* Some channels of a tensor, data or gradient, and the projection's bias on them, NULL: none. */
template <class T> struct AttentionPart {
    T *data;
    int64_t pitch;
    const float *bias;
};

template <class T> struct AttentionForward {
    AttentionShape s;
    AttentionPart<const T> q, k, v;
    const float *table;
    AttentionPart<T> y;
    float *logs; /* NULL in inference */
};

template <class T> struct AttentionBackward {
    AttentionShape s;
    AttentionPart<const T> q, k, v, y, dy;
    AttentionPart<T> dq, dk, dv; /* data NULL: not wanted */
    bool add_q, add_kv;
    const float *table, *logs;
    float *shares; /* D of each token, head and window */
    float *sums; /* a row for each piece and block of rows: of the table's gradient (rows, heads), then of the biases */
    int64_t sums_row; /* floats of a row */
};

template <class T> void attention_forward_launch(const AttentionForward<T> &f);
template <class T> void attention_backward_launch(const AttentionBackward<T> &b);

/* Calls `launch` of the right number of channels: f.template run<D, S>(). */
template <class F> static inline void attention_by_channels(int channels, const F &f)
{
    if (channels <= 8) f.template run<8, 1>();
    else if (channels <= 16) f.template run<16, 1>();
    else if (channels <= 32) f.template run<32, 1>();
    else if (channels <= 64) f.template run<32, 2>();
    else f.template run<32, 4>();
}

/* ---- tokens ---- */

struct Token {
    int64_t pixel; /* -1: padding, or behind the last */
    int part;      /* of the image; those of different parts are no neighbours */
    int place; /* in a whole window: the table's row of two tokens is the difference of their places, from the middle on */
};

__device__ static inline Token token_of(const AttentionShape &s, int64_t window, int64_t token)
{
    if (token >= s.grid.tokens) return {-1, 0, 0};
    const WindowAxis &y = s.grid.y, &x = s.grid.x;
    const int64_t column = window % x.windows, row = window / x.windows % y.windows,
                  image = window / x.windows / y.windows;
    const int64_t at_y = row * y.window + token / x.window, at_x = column * x.window + token % x.window;
    const int64_t from_y = window_source(&y, at_y), from_x = window_source(&x, at_x);
    const int64_t pixel = from_y < 0 || from_x < 0 ? -1 : (image * y.length + from_y) * x.length + from_x;
    const int part = 3 * window_part(&y, at_y) + window_part(&x, at_x);
    return {pixel, part, s.window ? (int)(token / s.window * (2 * s.window - 1) + token % s.window) : 0};
}

/* What is added to the score of a query and a key; table: of the head, in units of log(2). */
__device__ static inline float score_bias(const AttentionShape &s, const float *table, const Token &q, const Token &k)
{
    const int middle = (int)(2 * s.window * (s.window - 1));
    return (s.window ? table[middle + q.place - k.place] : 0) - (q.part == k.part ? 0 : 100 * LOG2E);
}

/* table (in shared memory) = the head's column of the parameter. */
__device__ static inline void load_table(const AttentionShape &s, float *table, const float *param, int head)
{
    for (int64_t i = threadIdx.x; i < s.table_rows(); i += blockDim.x) table[i] = param[i * s.heads + head] * LOG2E;
}

/* ---- rows in registers, and tiles of columns in shared memory ---- */

/* The channels of a lane: fours, in turns, so that the S lanes of a row read neighbouring fours of a tile. */
template <int D, int S> struct Lane {
    static constexpr int channels = D * S, threads = ATTENTION_ROWS * S;
    static __device__ __forceinline__ int row() { return (int)threadIdx.x / S; }
    static __device__ __forceinline__ int lane() { return (int)threadIdx.x % S; }
    static __device__ __forceinline__ int channel(int i) { return (i / 4 * S + lane()) * 4 + i % 4; }

    static __device__ __forceinline__ float dot(const float *mine, const float *column)
    {
        float sum = 0;
#pragma unroll
        for (int i = 0; i < D; i += 4) {
            const float4 x = ((const float4 *)column)[i / 4 * S + lane()];
            sum += mine[i] * x.x + mine[i + 1] * x.y + mine[i + 2] * x.z + mine[i + 3] * x.w;
        }
#pragma unroll
        for (int bit = 1; bit < S; bit *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bit);
        return sum;
    }

    /* sum += factor · column */
    static __device__ __forceinline__ void add(float *sum, float factor, const float *column)
    {
#pragma unroll
        for (int i = 0; i < D; i += 4) {
            const float4 x = ((const float4 *)column)[i / 4 * S + lane()];
            sum[i] += factor * x.x;
            sum[i + 1] += factor * x.y;
            sum[i + 2] += factor * x.z;
            sum[i + 3] += factor * x.w;
        }
    }
};

/* A channel of a head; c: in the head. */
template <class T>
__device__ __forceinline__ float part_at(const AttentionShape &s, const AttentionPart<T> &p, int head, int64_t pixel,
                                         int c)
{
    if (c >= s.channels) return 0;
    const int at = head * s.channels + c;
    return (pixel < 0 ? 0 : gpu_get(p.data + pixel * p.pitch + at)) + (p.bias ? p.bias[at] : 0);
}

template <int D, int S, class T>
__device__ __forceinline__ void load_row(float *mine, const AttentionShape &s, const AttentionPart<T> &p, int head,
                                         int64_t pixel, float factor)
{
#pragma unroll
    for (int i = 0; i < D; i++) mine[i] = part_at(s, p, head, pixel, Lane<D, S>::channel(i)) * factor;
}

template <int D, int S, class T>
__device__ __forceinline__ void give_row(const float *mine, const AttentionShape &s, const AttentionPart<T> &p,
                                         int head, int64_t pixel, float factor, bool add)
{
    if (pixel < 0 || !p.data) return;
#pragma unroll
    for (int i = 0; i < D; i++) {
        const int c = Lane<D, S>::channel(i);
        if (c < s.channels)
            gpu_give(p.data + pixel * p.pitch + head * s.channels + c, Lanes<1>{{mine[i] * factor}}, add);
    }
}

/* The tokens from `first` on of a window; those behind the last are padding. */
__device__ static inline void load_tokens(Token *tokens, const AttentionShape &s, int64_t window, int64_t first)
{
    for (int j = threadIdx.x; j < ATTENTION_COLUMNS; j += blockDim.x) {
        const Token token = token_of(s, window, first + j);
        tokens[j] = token;
    }
}

template <int D, int S, class T>
__device__ __forceinline__ void load_tile(float *tile, const AttentionShape &s, const AttentionPart<T> &p, int head,
                                          const Token *tokens, float factor)
{
    typedef Lane<D, S> L;
    for (int i = threadIdx.x; i < ATTENTION_COLUMNS * L::channels; i += L::threads)
        tile[i] = part_at(s, p, head, tokens[i / L::channels].pixel, i % L::channels) * factor;
}

__device__ __forceinline__ float query_scale(const AttentionShape &s) { return LOG2E / sqrtf((float)s.channels); }

#endif
