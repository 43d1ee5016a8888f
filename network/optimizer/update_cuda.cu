/* A step of the optimizer on a GPU: the norm of the gradients by pieces, in the order of the pieces; then a block for each piece.
 * Nothing waits for the host. update_cpu.c has the rules. */
#include "network/cuda/gpu.h"

extern "C" {
#include "network/optimizer/update.h"
}

namespace
{
const int THREADS = 256;

__global__ void __launch_bounds__(THREADS) sum_squares(Update u)
{
    SHARED(double, part, THREADS);
    const UpdatePiece piece = u.pieces[blockIdx.x];
    double sum = 0;
    for (int64_t i = threadIdx.x; i < piece.count; i += THREADS)
        sum += (double)piece.gradients[i] * (double)piece.gradients[i];
    part[threadIdx.x] = sum;
    for (unsigned half = THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    if (threadIdx.x == 0) u.squares[blockIdx.x] = part[0];
}

/* One block: the norm and the factor that clips it, and the counts of steps, unless a norm or loss is not finite. */
__global__ void __launch_bounds__(THREADS) start_step(Update u)
{
    SHARED(bool, stopped, 1);
    StepBlock *b = u.block;
    if (threadIdx.x == 0) {
        double total = 0;
        for (int64_t i = 0; i < u.piece_count; i++) total += u.squares[i];
        const double norm = sqrt(total), most = u.clip_norm / (norm + 1e-6);
        b->norm = norm;
        b->clip = u.clip_norm > 0 && most < 1 ? most : 1;
        if (!isfinite(norm) || (u.loss && !isfinite(*u.loss))) b->stopped = true;
        stopped[0] = b->stopped;
    }
    __syncthreads();
    if (stopped[0]) return;
    for (int64_t i = threadIdx.x; i < u.piece_count; i += THREADS) {
        const int param = u.pieces[i].param;
        if (i == 0 || param != u.pieces[i - 1].param) b->counts[param]++;
    }
}

/* decay: as in apply_moments of update_cpu.c. */
struct Moments {
    bool in_gradient; /* Adam: weight decay is part of the gradient */
    __device__ void apply(const Update &u, const UpdatePiece &piece) const
    {
        const AdamW &a = u.adamw;
        const double rate = u.learning_rate, t = (double)u.block->counts[piece.param];
        const float beta1 = (float)a.beta1, rest1 = (float)(1 - a.beta1);
        const float beta2 = (float)a.beta2, rest2 = (float)(1 - a.beta2), epsilon = (float)a.epsilon;
        const float step = (float)(rate / (1 - pow(a.beta1, t))), root = (float)(1 / sqrt(1 - pow(a.beta2, t)));
        const float scale = (float)u.block->clip, l2 = in_gradient ? (float)a.weight_decay : 0;
        const float decay = in_gradient ? 0 : (float)(rate * a.weight_decay);
        for (int64_t i = threadIdx.x; i < piece.count; i += THREADS) {
            const float p = piece.values[i], g = piece.gradients[i] * scale + l2 * p;
            const float m = piece.moments[0][i] = beta1 * piece.moments[0][i] + rest1 * g;
            const float v = piece.moments[1][i] = beta2 * piece.moments[1][i] + rest2 * g * g;
            piece.values[i] = p - (decay * p + step * m / (sqrtf(v) * root + epsilon));
        }
    }
};

struct Nesterov {
    __device__ void apply(const Update &u, const UpdatePiece &piece) const
    {
        const float momentum = (float)u.sgd.momentum, decay = (float)u.sgd.weight_decay;
        const float step = (float)u.learning_rate, scale = (float)u.block->clip;
        for (int64_t i = threadIdx.x; i < piece.count; i += THREADS) {
            const float p = piece.values[i], g = piece.gradients[i] * scale + decay * p;
            const float m = piece.moments[0][i] = momentum * piece.moments[0][i] + g;
            piece.values[i] = p - step * (g + momentum * m);
        }
    }
};

/* Each thread reads only values that it has written itself. */
__device__ void average(const Update &u, const UpdatePiece &piece)
{
    const float weight = average_weight(u.average_decay, u.block->counts[piece.param]);
    for (int64_t i = threadIdx.x; i < piece.count; i += THREADS)
        piece.average[i] += weight * (piece.values[i] - piece.average[i]);
}

template <class Rule> __global__ void __launch_bounds__(THREADS) apply_rule(Update u, Rule rule)
{
    const UpdatePiece piece = u.pieces[blockIdx.x];
    if (u.block->stopped) return;
    rule.apply(u, piece);
    if (piece.average) average(u, piece);
}

template <class Rule> int step(const Update *u, const Rule &rule)
{
    LAUNCH(sum_squares, (unsigned)u->piece_count, THREADS, 0, *u);
    LAUNCH(start_step, 1, THREADS, 0, *u);
    LAUNCH((apply_rule<Rule>), (unsigned)u->piece_count, THREADS, 0, *u, rule);
    return 0;
}
} // namespace

int update_adamw_cuda(const Update *u, Err *) { return step(u, Moments{false}); }
int update_adam_cuda(const Update *u, Err *) { return step(u, Moments{true}); }
int update_sgd_cuda(const Update *u, Err *) { return step(u, Nesterov{}); }
