#include "network/graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "network/graph/graph_internal.h"

static bool failed(const Graph *g) { return g->error.code != ERR_NONE; }

/* Grows the list if it is full. False on failure, which is stored in the graph. */
static bool reserve_entry(Graph *g, void **entries, int count, int *capacity, size_t size)
{
    if (count < *capacity) return true;
    const int larger = *capacity ? 2 * *capacity : 64;
    if (mem_grow(entries, (size_t)count * size, (size_t)larger * size, &g->error)) return false;
    *capacity = larger;
    return true;
}

#define RESERVE_ENTRY(g, list) \
    reserve_entry(g, (void **)&(g)->list##s, (g)->list##_count, &(g)->list##_capacity, sizeof *(g)->list##s)

Graph *graph_new(Err *e)
{
    Graph *g = mem_zalloc(1, sizeof *g, e);
    if (g) {
        g->policy =
            (InitPolicy){INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM};
        g->norm_weight = INIT_ONE;
    }
    return g;
}

void graph_free(Graph *g)
{
    if (!g) return;
    for (int i = 0; i < g->node_count; i++) {
        mem_free(g->nodes[i].name);
        mem_free(g->nodes[i].attr);
    }
    for (int i = 0; i < g->param_count; i++) mem_free(g->params[i].name);
    for (int i = 0; i < g->name_count; i++) mem_free(g->names[i].name);
    mem_free(g->values);
    mem_free(g->nodes);
    mem_free(g->params);
    mem_free(g->names);
    mem_free(g->inputs);
    mem_free(g);
}

int graph_check(const Graph *g, Err *e)
{
    if (!failed(g)) return 0;
    if (e) *e = g->error;
    return g->error.code;
}

static Ref add_value(Graph *g, Shape shape, DType dtype, int producer)
{
    if (failed(g) || !RESERVE_ENTRY(g, value)) return (Ref){0};
    g->values[g->value_count] = (ValueDef){shape, dtype, producer};
    return (Ref){g->value_count++};
}

static void name_value(Graph *g, const char *name, Ref x)
{
    if (failed(g) || !RESERVE_ENTRY(g, name)) return;
    char *copy = mem_strdup(name, &g->error);
    if (copy) g->names[g->name_count++] = (NamedValue){copy, x.value};
}

Ref graph_input(Graph *g, const char *name, Shape shape, DType dtype)
{
    const Ref x = add_value(g, shape, dtype, -1);
    if (failed(g) || !RESERVE_ENTRY(g, input)) return x;
    g->inputs[g->input_count++] = x.value;
    name_value(g, name, x);
    return x;
}

void graph_output(Graph *g, const char *name, Ref x) { name_value(g, name, x); }

void scope_in(Graph *g, const char *scope)
{
    const size_t used = strlen(g->scope), more = strlen(scope);
    if (used + more + 2 > sizeof g->scope) {
        if (!failed(g)) err_set(&g->error, ERR_VALUE, "%s: scopes are nested too deeply", g->scope);
        return;
    }
    snprintf(g->scope + used, sizeof g->scope - used, "%s/", scope);
}

void scope_in_format(Graph *g, const char *format, ...)
{
    char scope[sizeof g->scope];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(scope, sizeof scope, format, arguments);
    va_end(arguments);
    scope_in(g, scope);
}

/* g->scope is stored as "a.b/c/": each scope_in() adds one part that ends with '/'. In names '/' becomes '.'. */
static void scoped(const Graph *g, const char *name, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s%s", g->scope, name);
    for (char *c = path; *c; c++)
        if (*c == '/') *c = '.';
    const size_t length = strlen(path);
    if (length && path[length - 1] == '.') path[length - 1] = '\0';
}

Ref scope_out(Graph *g, Ref x)
{
    char path[sizeof g->scope];
    scoped(g, "", path, sizeof path);
    name_value(g, path, x);
    const size_t length = strlen(g->scope);
    if (!length) {
        if (!failed(g)) err_set(&g->error, ERR_VALUE, "scope_out() without scope_in()");
        return x;
    }
    g->scope[length - 1] = '\0';
    char *previous = strrchr(g->scope, '/');
    *(previous ? previous + 1 : g->scope) = '\0';
    return x;
}

void graph_init_policy(Graph *g, InitPolicy policy) { g->policy = policy; }
InitPolicy graph_policy(const Graph *g) { return g->policy; }
void graph_init_norms(Graph *g, Init weight) { g->norm_weight = weight; }
Init graph_norm_init(const Graph *g) { return g->norm_weight; }
void graph_exact(Graph *g, bool exact) { g->exact = exact; }
void graph_direct(Graph *g, bool direct) { g->direct = direct; }
bool graph_is_direct(const Graph *g) { return g->direct; }
void graph_uncounted(Graph *g, bool uncounted) { g->uncounted = uncounted; }

/* Each parameter begins at a multiple of so many values, 16 bytes: kernels of a GPU load vectors of it. */
enum { PARAM_ALIGNMENT = 4 };

int graph_param(Graph *g, const char *name, int rank, const int64_t *shape, Init init, int64_t fan_in)
{
    char path[sizeof g->scope + 64];
    if (failed(g) || !RESERVE_ENTRY(g, param)) return 0;
    scoped(g, name, path, sizeof path);
    Param p = {.rank = rank, .count = 1, .offset = g->span, .init = init, .fan_in = fan_in ? fan_in : 1};
    for (int i = 0; i < rank; i++) {
        p.shape[i] = shape[i];
        p.count *= shape[i];
        if (i && !fan_in) p.fan_in *= shape[i];
    }
    if (p.count < 1) {
        err_set(&g->error, ERR_SHAPE, "%s: a parameter without elements (a width became 0?)", path);
        return 0;
    }
    p.name = mem_strdup(path, &g->error);
    if (!p.name) return 0;
    g->elements += p.count;
    g->span += (p.count + PARAM_ALIGNMENT - 1) / PARAM_ALIGNMENT * PARAM_ALIGNMENT;
    g->params[g->param_count] = p;
    return g->param_count++;
}

void graph_describe_node(const Graph *g, const NodeDef *d, Node *node)
{
    *node = (Node){.op = d->op,
                   .name = d->name,
                   .attr = d->attr,
                   .uncounted = d->uncounted,
                   .input_count = d->input_count,
                   .output_count = d->output_count,
                   .param_count = d->param_count};
    for (int i = 0; i < d->param_count; i++) node->param_info[i] = &g->params[d->params[i]];
}

/* Infers the nominal shapes of the node's outputs and adds their values. */
static int infer_outputs(Graph *g, int index)
{
    NodeDef *d = &g->nodes[index];
    Node node;
    Tensor inputs[NODE_INPUTS] = {{.pitch = 0}}, outputs[NODE_OUTPUTS] = {{.pitch = 0}};
    graph_describe_node(g, d, &node);
    for (int i = 0; i < d->input_count; i++) {
        const ValueDef *v = &g->values[d->inputs[i]];
        inputs[i] = (Tensor){.shape = v->shape, .dtype = v->dtype, .pitch = v->shape.c};
        node.in[i] = &inputs[i];
    }
    for (int i = 0; i < NODE_OUTPUTS; i++) node.out[i] = &outputs[i];
    if (d->op->shape(&node, &g->error)) return err_context(&g->error, "%s (%s)", d->name, d->op->name);
    for (int i = 0; i < NODE_OUTPUTS && outputs[i].shape.c; i++) {
        d->outputs[i] = add_value(g, outputs[i].shape, outputs[i].dtype, index).value;
        d->output_count++;
    }
    return 0;
}

Ref graph_node(Graph *g, const OpClass *op, const char *name, const void *attr, size_t attr_bytes, const Ref *inputs,
               int input_count, const int *params, int param_count)
{
    char path[sizeof g->scope + 64];
    if (failed(g) || !RESERVE_ENTRY(g, node)) return (Ref){0};
    scoped(g, name, path, sizeof path);
    const int index = g->node_count;
    NodeDef *d = &g->nodes[index];
    *d = (NodeDef){.op = op, .input_count = input_count, .param_count = param_count};
    d->exact = g->exact;
    d->uncounted = g->uncounted;
    for (int i = 0; i < input_count; i++) d->inputs[i] = inputs[i].value;
    for (int i = 0; i < param_count; i++) d->params[i] = params[i];
    d->name = mem_strdup(path, &g->error);
    d->attr = mem_alloc(attr_bytes, &g->error);
    g->node_count++;
    if (failed(g)) return (Ref){0};
    if (attr_bytes) memcpy(d->attr, attr, attr_bytes);
    if (infer_outputs(g, index)) return (Ref){0};
    return (Ref){d->outputs[0]};
}

Shape graph_shape(const Graph *g, Ref x) { return failed(g) ? (Shape){1, 1, 1, 1} : g->values[x.value].shape; }
int graph_param_count(const Graph *g) { return g->param_count; }
const Param *graph_params(const Graph *g) { return g->params; }
int64_t graph_parameter_elements(const Graph *g) { return g->elements; }
int64_t graph_parameter_span(const Graph *g) { return g->span; }

int graph_find_param(const Graph *g, const char *name)
{
    for (int i = 0; i < g->param_count; i++)
        if (!strcmp(g->params[i].name, name)) return i;
    return -1;
}

bool graph_find(const Graph *g, const char *name, Ref *x)
{
    for (int i = 0; i < g->name_count; i++) {
        if (strcmp(g->names[i].name, name)) continue;
        x->value = g->names[i].value;
        return true;
    }
    for (int i = 0; i < g->node_count; i++) {
        if (strcmp(g->nodes[i].name, name)) continue;
        x->value = g->nodes[i].outputs[0];
        return true;
    }
    return false;
}

void graph_mark_needed(const Graph *g, const Ref *outputs, int output_count, bool *needed)
{
    memset(needed, 0, (size_t)g->node_count * sizeof *needed);
    for (int i = 0; i < output_count; i++) {
        const int producer = g->values[outputs[i].value].producer;
        if (producer >= 0) needed[producer] = true;
    }
    /* Nodes are in the order of their definition: the producer of a value comes before its readers. */
    for (int n = g->node_count - 1; n >= 0; n--) {
        if (!needed[n]) continue;
        for (int i = 0; i < g->nodes[n].input_count; i++) {
            const int producer = g->values[g->nodes[n].inputs[i]].producer;
            if (producer >= 0) needed[producer] = true;
        }
    }
}

int graph_used_params(const Graph *g, const Ref *outputs, int output_count, bool *used, Err *e)
{
    memset(used, 0, (size_t)g->param_count * sizeof *used);
    bool *needed = mem_alloc((size_t)g->node_count * sizeof *needed, e);
    if (!needed) return ERR_NOMEM;
    graph_mark_needed(g, outputs, output_count, needed);
    for (int n = 0; n < g->node_count; n++)
        for (int i = 0; needed[n] && i < g->nodes[n].param_count; i++) used[g->nodes[n].params[i]] = true;
    mem_free(needed);
    return 0;
}
