/* Parameters: the numbers of a graph's parameters, one flat fp32 arena in forward order.
 *
 * Executors of one graph share its Parameters: they read the values and notice a change by `version`. All of these
 * executors are on one device, that of the first. The values are on the host too: initialisation, import and
 * checkpoints work there. Whoever reads them there calls parameters_to_host before, and whoever writes them there
 * calls parameters_changed when done (not while an executor runs).
 * Owner: who made it, with parameters_free; the graph must outlive it. */
#ifndef NETWORK_EXECUTOR_PARAMETERS_H
#define NETWORK_EXECUTOR_PARAMETERS_H

#include <stdint.h>

#include "base/error.h"
#include "network/device/mirror.h"
#include "network/graph/graph.h"

typedef struct Parameters {
    const Graph *graph;
    float *values;       /* on the host: graph_parameter_elements(graph); the mirror's */
    Mirror mirror;
    uint64_t version;    /* from 1: an executor that has seen none stands at 0 */
} Parameters;

int parameters_new(Parameters **p, const Graph *g, Err *e);    /* all zero */
void parameters_free(Parameters *p);

/* Fills every parameter as its layer's official code does, from the seed: a function of (seed, index of
 * the parameter), whatever the number of threads. */
void parameters_initialize(Parameters *p, uint64_t seed);

float *parameters_of(Parameters *p, int index);    /* the index-th parameter's values on the host */
void parameters_changed(Parameters *p);            /* on the host */
int parameters_to_host(Parameters *p, Err *e);     /* brings the host's values up to date; fails as the device does */

/* For executors and optimizers. parameters_place fails: ERR_NOMEM; ERR_UNSUPPORTED where they are on another device. */
int parameters_place(Parameters *p, const Device *device, Err *e);
int parameters_to_device(Parameters *p, Err *e);
float *parameters_on_device(const Parameters *p, int index);
void parameters_changed_on_device(Parameters *p);

#endif
