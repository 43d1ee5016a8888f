/* The backward pass of attention on a GPU (attention_gpu.h): first dq and D, with a query in a row, then dk and dv, with a key
 * in a row. Both compute the softmax again from the saved logarithms. */
#include "network/ops/attention_gpu.h"

namespace
{
const float LN2 = 0.693147182f;

/* The softmax of a query and key. Rounding may put a score above its logarithm. */
__device__ __forceinline__ float softmax_of(float score, float log) { return gpu_exp2(fminf(score - log, 0)); }

/* The channels' sums over the rows of a block, over its windows; of channel c in thread c. */
template <int D, int S> struct ColumnSums {
    double sum;

    /* rows: (ATTENTION_ROWS, channels) in shared memory */
    __device__ __forceinline__ void add(float *rows, const float *mine, float factor)
    {
        typedef Lane<D, S> L;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < D; i++) rows[L::row() * L::channels + L::channel(i)] = mine[i] * factor;
        __syncthreads();
        for (int i = 0; threadIdx.x < L::channels && i < ATTENTION_ROWS; i++)
            sum += (double)rows[i * L::channels + threadIdx.x];
    }

    template <class T> __device__ __forceinline__ void give(const AttentionBackward<T> &b, int part, int head) const
    {
        const AttentionShape &s = b.s;
        float *const row = b.sums + blockIdx.x * b.sums_row + s.table_rows() * s.heads;
        if ((int)threadIdx.x < s.channels) row[(part * s.heads + head) * s.channels + threadIdx.x] = (float)sum;
    }
};

/* ---- the gradient of q ---- */

/* A key for all queries of the block: the table's row differs from query to query, so that each is added to by one thread. */
template <int D, int S>
__device__ __forceinline__ void fold_slope(const AttentionShape &s, float *dtable, float ds, const Token &q,
                                           const Token &k, bool counts)
{
    const int middle = (int)(2 * s.window * (s.window - 1));
    if (counts && Lane<D, S>::lane() == 0) dtable[middle + q.place - k.place] += ds;
    __syncthreads();
}

template <int D, int S, class T>
__global__ void __launch_bounds__(Lane<D, S>::threads) differentiate_queries(const AttentionBackward<T> b)
{
    typedef Lane<D, S> L;
    SHARED(float, tiles, 2 * ATTENTION_COLUMNS * L::channels);
    SHARED(Token, tokens, ATTENTION_COLUMNS);
    SHARED_DYNAMIC(float, table);
    const AttentionShape &s = b.s;
    float *const k = tiles, *const v = tiles + ATTENTION_COLUMNS * L::channels, *const dtable = table + s.table_rows();
    const int head = (int)blockIdx.y;
    const int64_t piece = blockIdx.x / s.blocks(), query = blockIdx.x % s.blocks() * ATTENTION_ROWS + L::row();
    const int64_t end =
        (piece + 1) * s.windows_of_piece() < s.grid.count ? (piece + 1) * s.windows_of_piece() : s.grid.count;
    const bool counts = query < s.grid.tokens;
    ColumnSums<D, S> bias = {0};
    load_table(s, table, b.table, head);
    for (int64_t i = threadIdx.x; i < s.table_rows(); i += L::threads) dtable[i] = 0;
    for (int64_t window = piece * s.windows_of_piece(); window < end; window++) {
        const Token mine = token_of(s, window, query);
        const int64_t at = s.row(window, head) + query;
        float q[D], dy[D], dq[D];
        load_row<D, S>(q, s, b.q, head, mine.pixel, query_scale(s));
        load_row<D, S>(dq, s, b.y, head, mine.pixel, 1);
        load_row<D, S>(dy, s, b.dy, head, mine.pixel, 1);
        float share = 0;
#pragma unroll
        for (int i = 0; i < D; i++) share += dy[i] * dq[i], dq[i] = 0;
#pragma unroll
        for (int bit = 1; bit < S; bit *= 2) share += __shfl_xor_sync(0xffffffffu, share, bit);
        const float log = counts ? b.logs[at] : 0;
        if (counts && L::lane() == 0) b.shares[at] = share;
        for (int64_t first = 0; first < s.grid.tokens; first += ATTENTION_COLUMNS) {
            __syncthreads();
            load_tokens(tokens, s, window, first);
            __syncthreads();
            load_tile<D, S>(k, s, b.k, head, tokens, 1);
            load_tile<D, S>(v, s, b.v, head, tokens, 1);
            __syncthreads();
            for (int j = 0; j < ATTENTION_COLUMNS && first + j < s.grid.tokens; j++) {
                const float *const column = k + j * L::channels;
                const float p = softmax_of(L::dot(q, column) + score_bias(s, table, mine, tokens[j]), log);
                const float ds = p * (L::dot(dy, v + j * L::channels) - share);
                L::add(dq, ds, column);
                if (s.window) fold_slope<D, S>(s, dtable, ds, mine, tokens[j], counts);
            }
        }
        give_row<D, S>(dq, s, b.dq, head, mine.pixel, query_scale(s) * LN2, b.add_q);
        if (b.q.bias) bias.add(tiles, dq, query_scale(s) * LN2);
    }
    if (b.q.bias) bias.give(b, PART_Q, head);
    for (int64_t i = threadIdx.x; i < s.table_rows(); i += L::threads)
        b.sums[blockIdx.x * b.sums_row + i * s.heads + head] = dtable[i];
}

/* ---- the gradients of k and v ---- */

template <int D, int S, class T>
__global__ void __launch_bounds__(Lane<D, S>::threads) differentiate_keys(const AttentionBackward<T> b)
{
    typedef Lane<D, S> L;
    SHARED(float, tiles, 2 * ATTENTION_COLUMNS * L::channels);
    SHARED(Token, tokens, ATTENTION_COLUMNS);
    SHARED(float, logs, ATTENTION_COLUMNS);
    SHARED(float, shares, ATTENTION_COLUMNS);
    SHARED_DYNAMIC(float, table);
    const AttentionShape &s = b.s;
    float *const q = tiles, *const dy = tiles + ATTENTION_COLUMNS * L::channels;
    const int head = (int)blockIdx.y;
    const int64_t piece = blockIdx.x / s.blocks(), key = blockIdx.x % s.blocks() * ATTENTION_ROWS + L::row();
    const int64_t end =
        (piece + 1) * s.windows_of_piece() < s.grid.count ? (piece + 1) * s.windows_of_piece() : s.grid.count;
    const float counts = key < s.grid.tokens;
    ColumnSums<D, S> bias_k = {0}, bias_v = {0};
    load_table(s, table, b.table, head);
    for (int64_t window = piece * s.windows_of_piece(); window < end; window++) {
        const Token mine = token_of(s, window, key);
        float k[D], v[D], dk[D] = {}, dv[D] = {};
        load_row<D, S>(k, s, b.k, head, mine.pixel, 1);
        load_row<D, S>(v, s, b.v, head, mine.pixel, 1);
        for (int64_t first = 0; first < s.grid.tokens; first += ATTENTION_COLUMNS) {
            __syncthreads();
            load_tokens(tokens, s, window, first);
            for (int i = threadIdx.x; i < ATTENTION_COLUMNS && first + i < s.grid.tokens; i += L::threads) {
                logs[i] = b.logs[s.row(window, head) + first + i];
                shares[i] = b.shares[s.row(window, head) + first + i];
            }
            __syncthreads();
            load_tile<D, S>(q, s, b.q, head, tokens, query_scale(s));
            load_tile<D, S>(dy, s, b.dy, head, tokens, 1);
            __syncthreads();
            for (int i = 0; i < ATTENTION_COLUMNS && first + i < s.grid.tokens; i++) {
                const float *const query = q + i * L::channels, *const slope = dy + i * L::channels;
                const float p = softmax_of(L::dot(k, query) + score_bias(s, table, tokens[i], mine), logs[i]);
                const float ds = p * (L::dot(v, slope) - shares[i]);
                L::add(dk, ds, query);
                L::add(dv, p, slope);
            }
        }
        give_row<D, S>(dk, s, b.dk, head, mine.pixel, LN2, b.add_kv);
        give_row<D, S>(dv, s, b.dv, head, mine.pixel, 1, b.add_kv);
        if (b.k.bias) bias_k.add(tiles, dk, counts * LN2);
        if (b.v.bias) bias_v.add(tiles, dv, counts);
    }
    if (b.k.bias) bias_k.give(b, PART_K, head);
    if (b.v.bias) bias_v.give(b, PART_V, head);
}

template <class T> struct Launch {
    const AttentionBackward<T> &b;
    template <int D, int S> void run() const
    {
        const AttentionShape &s = b.s;
        const dim3 grid((unsigned)(s.pieces * s.blocks()), (unsigned)s.heads);
        const size_t table = (size_t)s.table_rows() * sizeof(float);
        LAUNCH((differentiate_queries<D, S, T>), grid, (Lane<D, S>::threads), 2 * table, b);
        LAUNCH((differentiate_keys<D, S, T>), grid, (Lane<D, S>::threads), table, b);
    }
};
} // namespace

template <class T> void attention_backward_launch(const AttentionBackward<T> &b)
{
    attention_by_channels(b.s.channels, Launch<T>{b});
}

template void attention_backward_launch(const AttentionBackward<float> &);
template void attention_backward_launch(const AttentionBackward<bf16> &);
