/* Initialisation: every parameter of the networks has the distribution of the official code, for any number of threads.
 * The expected distribution is derived here only from the parameter's name and shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/executor/parameters.h"
#include "network/models/network.h"

typedef struct Net {
    Graph *graph;
    Parameters *parameters;
} Net;

static Net open_net(const char *name, uint64_t seed)
{
    Err e = {0};
    Net n;
    NetworkSpec spec;
    if (network_defaults(&spec, name, &e)) fail_msg("%s", e.text);
    if (network_configure(&spec, "{width: 0.5}", &e)) fail_msg("%s", e.text);
    spec.height = spec.width = 32;
    spec.channels = 3;
    spec.classes = 14;
    if (network_build(&n.graph, &spec, &e)) fail_msg("%s", e.text);
    if (parameters_new(&n.parameters, n.graph, &e)) fail_msg("%s", e.text);
    parameters_initialize(n.parameters, seed);
    return n;
}

static void close_net(Net *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

/* ---- the distributions of the official code ---- */

typedef enum Kind { CONSTANT, UNIFORM, NORMAL, A_LOG, DT_BIAS } Kind;

typedef struct Expected {
    Kind kind;
    double value; /* the constant; U(±value); N(0, value²) */
} Expected;

static bool ends(const char *text, const char *with)
{
    const size_t a = strlen(text), b = strlen(with);
    return a >= b && !strcmp(text + a - b, with);
}

/* The weight of the parameter's layer: itself, or the one that belongs to the bias. */
static const Param *weight_of(const Graph *g, const Param *p)
{
    char name[160];
    if (!ends(p->name, ".bias")) return p;
    snprintf(name, sizeof name, "%.*s.weight", (int)(strlen(p->name) - strlen(".bias")), p->name);
    const int index = graph_find_param(g, name);
    assert_true(index >= 0);
    return &graph_params(g)[index];
}

static Expected expected_of(const Graph *g, bool is_d, const Param *p)
{
    const Param *w = weight_of(g, p);
    const bool bias = w != p, in_encoder = !strncmp(p->name, "vssm_encoder.", 13);
    double fan_in = 1;
    for (int i = 1; i < w->rank; i++) fan_in *= (double)w->shape[i];
    const Expected pytorch = {UNIFORM, 1 / sqrt(fan_in)};
    if (ends(p->name, "A_logs")) return (Expected){A_LOG, 0};
    if (ends(p->name, "Ds")) return (Expected){CONSTANT, 1};
    if (ends(p->name, "dt_projs_bias")) return (Expected){DT_BIAS, 0};
    if (ends(p->name, "dt_projs_weight")) return (Expected){UNIFORM, 1 / sqrt((double)p->shape[2])};
    if (ends(p->name, "x_proj_weight")) return (Expected){UNIFORM, 1 / sqrt((double)p->shape[2])};
    if (w->rank == 1) return (Expected){CONSTANT, bias ? 0 : 1}; /* norms */
    if (w->rank == 2 && in_encoder) return bias ? (Expected){CONSTANT, 0} : (Expected){NORMAL, 0.02};
    if (w->rank == 4 && is_d) /* InitWeights_He(1e-2) */
        return bias ? (Expected){CONSTANT, 0} : (Expected){NORMAL, sqrt(2 / (1 + 1e-4) / fan_in)};
    return pytorch;
}

/* ---- statistics ---- */

typedef struct Statistics {
    double mean, deviation, largest;
} Statistics;

static Statistics statistics_of(const double *x, int64_t count)
{
    Statistics s = {0};
    for (int64_t i = 0; i < count; i++) s.mean += x[i] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        s.deviation += (x[i] - s.mean) * (x[i] - s.mean) / (double)count;
        s.largest = fmax(s.largest, fabs(x[i]));
    }
    s.deviation = sqrt(s.deviation);
    return s;
}

/* Mean and deviation within five standard errors; a kurtosis of 3 is an upper bound for all distributions here. */
static void check_moments(const char *name, const double *x, int64_t count, double mean, double deviation)
{
    const Statistics s = statistics_of(x, count);
    const double error = 5 * deviation / sqrt((double)count);
    if (fabs(s.mean - mean) > error) fail_msg("%s: mean %g, expected %g ± %g", name, s.mean, mean, error);
    if (count >= 100 && fabs(s.deviation - deviation) > error)
        fail_msg("%s: standard deviation %g, expected %g ± %g", name, s.deviation, deviation, error);
}

static void check_uniform(const char *name, const double *x, int64_t count, double bound)
{
    const Statistics s = statistics_of(x, count);
    check_moments(name, x, count, 0, bound / sqrt(3));
    if (s.largest > bound * (1 + 1e-6)) fail_msg("%s: %g is beyond ±%g", name, s.largest, bound);
    if (count >= 1000 && s.largest < 0.98 * bound) fail_msg("%s: nothing above %g of ±%g", name, s.largest, bound);
}

static void check_normal(const char *name, const double *x, int64_t count, double deviation)
{
    int64_t within = 0;
    for (int64_t i = 0; i < count; i++) within += fabs(x[i]) < deviation;
    check_moments(name, x, count, 0, deviation);
    const double share = (double)within / (double)count;
    if (fabs(share - 0.6827) > 2.5 / sqrt((double)count))
        fail_msg("%s: %g of it is within one standard deviation", name, share);
}

/* softplus(bias) is log-uniform between 1e-3 and 1e-1. */
static void check_dt_bias(const char *name, double *x, int64_t count)
{
    const double middle = log(1e-2), half = log(10);
    for (int64_t i = 0; i < count; i++) x[i] = log(log1p(exp(x[i]))) - middle;
    check_uniform(name, x, count, half * (1 + 1e-5));
}

static void check_parameter(const Net *n, bool is_d, int index)
{
    const Param *p = &graph_params(n->graph)[index];
    const Expected expected = expected_of(n->graph, is_d, p);
    const float *values = parameters_of(n->parameters, index);
    double *x = malloc((size_t)p->count * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < p->count; i++) x[i] = values[i];
    if (expected.kind == UNIFORM) check_uniform(p->name, x, p->count, expected.value);
    if (expected.kind == NORMAL) check_normal(p->name, x, p->count, expected.value);
    if (expected.kind == DT_BIAS) check_dt_bias(p->name, x, p->count);
    for (int64_t i = 0; i < p->count; i++) {
        const double wanted = expected.kind == A_LOG ? log((double)(i % p->shape[1] + 1)) : expected.value;
        if (expected.kind == CONSTANT || expected.kind == A_LOG) assert_true(values[i] == (float)wanted);
    }
    free(x);
}

static void check_network(const char *name)
{
    Net n = open_net(name, 12345);
    const bool is_d = !strcmp(name, "swin_umamba_d");
    for (int i = 0; i < graph_param_count(n.graph); i++) check_parameter(&n, is_d, i);
    close_net(&n);
}

static void swin_umamba_starts_as_the_official_one(void **state)
{
    (void)state;
    check_network("swin_umamba");
}

static void swin_umamba_d_starts_as_the_official_one(void **state)
{
    (void)state;
    check_network("swin_umamba_d");
}

/* ---- seeds ---- */

static size_t bytes_of(const Net *n) { return (size_t)graph_parameter_span(n->graph) * sizeof(float); }

static void threads_do_not_matter(void **state)
{
    (void)state;
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    Net one = open_net("swin_umamba_d", 7);
    omp_set_num_threads(2);
    Net two = open_net("swin_umamba_d", 7);
    omp_set_num_threads(threads);
    assert_memory_equal(one.parameters->values, two.parameters->values, bytes_of(&one));
    close_net(&one);
    close_net(&two);
}

static void seeds_and_parameters_differ(void **state)
{
    (void)state;
    Net a = open_net("swin_umamba_d", 7), b = open_net("swin_umamba_d", 8);
    const char *const names[] = {"vssm_encoder.layers.0.blocks.0.self_attention.in_proj.weight",
                                 "vssm_encoder.layers.0.blocks.1.self_attention.in_proj.weight"};
    const float *first[2], *other;
    for (int i = 0; i < 2; i++) first[i] = parameters_of(a.parameters, graph_find_param(a.graph, names[i]));
    other = parameters_of(b.parameters, graph_find_param(b.graph, names[0]));
    int same = 0;
    for (int i = 0; i < 1000; i++) same += first[0][i] == first[1][i] || first[0][i] == other[i];
    assert_true(same < 5);
    close_net(&a);
    close_net(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swin_umamba_starts_as_the_official_one),
        cmocka_unit_test(swin_umamba_d_starts_as_the_official_one),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(seeds_and_parameters_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
