#include "network/optimizer.h"

#include <math.h>

#include "base/memory.h"

enum { PIECE = 16384 };

/* A stretch of one parameter: what one thread works on at a time. */
typedef struct Piece {
    int param;
    int64_t start, count;
} Piece;

struct Optimizer {
    Parameters *parameters;
    AdamW adamw;
    const Gradients *gradients; /* adopted; borrowed */
    OptimizerState *states;     /* one per parameter */
    float **slabs;              /* moments, one slab for all states that came at one time */
    int slab_count;
    Piece *pieces;   /* of the adopted gradients */
    double *squares; /* likewise: Σ g² */
    int64_t piece_count;
};

int optimizer_new(Optimizer **result, Parameters *parameters, const AdamW *adamw, Err *e)
{
    Optimizer *o = *result = mem_zalloc(1, sizeof *o, e);
    if (!o) return ERR_NOMEM;
    o->parameters = parameters;
    o->adamw = *adamw;
    o->states = mem_zalloc((size_t)graph_param_count(parameters->graph), sizeof *o->states, e);
    if (o->states) return 0;
    optimizer_free(o);
    *result = NULL;
    return ERR_NOMEM;
}

void optimizer_free(Optimizer *o)
{
    if (!o) return;
    for (int i = 0; i < o->slab_count; i++) mem_free(o->slabs[i]);
    mem_free(o->slabs);
    mem_free(o->states);
    mem_free(o->pieces);
    mem_free(o->squares);
    mem_free(o);
}

OptimizerState *optimizer_state(Optimizer *o, int index) { return &o->states[index]; }

int optimizer_reserve(Optimizer *o, const bool *marked, Err *e)
{
    const Param *params = graph_params(o->parameters->graph);
    const int count = graph_param_count(o->parameters->graph);
    int64_t elements = 0;
    for (int i = 0; i < count; i++)
        if (marked[i] && !o->states[i].exp_avg) elements += params[i].count;
    if (!elements) return 0;
    const size_t slabs = (size_t)o->slab_count * sizeof *o->slabs;
    TRY(mem_grow((void **)&o->slabs, slabs, slabs + sizeof *o->slabs, e));
    float *slab = mem_zalloc(2 * (size_t)elements, sizeof *slab, e);
    if (!slab) return ERR_NOMEM;
    o->slabs[o->slab_count++] = slab;
    for (int i = 0; i < count; i++) {
        if (!marked[i] || o->states[i].exp_avg) continue;
        o->states[i] = (OptimizerState){.exp_avg = slab, .exp_avg_sq = slab + elements};
        slab += params[i].count;
    }
    return 0;
}

/* ---- the adopted gradients, cut into pieces ---- */

static int64_t pieces_of(const Param *p, const Gradients *g, int index)
{
    return g->offset[index] < 0 ? 0 : (p->count + PIECE - 1) / PIECE;
}

static void cut_pieces(Optimizer *o, const Gradients *g)
{
    const Param *params = graph_params(o->parameters->graph);
    Piece *piece = o->pieces;
    for (int i = 0; i < graph_param_count(o->parameters->graph); i++) {
        for (int64_t k = 0; k < pieces_of(&params[i], g, i); k++) {
            const int64_t left = params[i].count - k * PIECE;
            *piece++ = (Piece){i, k * PIECE, left < PIECE ? left : PIECE};
        }
    }
    o->piece_count = piece - o->pieces;
}

static int reserve_gradients(Optimizer *o, const Gradients *g, Err *e)
{
    const int count = graph_param_count(o->parameters->graph);
    bool *marked = mem_zalloc((size_t)count, sizeof *marked, e);
    if (!marked) return ERR_NOMEM;
    for (int i = 0; i < count; i++) marked[i] = g->offset[i] >= 0;
    const int failed = optimizer_reserve(o, marked, e);
    mem_free(marked);
    return failed;
}

int optimizer_adopt(Optimizer *o, const Gradients *gradients, Err *e)
{
    const Param *params = graph_params(o->parameters->graph);
    size_t count = 0;
    for (int i = 0; i < graph_param_count(o->parameters->graph); i++)
        count += (size_t)pieces_of(&params[i], gradients, i);
    Piece *pieces = mem_zalloc(count, sizeof *pieces, e);
    double *squares = mem_zalloc(count, sizeof *squares, e);
    if (!pieces || !squares || reserve_gradients(o, gradients, e)) {
        mem_free(pieces);
        mem_free(squares);
        return ERR_NOMEM;
    }
    mem_free(o->pieces);
    mem_free(o->squares);
    o->pieces = pieces;
    o->squares = squares;
    o->gradients = gradients;
    cut_pieces(o, gradients);
    return 0;
}

/* ---- a step ---- */

static const float *gradient_of(const Optimizer *o, const Piece *p)
{
    return o->gradients->values + o->gradients->offset[p->param] + p->start;
}

/* The L2 norm of all gradients; the pieces' sums are added in their order. */
static double global_norm(const Optimizer *o)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < o->piece_count; i++) {
        const float *g = gradient_of(o, &o->pieces[i]);
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < o->pieces[i].count; k++) sum += (double)g[k] * (double)g[k];
        o->squares[i] = sum;
    }
    double total = 0;
    for (int64_t i = 0; i < o->piece_count; i++) total += o->squares[i];
    return sqrt(total);
}

/* Decay and step are one subtraction: 1 - rate · decay would lose most of its digits in a float. */
static void update_piece(const Optimizer *o, const Piece *piece, double rate, double clip)
{
    const AdamW *a = &o->adamw;
    const OptimizerState *s = &o->states[piece->param];
    const double t = (double)s->step;
    const float beta1 = (float)a->beta1, rest1 = (float)(1 - a->beta1);
    const float beta2 = (float)a->beta2, rest2 = (float)(1 - a->beta2), epsilon = (float)a->epsilon;
    const float step = (float)(rate / (1 - pow(a->beta1, t))),
                root = (float)(1 / sqrt(1 - pow(a->beta2, t)));
    const float decay = (float)(rate * a->weight_decay), scale = (float)clip;
    const float *g = gradient_of(o, piece);
    float *m = s->exp_avg + piece->start, *v = s->exp_avg_sq + piece->start;
    float *p = parameters_of(o->parameters, piece->param) + piece->start;
#pragma omp simd
    for (int64_t i = 0; i < piece->count; i++) {
        const float gi = g[i] * scale;
        m[i] = beta1 * m[i] + rest1 * gi;
        v[i] = beta2 * v[i] + rest2 * gi * gi;
        p[i] -= decay * p[i] + step * m[i] / (sqrtf(v[i]) * root + epsilon);
    }
}

double optimizer_step(Optimizer *o, double learning_rate)
{
    const double norm = global_norm(o), most = o->adamw.clip_norm / (norm + 1e-6);
    const double clip = o->adamw.clip_norm > 0 && most < 1 ? most : 1;
    if (!isfinite(norm)) return norm;
    for (int i = 0; i < graph_param_count(o->parameters->graph); i++)
        if (o->gradients->offset[i] >= 0) o->states[i].step++;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < o->piece_count; i++) update_piece(o, &o->pieces[i], learning_rate, clip);
    parameters_changed(o->parameters);
    return norm;
}
