/* The parameters of an executor: packed copies, and what it reads from a source (parameters.h). */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

static size_t rounded(const Executor *x, size_t bytes)
{
    const size_t alignment = x->device->alignment;
    return (bytes + alignment - 1) / alignment * alignment;
}

static bool is_packed(const Node *node, int k) { return mask_has(node->packed_params, k); }

static size_t param_bytes(const Node *node, int k) { return (size_t)node->param_info[k]->count * sizeof(float); }

/* ---- parameters that nodes read as they are ---- */

/* Sets place[p], the index of the first value of the graph's p-th parameter among those; -1: all nodes read packed copies
 * of it. Returns the bytes of all. */
static size_t place_direct(const Executor *x, int64_t *place)
{
    size_t bytes = 0;
    for (int p = 0; p < x->graph->param_count; p++) place[p] = -1;
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = &x->plans[i].definition;
        for (int k = 0; k < d->param_count; k++) {
            if (is_packed(&x->nodes[i], k) || place[d->params[k]] >= 0) continue;
            place[d->params[k]] = (int64_t)(bytes / sizeof(float));
            bytes += rounded(x, param_bytes(&x->nodes[i], k));
        }
    }
    return bytes;
}

/* Bytes of a node's parameters while they are read. */
static size_t reading_bytes(const Executor *x, const Node *node)
{
    size_t bytes = 0;
    for (int k = 0; k < node->param_count; k++) bytes += rounded(x, param_bytes(node, k));
    return bytes;
}

int executor_count_parameters(Executor *x, Err *e)
{
    int64_t *place = mem_alloc((size_t)x->graph->param_count * sizeof *place, e);
    if (!place) return ERR_NOMEM;
    x->memory.direct = place_direct(x, place);
    mem_free(place);
    x->memory.parameters = (size_t)x->graph->span * sizeof(float);
    for (int i = 0; i < x->node_count; i++) {
        const size_t reading = reading_bytes(x, &x->nodes[i]);
        x->memory.packed += rounded(x, x->nodes[i].packed_bytes);
        if (reading > x->memory.reading) x->memory.reading = reading;
    }
    return 0;
}

/* ---- packed copies ---- */

static int allocate_packed(Executor *x, Err *e)
{
    const Device *d = x->device;
    size_t at = 0;
    x->packed = d->alloc(d, x->memory.packed, e);
    if (!x->packed) return ERR_NOMEM;
    for (int i = 0; i < x->node_count; i++) {
        x->nodes[i].packed = x->packed + at;
        at += rounded(x, x->nodes[i].packed_bytes);
    }
    return d->clear(d, x->packed, x->memory.packed, e);
}

static int pack_node(Executor *x, int i, Err *e)
{
    Node *node = &x->nodes[i];
    if (!node->impl->refresh) return 0;
    executor_begin_work(x, node, OP_REFRESH);
    node->impl->refresh(node);
    return executor_end_work(x, node, e);
}

int executor_refresh(Executor *x, Err *e)
{
    if (x->seen_version == x->parameters->version) return 0;
    TRY(parameters_to_device(x->parameters, e));
    for (int i = 0; i < x->node_count; i++) TRY(pack_node(x, i, e));
    x->seen_version = x->parameters->version;
    return 0;
}

/* ---- from memory ---- */

static int take_values(Executor *x, Err *e)
{
    TRY(parameters_place(x->parameters, x->device, e));
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = &x->plans[i].definition;
        for (int k = 0; k < d->param_count; k++)
            x->nodes[i].param[k] = parameters_on_device(x->parameters, d->params[k]);
    }
    return 0;
}

/* ---- from a source ---- */

/* Reads the parameters of node i into `read`. */
static int read_node(Executor *x, int i, Mirror *read, Err *e)
{
    const ParameterSource *source = &x->parameters->source;
    Node *node = &x->nodes[i];
    size_t at = 0;
    TRY(x->device->wait(x->device, e)); /* for the node before, whose parameters were in the same place */
    for (int k = 0; k < node->param_count; k++) {
        const int index = x->plans[i].definition.params[k];
        if (source->read(source->context, index, (float *)(void *)((char *)read->host + at), e))
            return err_context(e, "%s", node->param_info[k]->name);
        node->param[k] = (const float *)(const void *)((const char *)read->device + at);
        at += rounded(x, param_bytes(node, k));
    }
    mirror_changed(read, MIRROR_HOST);
    return mirror_to_device(read, e);
}

/* Copies those that the node reads as they are to their places. This must come before refresh, which may keep their
 * addresses. */
static int keep_direct(Executor *x, int i, const int64_t *place, Err *e)
{
    const Device *d = x->device;
    Node *node = &x->nodes[i];
    for (int k = 0; k < node->param_count; k++) {
        if (is_packed(node, k)) continue;
        float *kept = x->direct + place[x->plans[i].definition.params[k]];
        TRY(d->copy(d, kept, node->param[k], param_bytes(node, k), COPY_ON_DEVICE, e));
        node->param[k] = kept;
    }
    return 0;
}

/* The node must not read these again. */
static void forget_packed(Node *node)
{
    for (int k = 0; k < node->param_count; k++)
        if (is_packed(node, k)) node->param[k] = NULL;
}

static int read_values(Executor *x, Mirror *read, int64_t *place, Err *e)
{
    place_direct(x, place);
    TRY(mirror_place(read, x->device, e));
    for (int i = 0; i < x->node_count; i++) {
        if (!x->nodes[i].param_count) continue;
        TRY(read_node(x, i, read, e));
        TRY(keep_direct(x, i, place, e));
        TRY(pack_node(x, i, e));
        forget_packed(&x->nodes[i]);
    }
    x->seen_version = x->parameters->version;
    return x->device->wait(x->device, e);
}

static int take_from_source(Executor *x, Err *e)
{
    Mirror read = {0};
    int64_t *place = mem_alloc((size_t)x->graph->param_count * sizeof *place, e);
    x->direct = x->device->alloc(x->device, x->memory.direct, e);
    int failed = place && x->direct ? mirror_new(&read, x->memory.reading, e) : ERR_NOMEM;
    if (!failed) failed = read_values(x, &read, place, e);
    mirror_free(&read);
    mem_free(place);
    return failed;
}

int executor_take_parameters(Executor *x, Err *e)
{
    TRY(allocate_packed(x, e));
    return x->parameters->source.read ? take_from_source(x, e) : take_values(x, e);
}
