/* A step of the optimizer on the CPU. */
#include <math.h>

#include "network/optimizer/update.h"

/* The L2 norm of all gradients. The sums of the pieces are added in a fixed order. */
static double global_norm(const Update *u)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < u->piece_count; i++) {
        const float *g = u->pieces[i].gradients;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < u->pieces[i].count; k++) sum += (double)g[k] * (double)g[k];
        u->squares[i] = sum;
    }
    double total = 0;
    for (int64_t i = 0; i < u->piece_count; i++) total += u->squares[i];
    return sqrt(total);
}

/* decay: subtracted from p at each step; in_gradient: added to the gradient. Weight decay and step are one subtraction:
 * multiplying p by the float32 value of 1 - rate · decay would lose most digits of rate · decay. */
static inline void apply_moments(const Update *u, const UpdatePiece *piece, float decay, float in_gradient)
{
    const AdamW *a = &u->adamw;
    const double rate = u->learning_rate, t = (double)u->block->counts[piece->param];
    const float beta1 = (float)a->beta1, rest1 = (float)(1 - a->beta1);
    const float beta2 = (float)a->beta2, rest2 = (float)(1 - a->beta2), epsilon = (float)a->epsilon;
    const float step = (float)(rate / (1 - pow(a->beta1, t))), root = (float)(1 / sqrt(1 - pow(a->beta2, t)));
    const float scale = (float)u->block->clip;
    const float *g = piece->gradients;
    float *m = piece->moments[0], *v = piece->moments[1], *p = piece->values;
#pragma omp simd
    for (int64_t i = 0; i < piece->count; i++) {
        const float gi = g[i] * scale + in_gradient * p[i];
        m[i] = beta1 * m[i] + rest1 * gi;
        v[i] = beta2 * v[i] + rest2 * gi * gi;
        p[i] -= decay * p[i] + step * m[i] / (sqrtf(v[i]) * root + epsilon);
    }
}

static void apply_adamw(const Update *u, const UpdatePiece *piece)
{
    apply_moments(u, piece, (float)(u->learning_rate * u->adamw.weight_decay), 0);
}

static void apply_adam(const Update *u, const UpdatePiece *piece)
{
    apply_moments(u, piece, 0, (float)u->adamw.weight_decay);
}

static void apply_sgd(const Update *u, const UpdatePiece *piece)
{
    const float momentum = (float)u->sgd.momentum, decay = (float)u->sgd.weight_decay;
    const float step = (float)u->learning_rate, scale = (float)u->block->clip;
    const float *g = piece->gradients;
    float *m = piece->moments[0], *p = piece->values;
#pragma omp simd
    for (int64_t i = 0; i < piece->count; i++) {
        const float gi = g[i] * scale + decay * p[i];
        m[i] = momentum * m[i] + gi;
        p[i] -= step * (gi + momentum * m[i]);
    }
}

static void average(const Update *u, const UpdatePiece *piece)
{
    const float weight = average_weight(u->average_decay, u->block->counts[piece->param]);
    const float *p = piece->values;
    float *mean = piece->average;
#pragma omp simd
    for (int64_t i = 0; i < piece->count; i++) mean[i] += weight * (p[i] - mean[i]);
}

static void count_step(const Update *u)
{
    for (int64_t i = 0; i < u->piece_count; i++)
        if (i == 0 || u->pieces[i].param != u->pieces[i - 1].param) u->block->counts[u->pieces[i].param]++;
}

static int step(const Update *u, void (*apply)(const Update *u, const UpdatePiece *piece))
{
    StepBlock *b = u->block;
    b->norm = global_norm(u);
    if (!isfinite(b->norm) || (u->loss && !isfinite(*u->loss))) b->stopped = true;
    if (b->stopped) return 0;
    const double most = u->clip_norm / (b->norm + 1e-6);
    b->clip = u->clip_norm > 0 && most < 1 ? most : 1;
    count_step(u);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < u->piece_count; i++) {
        apply(u, &u->pieces[i]);
        if (u->pieces[i].average) average(u, &u->pieces[i]);
    }
    return 0;
}

int update_adamw_cpu(const Update *u, Err *e)
{
    (void)e;
    return step(u, apply_adamw);
}

int update_adam_cpu(const Update *u, Err *e)
{
    (void)e;
    return step(u, apply_adam);
}

int update_sgd_cpu(const Update *u, Err *e)
{
    (void)e;
    return step(u, apply_sgd);
}
