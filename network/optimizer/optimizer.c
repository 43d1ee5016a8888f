#include "network/optimizer/optimizer.h"

#include <math.h>

#include "base/memory.h"

enum { PIECE = 16384 };

/* A stretch of one parameter: what one thread works on at a time. */
typedef struct Piece {
    int param;
    int64_t start, count;
} Piece;

/* A kind of optimizer: the names of its moments, and how it updates a piece; rate: of learning, clip: what
 * the gradients are multiplied by. */
typedef struct Rule {
    const char *moments[OPTIMIZER_MOMENTS];
    void (*update)(const Optimizer *o, const Piece *piece, double rate, double clip);
} Rule;

struct Optimizer {
    const Rule *rule;
    AdamW adamw; /* of the rule that it is for */
    SGD sgd;     /* likewise */
    double clip_norm;
    Parameters *parameters;
    const Gradients *gradients; /* adopted; borrowed */
    OptimizerState *states;     /* one per parameter */
    float **slabs;              /* moments, one slab for all states that came at one time */
    int slab_count;
    size_t moment_bytes;        /* in all slabs */
    Piece *pieces;   /* of the adopted gradients */
    double *squares; /* likewise: Σ g² */
    int64_t piece_count;
};

static int new_optimizer(Optimizer **result, Parameters *parameters, const Optimizer *kind, Err *e)
{
    Optimizer *o = *result = mem_alloc(sizeof *o, e);
    if (!o) return ERR_NOMEM;
    *o = *kind;
    o->parameters = parameters;
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
bool optimizer_has_state(const Optimizer *o, int index) { return o->states[index].moments[0]; }
size_t optimizer_bytes(const Optimizer *o) { return o->moment_bytes; }
const char *optimizer_moment_name(const Optimizer *o, int which) { return o->rule->moments[which]; }

int optimizer_reserve(Optimizer *o, const bool *marked, Err *e)
{
    const Param *params = graph_params(o->parameters->graph);
    const int count = graph_param_count(o->parameters->graph);
    int64_t elements = 0;
    int moments = 0;
    while (moments < OPTIMIZER_MOMENTS && o->rule->moments[moments]) moments++;
    for (int i = 0; i < count; i++)
        if (marked[i] && !optimizer_has_state(o, i)) elements += params[i].count;
    if (!elements) return 0;
    const size_t slabs = (size_t)o->slab_count * sizeof *o->slabs;
    TRY(mem_grow((void **)&o->slabs, slabs, slabs + sizeof *o->slabs, e));
    const size_t bytes = (size_t)(moments * elements) * sizeof(float);
    float *slab = mem_zalloc(1, bytes, e);
    if (!slab) return ERR_NOMEM;
    o->slabs[o->slab_count++] = slab;
    o->moment_bytes += bytes;
    for (int i = 0; i < count; i++) {
        if (!marked[i] || optimizer_has_state(o, i)) continue;
        for (int k = 0; k < moments; k++) o->states[i].moments[k] = slab + k * elements;
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
static void update_adamw(const Optimizer *o, const Piece *piece, double rate, double clip)
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
    float *m = s->moments[0] + piece->start, *v = s->moments[1] + piece->start;
    float *p = parameters_of(o->parameters, piece->param) + piece->start;
#pragma omp simd
    for (int64_t i = 0; i < piece->count; i++) {
        const float gi = g[i] * scale;
        m[i] = beta1 * m[i] + rest1 * gi;
        v[i] = beta2 * v[i] + rest2 * gi * gi;
        p[i] -= decay * p[i] + step * m[i] / (sqrtf(v[i]) * root + epsilon);
    }
}

static void update_sgd(const Optimizer *o, const Piece *piece, double rate, double clip)
{
    const float momentum = (float)o->sgd.momentum, decay = (float)o->sgd.weight_decay;
    const float step = (float)rate, scale = (float)clip;
    const float *g = gradient_of(o, piece);
    float *m = o->states[piece->param].moments[0] + piece->start;
    float *p = parameters_of(o->parameters, piece->param) + piece->start;
#pragma omp simd
    for (int64_t i = 0; i < piece->count; i++) {
        const float gi = g[i] * scale + decay * p[i];
        m[i] = momentum * m[i] + gi;
        p[i] -= step * (gi + momentum * m[i]);
    }
}

double optimizer_step(Optimizer *o, double learning_rate)
{
    const double norm = global_norm(o), most = o->clip_norm / (norm + 1e-6);
    const double clip = o->clip_norm > 0 && most < 1 ? most : 1;
    if (!isfinite(norm)) return norm;
    for (int i = 0; i < graph_param_count(o->parameters->graph); i++)
        if (o->gradients->offset[i] >= 0) o->states[i].step++;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < o->piece_count; i++) o->rule->update(o, &o->pieces[i], learning_rate, clip);
    parameters_changed(o->parameters);
    return norm;
}

/* ---- the two kinds ---- */

int optimizer_new_adamw(Optimizer **o, Parameters *parameters, const AdamW *adamw, Err *e)
{
    static const Rule rule = {{"exp_avg", "exp_avg_sq"}, update_adamw};
    const Optimizer kind = {.rule = &rule, .adamw = *adamw, .clip_norm = adamw->clip_norm};
    return new_optimizer(o, parameters, &kind, e);
}

int optimizer_new_sgd(Optimizer **o, Parameters *parameters, const SGD *sgd, Err *e)
{
    static const Rule rule = {{"momentum_buffer"}, update_sgd};
    const Optimizer kind = {.rule = &rule, .sgd = *sgd, .clip_norm = sgd->clip_norm};
    return new_optimizer(o, parameters, &kind, e);
}
