/* Parameters: the values of a graph's parameters, one flat float32 array in forward order.
 *
 * Executors of one graph share its Parameters: they read the values and detect changes by `version`. All of these
 * executors must be on the same device. The values are also kept on the host, for initialisation, import and
 * checkpoints. Call parameters_to_host before reading them there, and parameters_changed after writing them there (not
 * while an executor runs).
 * Owned by the caller of parameters_new, who frees it with parameters_free. The graph must outlive it. */
#ifndef NETWORK_EXECUTOR_PARAMETERS_H
#define NETWORK_EXECUTOR_PARAMETERS_H

#include <stdint.h>

#include "base/error.h"
#include "network/device/mirror.h"
#include "network/graph/graph.h"

typedef struct Parameters {
    const Graph *graph;
    float *values; /* on the host: graph_parameter_elements(graph) values; owned by the mirror */
    Mirror mirror;
    uint64_t version; /* increases with every change; starts at 1: 0 in an executor means that it has not read any */
} Parameters;

int parameters_new(Parameters **p, const Graph *g, Err *e); /* all zero */
void parameters_free(Parameters *p);

/* Initialises every parameter as the official code does. The values depend only on the seed and the parameter's index,
 * not on the number of threads. */
void parameters_initialize(Parameters *p, uint64_t seed);

float *parameters_of(Parameters *p, int index); /* the index-th parameter's values on the host */
void parameters_changed(Parameters *p);         /* call after writing values on the host */
int parameters_to_host(Parameters *p, Err *e);  /* updates the values on the host; fails as the device's copy */

/* For executors and optimizers. parameters_place allocates the values on the device. Fails: ERR_NOMEM; ERR_UNSUPPORTED
 * if they are on another device. */
int parameters_place(Parameters *p, const Device *device, Err *e);
int parameters_to_device(Parameters *p, Err *e);
float *parameters_on_device(const Parameters *p, int index);
void parameters_changed_on_device(Parameters *p);

#endif
