/* Parameters: the values of a graph's parameters, one flat float32 array in forward order.
 *
 * Executors of one graph share its Parameters: they read the values and detect changes by `version`. All of these
 * executors must be on the same device. The values are also kept on the host, for initialisation, import and
 * checkpoints. Call parameters_to_host before reading them there, and parameters_changed after writing them there (not
 * while an executor runs).
 * Owned by the caller of parameters_new, who frees it with parameters_free. The graph must outlive it.
 *
 * For inference the values need not be in memory: parameters_new_from takes a source, such as a file of weights, from
 * which each executor reads them one after another, when it is created. It keeps only packed copies, and those
 * parameters that its operations read as they are. Such Parameters have no values on the host and none on a device:
 * what needs them (training, optimizers, checkpoints) fails with ERR_UNSUPPORTED. */
#ifndef NETWORK_EXECUTOR_PARAMETERS_H
#define NETWORK_EXECUTOR_PARAMETERS_H

#include <stdint.h>

#include "base/error.h"
#include "network/device/mirror.h"
#include "network/graph/graph.h"

typedef struct ParameterSource {
    /* Writes the values of the index-th parameter, in PyTorch's layout. Returns 0, or a negative code with e filled. */
    int (*read)(void *context, int index, float *values, Err *e);
    void *context;
} ParameterSource;

typedef struct Parameters {
    const Graph *graph;
    ParameterSource source; /* read NULL: the values are in memory */
    float *values; /* on the host: graph_parameter_span(graph) values; owned by the mirror; NULL with a source */
    Mirror mirror;
    uint64_t version; /* increases with every change; starts at 1: 0 in an executor means that it has not read any */
} Parameters;

int parameters_new(Parameters **p, const Graph *g, Err *e); /* all zero */
int parameters_new_from(Parameters **p, const Graph *g, ParameterSource source, Err *e);
void parameters_free(Parameters *p);

/* Initialises every parameter as the official code does. The values depend only on the seed and the parameter's index,
 * not on the number of threads. parameters_draw does so for the index-th parameter of g alone. */
void parameters_initialize(Parameters *p, uint64_t seed);
void parameters_draw(const Graph *g, int index, uint64_t seed, float *values);

/* Copies all values, on the host, between Parameters of one graph that have values there. */
void parameters_copy(Parameters *to, const Parameters *from);

float *parameters_of(Parameters *p, int index); /* the index-th parameter's values on the host; NULL with a source */
void parameters_changed(Parameters *p);         /* call after writing values on the host */
int parameters_to_host(Parameters *p, Err *e);  /* updates the values on the host; fails as the device's copy */

/* For executors and optimizers. parameters_place allocates the values on the device. Fails: ERR_NOMEM; ERR_UNSUPPORTED
 * if they are on another device, or not in memory. */
int parameters_place(Parameters *p, const Device *device, Err *e);
int parameters_to_device(Parameters *p, Err *e);
float *parameters_on_device(const Parameters *p, int index);
void parameters_changed_on_device(Parameters *p);

#endif
