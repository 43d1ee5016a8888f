/* Parameters: the numbers of a graph's parameters, one flat fp32 arena in forward order.
 *
 * Executors of one graph share its Parameters: they read the values and notice a change by `version`.
 * Owner: who made it, with parameters_free; the graph must outlive it. Whoever writes values calls
 * parameters_changed when done (not while an executor runs). */
#ifndef NETWORK_EXECUTOR_PARAMETERS_H
#define NETWORK_EXECUTOR_PARAMETERS_H

#include <stdint.h>

#include "base/error.h"
#include "network/graph/graph.h"

typedef struct Parameters {
    const Graph *graph;
    float *values;       /* graph_parameter_elements(graph) */
    uint64_t version; /* from 1: an executor that has seen none stands at 0 */
} Parameters;

int parameters_new(Parameters **p, const Graph *g, Err *e);    /* all zero */
void parameters_free(Parameters *p);

/* Fills every parameter as its layer's official code does, from the seed: a function of (seed, index of
 * the parameter), whatever the number of threads. */
void parameters_initialize(Parameters *p, uint64_t seed);

float *parameters_of(Parameters *p, int index);                /* the index-th parameter's values */
void parameters_changed(Parameters *p);

#endif
