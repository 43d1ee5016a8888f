#include "network/optimizer/optimizer.h"

#include "base/memory.h"
#include "network/optimizer/update.h"

/* A kind of optimizer: the names of its moments, and its update function for each kind of device. */
typedef struct Rule {
    const char *moments[OPTIMIZER_MOMENTS];
    UpdateStep on[DEVICES];
} Rule;

/* Where the moments of a parameter are stored: the slab, and the first element of each moment in it. */
typedef struct MomentPlace {
    bool exists;
    int slab;
    int64_t first[OPTIMIZER_MOMENTS];
} MomentPlace;

struct Optimizer {
    const Rule *rule;
    Parameters *parameters;
    Parameters *average;  /* of their values; NULL: none */
    const Device *device; /* of the adopted gradients; NULL: none yet */
    MomentPlace *places;  /* one per parameter */
    Mirror *slabs;        /* moments; one slab for all parameters that were added in one call */
    int slab_count;
    size_t moment_bytes; /* in all slabs */
    Mirror counts;       /* int64_t, steps so far, one per parameter */
    Mirror block;        /* StepBlock */
    Mirror pieces;       /* UpdatePiece, of the adopted gradients */
    Update update;
};

static int moment_count(const Rule *rule)
{
    int count = 0;
    while (count < OPTIMIZER_MOMENTS && rule->moments[count]) count++;
    return count;
}

static int new_optimizer(Optimizer **result, Parameters *parameters, const Optimizer *kind, Err *e)
{
    const size_t count = (size_t)graph_param_count(parameters->graph);
    Optimizer *o = *result = mem_alloc(sizeof *o, e);
    if (!o) return ERR_NOMEM;
    *o = *kind;
    o->parameters = parameters;
    o->places = mem_zalloc(count, sizeof *o->places, e);
    int failed = o->places ? 0 : ERR_NOMEM;
    if (!failed) failed = mirror_new(&o->counts, count * sizeof(int64_t), e);
    if (!failed) failed = mirror_new(&o->block, sizeof(StepBlock), e);
    if (!failed) return 0;
    optimizer_free(o);
    *result = NULL;
    return failed;
}

void optimizer_free(Optimizer *o)
{
    if (!o) return;
    for (int i = 0; i < o->slab_count; i++) mirror_free(&o->slabs[i]);
    mem_free(o->slabs);
    mem_free(o->places);
    mirror_free(&o->counts);
    mirror_free(&o->block);
    mirror_free(&o->pieces);
    if (o->device) o->device->free(o->device, o->update.squares);
    mem_free(o);
}

bool optimizer_has_state(const Optimizer *o, int index) { return o->places[index].exists; }
size_t optimizer_bytes(const Optimizer *o) { return o->moment_bytes; }
const char *optimizer_moment_name(const Optimizer *o, int which) { return o->rule->moments[which]; }
int64_t *optimizer_steps(const Optimizer *o) { return o->counts.host; }

float *optimizer_moment(const Optimizer *o, int index, int which)
{
    const MomentPlace *place = &o->places[index];
    if (!place->exists || !o->rule->moments[which]) return NULL;
    return (float *)o->slabs[place->slab].host + place->first[which];
}

static float *moment_on_device(const Optimizer *o, int index, int which)
{
    const MomentPlace *place = &o->places[index];
    return o->rule->moments[which] ? (float *)o->slabs[place->slab].device + place->first[which] : NULL;
}

int optimizer_to_host(Optimizer *o, Err *e)
{
    for (int i = 0; i < o->slab_count; i++) TRY(mirror_to_host(&o->slabs[i], e));
    return mirror_to_host(&o->counts, e);
}

static int to_device(Optimizer *o, Err *e)
{
    for (int i = 0; i < o->slab_count; i++) TRY(mirror_to_device(&o->slabs[i], e));
    TRY(mirror_to_device(&o->counts, e));
    TRY(mirror_to_device(&o->block, e));
    if (o->average) TRY(parameters_to_device(o->average, e));
    return parameters_to_device(o->parameters, e);
}

static void changed(Optimizer *o, MirrorSide side)
{
    for (int i = 0; i < o->slab_count; i++) mirror_changed(&o->slabs[i], side);
    mirror_changed(&o->counts, side);
}

void optimizer_changed(Optimizer *o) { changed(o, MIRROR_HOST); }

void optimizer_average(Optimizer *o, Parameters *average, double decay)
{
    o->average = average;
    o->update.average_decay = decay;
}

int optimizer_reserve(Optimizer *o, const bool *marked, Err *e)
{
    const Param *params = graph_params(o->parameters->graph);
    const int count = graph_param_count(o->parameters->graph), moments = moment_count(o->rule);
    int64_t elements = 0, first = 0;
    for (int i = 0; i < count; i++)
        if (marked[i] && !optimizer_has_state(o, i)) elements += params[i].count;
    if (!elements) return 0;
    const size_t slabs = (size_t)o->slab_count * sizeof *o->slabs;
    TRY(mem_grow((void **)&o->slabs, slabs, slabs + sizeof *o->slabs, e));
    const size_t bytes = (size_t)(moments * elements) * sizeof(float);
    TRY(mirror_new(&o->slabs[o->slab_count], bytes, e));
    o->moment_bytes += bytes;
    for (int i = 0; i < count; i++) {
        if (!marked[i] || optimizer_has_state(o, i)) continue;
        o->places[i] = (MomentPlace){.exists = true, .slab = o->slab_count};
        for (int k = 0; k < moments; k++) o->places[i].first[k] = first + k * elements;
        first += params[i].count;
    }
    o->slab_count++;
    return 0;
}

/* ---- the adopted gradients, divided into pieces ---- */

static int64_t pieces_of(const Param *p, const Gradients *g, int index)
{
    return g->offset[index] < 0 ? 0 : (p->count + UPDATE_PIECE - 1) / UPDATE_PIECE;
}

static void cut_pieces(const Optimizer *o, const Gradients *g, UpdatePiece *piece)
{
    const Param *params = graph_params(o->parameters->graph);
    for (int i = 0; i < graph_param_count(o->parameters->graph); i++)
        for (int64_t k = 0; k < pieces_of(&params[i], g, i); k++, piece++) {
            const int64_t first = k * UPDATE_PIECE, left = params[i].count - first;
            *piece = (UpdatePiece){.param = i, .count = left < UPDATE_PIECE ? left : UPDATE_PIECE};
            piece->values = parameters_on_device(o->parameters, i) + first;
            if (o->average) piece->average = parameters_on_device(o->average, i) + first;
            piece->gradients = g->values + g->offset[i] + first;
            for (int m = 0; m < moment_count(o->rule); m++) piece->moments[m] = moment_on_device(o, i, m) + first;
        }
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

/* Allocates everything that a step uses on the gradients' device. */
static int place_on(Optimizer *o, const Device *device, Err *e)
{
    TRY(parameters_place(o->parameters, device, e));
    if (o->average) TRY(parameters_place(o->average, device, e));
    for (int i = 0; i < o->slab_count; i++) TRY(mirror_place(&o->slabs[i], device, e));
    TRY(mirror_place(&o->counts, device, e));
    return mirror_place(&o->block, device, e);
}

int optimizer_adopt(Optimizer *o, const Gradients *gradients, Err *e)
{
    const Param *params = graph_params(o->parameters->graph);
    const Device *device = gradients->device;
    size_t count = 0;
    for (int i = 0; i < graph_param_count(o->parameters->graph); i++)
        count += (size_t)pieces_of(&params[i], gradients, i);
    TRY(reserve_gradients(o, gradients, e));
    TRY(place_on(o, device, e));
    Mirror pieces;
    TRY(mirror_new(&pieces, count * sizeof(UpdatePiece), e));
    cut_pieces(o, gradients, pieces.host);
    double *squares = device->alloc(device, count * sizeof *squares, e);
    int failed = squares ? mirror_place(&pieces, device, e) : ERR_NOMEM;
    if (!failed) failed = mirror_to_device(&pieces, e);
    if (failed) {
        mirror_free(&pieces);
        device->free(device, squares);
        return failed;
    }
    mirror_free(&o->pieces);
    device->free(device, o->update.squares);
    o->device = device;
    o->pieces = pieces;
    o->update.pieces = pieces.device;
    o->update.piece_count = (int64_t)count;
    o->update.squares = squares;
    o->update.block = o->block.device;
    *(StepBlock *)o->block.host = (StepBlock){.counts = o->counts.device};
    mirror_changed(&o->block, MIRROR_HOST);
    return 0;
}

/* ---- a step ---- */

int optimizer_step(Optimizer *o, double learning_rate, const float *loss, Err *e)
{
    const Device *d = o->device;
    if (!o->rule->on[d->kind]) return err_set(e, ERR_UNSUPPORTED, "no optimizer runs on the device %s", d->name);
    o->update.learning_rate = learning_rate;
    o->update.loss = loss;
    TRY(to_device(o, e));
    d->begin(d, "optimizer");
    const int failed = o->rule->on[d->kind](&o->update, e), not_run = d->end(d, failed ? NULL : e);
    changed(o, MIRROR_DEVICE);
    parameters_changed_on_device(o->parameters);
    if (o->average) parameters_changed_on_device(o->average);
    return failed ? failed : not_run;
}

int optimizer_norm(Optimizer *o, double *norm, Err *e)
{
    return o->device->copy(o->device, norm, &o->update.block->norm, sizeof *norm, COPY_TO_HOST, e);
}

/* ---- AdamW, Adam and SGD ---- */

int optimizer_new_adamw(Optimizer **o, Parameters *parameters, const AdamW *adamw, Err *e)
{
    static const Rule rule = {{"exp_avg", "exp_avg_sq"}, {update_adamw_cpu, update_adamw_cuda}};
    const Optimizer kind = {.rule = &rule, .update = {.adamw = *adamw, .clip_norm = adamw->clip_norm}};
    return new_optimizer(o, parameters, &kind, e);
}

int optimizer_new_adam(Optimizer **o, Parameters *parameters, const AdamW *adam, Err *e)
{
    static const Rule rule = {{"exp_avg", "exp_avg_sq"}, {update_adam_cpu, update_adam_cuda}};
    const Optimizer kind = {.rule = &rule, .update = {.adamw = *adam, .clip_norm = adam->clip_norm}};
    return new_optimizer(o, parameters, &kind, e);
}

int optimizer_new_sgd(Optimizer **o, Parameters *parameters, const SGD *sgd, Err *e)
{
    static const Rule rule = {{"momentum_buffer"}, {update_sgd_cpu, update_sgd_cuda}};
    const Optimizer kind = {.rule = &rule, .update = {.sgd = *sgd, .clip_norm = sgd->clip_norm}};
    return new_optimizer(o, parameters, &kind, e);
}
