/* The forward pass of attention on a GPU (attention_gpu.h). */
#include "network/ops/attention_gpu.h"

namespace
{
const int GROUP = 8; /* keys whose powers are taken relative to one maximum */

/* A query's largest score, the sum of the powers of 2 so far, and with them the values. */
template <int D> struct Running {
    float most, total, sum[D];
};

template <int D, int S>
__device__ __forceinline__ void attend_group(Running<D> *r, const AttentionShape &s, const float *q, const Token &mine,
                                             const float *table, const float *k, const float *v, const Token *tokens,
                                             int left)
{
    typedef Lane<D, S> L;
    float score[GROUP], most = r->most;
#pragma unroll
    for (int j = 0; j < GROUP; j++) {
        score[j] = L::dot(q, k + j * L::channels) + score_bias(s, table, mine, tokens[j]);
        if (j >= left) score[j] = -1e9f;
        most = fmaxf(most, score[j]);
    }
    const float scale = gpu_exp2(r->most - most);
    r->total *= scale;
#pragma unroll
    for (int i = 0; i < D; i++) r->sum[i] *= scale;
#pragma unroll
    for (int j = 0; j < GROUP; j++) {
        const float power = gpu_exp2(score[j] - most);
        r->total += power;
        L::add(r->sum, power, v + j * L::channels);
    }
    r->most = most;
}

template <int D, int S, class T>
__global__ void __launch_bounds__(Lane<D, S>::threads) attend(const AttentionForward<T> f)
{
    typedef Lane<D, S> L;
    SHARED(float, k, ATTENTION_COLUMNS *L::channels);
    SHARED(float, v, ATTENTION_COLUMNS *L::channels);
    SHARED(Token, tokens, ATTENTION_COLUMNS);
    SHARED_DYNAMIC(float, table);
    const AttentionShape &s = f.s;
    const int head = (int)blockIdx.y;
    const int64_t window = blockIdx.x / s.blocks(), query = blockIdx.x % s.blocks() * ATTENTION_ROWS + L::row();
    const Token mine = token_of(s, window, query);
    float q[D];
    Running<D> r = {-1e30f, 0, {}};
    load_table(s, table, f.table, head);
    load_row<D, S>(q, s, f.q, head, mine.pixel, query_scale(s));
    for (int64_t first = 0; first < s.grid.tokens; first += ATTENTION_COLUMNS) {
        const int64_t left = s.grid.tokens - first;
        __syncthreads();
        load_tokens(tokens, s, window, first);
        __syncthreads();
        load_tile<D, S>(k, s, f.k, head, tokens, 1);
        load_tile<D, S>(v, s, f.v, head, tokens, 1);
        __syncthreads();
        for (int j = 0; j < ATTENTION_COLUMNS && j < left; j += GROUP)
            attend_group<D, S>(&r, s, q, mine, table, k + j * L::channels, v + j * L::channels, tokens + j,
                               (int)left - j);
    }
    if (f.logs && L::lane() == 0 && query < s.grid.tokens)
        f.logs[s.row(window, head) + query] = r.most + log2f(r.total);
    give_row<D, S>(r.sum, s, f.y, head, mine.pixel, 1 / r.total, false);
}

template <class T> struct Launch {
    const AttentionForward<T> &f;
    template <int D, int S> void run() const
    {
        const dim3 grid((unsigned)(f.s.grid.count * f.s.blocks()), (unsigned)f.s.heads);
        LAUNCH((attend<D, S, T>), grid, (Lane<D, S>::threads), (size_t)f.s.table_rows() * sizeof(float), f);
    }
};
} // namespace

template <class T> void attention_forward_launch(const AttentionForward<T> &f)
{
    attention_by_channels(f.s.channels, Launch<T>{f});
}

template void attention_forward_launch(const AttentionForward<float> &);
template void attention_forward_launch(const AttentionForward<bf16> &);
