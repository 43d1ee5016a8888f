/* Graph: the definition of a network (nodes, values, parameters), without any data.
 *
 *   Graph *g = graph_new(e);
 *   Ref x = graph_input(g, "image", (Shape){1, 320, 320, 3}, DTYPE_F32);
 *   scope_in(g, "stem");
 *   x = scope_out(g, op_conv2d(g, "0", x, 48, conv));
 *   graph_output(g, "head0", x);
 *   if (graph_check(g, e)) …
 *   graph_free(g);
 *
 * Scopes (scope_in, scope_out) form the parameter names, which are identical to those of the official state dict.
 * Functions that define a graph report no errors: the graph stores the first failure, later calls return a dummy Ref,
 * and graph_check returns the failure.
 * The sizes given here are nominal (a plan's patch): each executor of a graph has its own batch size, height and width.
 * A graph must not change after graph_check; then threads may share it. */
#ifndef NETWORK_GRAPH_GRAPH_H
#define NETWORK_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

/* Extents of a value: batch, height, width, channels; channels innermost in memory. */
typedef struct Shape {
    int64_t n, h, w, c;
} Shape;

static inline int64_t shape_pixels(Shape s) { return s.n * s.h * s.w; }
static inline int64_t shape_count(Shape s) { return shape_pixels(s) * s.c; }
static inline bool shape_equal(Shape a, Shape b) { return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c; }

typedef struct Graph Graph;

/* A value of a graph: an input, or an output of a node. */
typedef struct Ref {
    int value;
} Ref;

/* How a parameter is initialised. fan_in as in PyTorch: the product of shape[1:]. */
typedef enum Init {
    INIT_ZERO,
    INIT_ONE,
    INIT_KAIMING_UNIFORM, /* PyTorch's default of Linear and Conv: U(±1/sqrt(fan_in)), weight and bias */
    INIT_HE_NORMAL,       /* kaiming_normal_(a = 1e-2): N(0, 2 / ((1 + a²) fan_in)) */
    INIT_TRUNC_NORMAL,    /* trunc_normal_(std = 0.02), truncated at ±2 */
    INIT_SSM_A_LOG,       /* log(1 … states) in every row */
    INIT_SSM_DT_WEIGHT,   /* U(±rank^-0.5) */
    INIT_SSM_DT_BIAS,     /* inverse softplus of exp(U(ln 1e-3, ln 1e-1)), at least 1e-4 */
} Init;

typedef struct Param {
    char *name; /* as in the official state dict */
    int rank;
    int64_t shape[ARRAY_MAX_RANK]; /* as in PyTorch */
    int64_t count, offset;         /* elements; index of the first in the flat array (forward order, with gaps) */
    int64_t fan_in;
    Init init;
} Param;

/* How the parameters of convolutions and linear layers that are defined from here on are initialised. Models change it
 * where the official code uses different initialisations. */
typedef struct InitPolicy {
    Init conv_weight, conv_bias, linear_weight, linear_bias;
} InitPolicy;

Graph *graph_new(Err *e); /* NULL with e filled on lack of memory */
void graph_free(Graph *g);
int graph_check(const Graph *g, Err *e); /* 0, or the first failure of the definition */

Ref graph_input(Graph *g, const char *name, Shape shape, DType dtype);
void graph_output(Graph *g, const char *name, Ref x);

void scope_in(Graph *g, const char *scope); /* opens a scope "a.b" */
__attribute__((format(printf, 2, 3))) void scope_in_format(Graph *g, const char *format, ...);
Ref scope_out(Graph *g, Ref x); /* closes it and gives x the scope's path as its name */
void graph_init_policy(Graph *g, InitPolicy policy);
InitPolicy graph_policy(const Graph *g);
/* Likewise the weights of instance norms: INIT_ONE, or INIT_ZERO at the end of a residual path. */
void graph_init_norms(Graph *g, Init weight);
Init graph_norm_init(const Graph *g);

/* Whether the nodes defined from here on compute in float32 in executors of any precision. For layers whose rounding
 * errors would affect all later layers. */
void graph_exact(Graph *g, bool exact);

/* Whether the convolutions defined from here on are computed by their definition, with the rounding errors of sums only.
 * For networks that magnify the larger ones of faster algorithms (Winograd's). */
void graph_direct(Graph *g, bool direct);
bool graph_is_direct(const Graph *g);

/* Whether the nodes defined from here on are left out of the counts of multiply-adds: for operations that the official
 * counter does not see. */
void graph_uncounted(Graph *g, bool uncounted);

/* For op files: adds a parameter "scope.name"; fan_in 0: the product of shape[1:]. Returns its index. */
int graph_param(Graph *g, const char *name, int rank, const int64_t *shape, Init init, int64_t fan_in);

/* For op files: adds a node; attr (attr_bytes, may be 0) is copied. Its output i is (Ref){returned.value + i}. */
struct OpClass;
Ref graph_node(Graph *g, const struct OpClass *op, const char *name, const void *attr, size_t attr_bytes,
               const Ref *inputs, int input_count, const int *params, int param_count);

/* Queries. */
Shape graph_shape(const Graph *g, Ref x); /* nominal */
int graph_param_count(const Graph *g);
const Param *graph_params(const Graph *g);              /* graph_param_count entries, borrowed */
int64_t graph_parameter_elements(const Graph *g);       /* elements of all parameters */
int64_t graph_parameter_span(const Graph *g);           /* elements of the flat array of all parameters */
int graph_find_param(const Graph *g, const char *name); /* index or -1 */
/* The value of an output, input, scope or node (its first output), by name. */
bool graph_find(const Graph *g, const char *name, Ref *x);

/* Marks (true) the parameters that the computation of the outputs reads. used: graph_param_count entries.
 * Fails: ERR_NOMEM. */
int graph_used_params(const Graph *g, const Ref *outputs, int output_count, bool *used, Err *e);

#endif
