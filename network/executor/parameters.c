#include "network/executor/parameters.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

int parameters_new_from(Parameters **p, const Graph *g, ParameterSource source, Err *e)
{
    *p = mem_zalloc(1, sizeof **p, e);
    if (!*p) return ERR_NOMEM;
    **p = (Parameters){.graph = g, .source = source, .version = 1}; /* executors start with 0: see parameters.h */
    return 0;
}

int parameters_new(Parameters **p, const Graph *g, Err *e)
{
    TRY(parameters_new_from(p, g, (ParameterSource){.read = NULL}, e));
    const int failed = mirror_new(&(*p)->mirror, mem_product((size_t)graph_parameter_span(g), sizeof(float)), e);
    (*p)->values = (*p)->mirror.host;
    if (!failed) return 0;
    parameters_free(*p);
    *p = NULL;
    return failed;
}

void parameters_free(Parameters *p)
{
    if (!p) return;
    mirror_free(&p->mirror);
    mem_free(p);
}

float *parameters_of(Parameters *p, int index)
{
    return p->values ? p->values + graph_params(p->graph)[index].offset : NULL;
}

void parameters_copy(Parameters *to, const Parameters *from)
{
    memcpy(to->values, from->values, (size_t)graph_parameter_span(from->graph) * sizeof(float));
    parameters_changed(to);
}

static int expect_values(const Parameters *p, Err *e)
{
    if (p->values) return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "the parameters are not in memory: expected those of parameters_new, as only "
                   "inference works without");
}

int parameters_to_host(Parameters *p, Err *e)
{
    TRY(expect_values(p, e));
    return mirror_to_host(&p->mirror, e);
}

int parameters_place(Parameters *p, const Device *device, Err *e)
{
    TRY(expect_values(p, e));
    return mirror_place(&p->mirror, device, e);
}

int parameters_to_device(Parameters *p, Err *e) { return mirror_to_device(&p->mirror, e); }

float *parameters_on_device(const Parameters *p, int index)
{
    return (float *)p->mirror.device + graph_params(p->graph)[index].offset;
}

static void changed(Parameters *p, MirrorSide side)
{
    mirror_changed(&p->mirror, side);
    p->version++;
}

void parameters_changed(Parameters *p) { changed(p, MIRROR_HOST); }
void parameters_changed_on_device(Parameters *p) { changed(p, MIRROR_DEVICE); }

static double truncated_normal(Rng *r, double std, double bound)
{
    for (;;) {
        const double value = std * rng_normal(r);
        if (fabs(value) <= bound) return value;
    }
}

/* The inverse of softplus at a random dt (VMamba's dt_init). */
static double dt_bias(Rng *r)
{
    const double dt = fmax(exp(rng_range(r, log(1e-3), log(1e-1))), 1e-4);
    return dt + log(-expm1(-dt));
}

static double initial_value(const Param *q, int64_t i, Rng *r)
{
    const double fan_bound = 1 / sqrt((double)q->fan_in);
    switch (q->init) {
    case INIT_ZERO: return 0;
    case INIT_ONE: return 1;
    case INIT_KAIMING_UNIFORM: return rng_range(r, -fan_bound, fan_bound);
    case INIT_HE_NORMAL: return sqrt(2 / (1 + 1e-4)) * fan_bound * rng_normal(r);
    case INIT_TRUNC_NORMAL: return truncated_normal(r, 0.02, 2);
    case INIT_SSM_A_LOG: return log((double)(i % q->shape[q->rank - 1] + 1));
    case INIT_SSM_DT_WEIGHT: {
        const double bound = 1 / sqrt((double)q->shape[q->rank - 1]);
        return rng_range(r, -bound, bound);
    }
    case INIT_SSM_DT_BIAS: return dt_bias(r);
    }
    return 0;
}

void parameters_draw(const Graph *g, int index, uint64_t seed, float *values)
{
    const Param *q = &graph_params(g)[index];
    Rng r = rng_make(seed, 0, 0, (uint32_t)index, RNG_INIT);
    for (int64_t i = 0; i < q->count; i++) values[i] = (float)initial_value(q, i, &r);
}

void parameters_initialize(Parameters *p, uint64_t seed)
{
    const int count = graph_param_count(p->graph);
#pragma omp parallel for schedule(dynamic)
    for (int k = 0; k < count; k++) parameters_draw(p->graph, k, seed, parameters_of(p, k));
    parameters_changed(p);
}
