/* Plans what an executor runs: which nodes, with which shapes; which node writes each gradient and which add to it;
 * which values are slices of others. */
#include <string.h>

#include "base/memory.h"
#include "network/executor/executor_internal.h"
#include "network/executor/fuse.h"

static const NodeDef *definition(const Executor *x, int i) { return &x->plans[i].definition; }

/* ---- nodes and shapes ---- */

static int make_tables(Executor *x, const ExecutorOptions *o, Err *e)
{
    const Graph *g = x->graph;
    x->nodes = mem_zalloc((size_t)g->node_count, sizeof *x->nodes, e);
    x->plans = mem_zalloc((size_t)g->node_count, sizeof *x->plans, e);
    x->tensors = mem_zalloc((size_t)g->value_count, sizeof *x->tensors, e);
    x->values = mem_zalloc((size_t)g->value_count, sizeof *x->values, e);
    x->outputs = mem_zalloc((size_t)o->output_count, sizeof *x->outputs, e);
    x->host_memory = mem_zalloc((size_t)(g->input_count + o->output_count), sizeof *x->host_memory, e);
    x->gradients.offset = mem_zalloc((size_t)g->param_count, sizeof *x->gradients.offset, e);
    if (!x->nodes || !x->plans || !x->tensors || !x->values || !x->outputs || !x->host_memory || !x->gradients.offset)
        return ERR_NOMEM;
    for (int v = 0; v < g->value_count; v++) {
        x->values[v] = (ValuePlan){
            .producer = -1, .whole = v, .lifetime = {no_lifetime, no_lifetime}, .data_block = -1, .grad_block = -1};
        x->tensors[v].dtype = g->values[v].dtype;
    }
    for (int i = 0; i < o->output_count; i++) {
        ValuePlan *v = &x->values[o->outputs[i].value];
        v->requested = true;
        v->seeded = o->train && !mask_has(o->unseeded, i);
        x->outputs[i] = o->outputs[i];
    }
    x->output_count = o->output_count;
    return 0;
}

/* Fills the nodes from their plans, and notes the values that they read and write. */
static void make_nodes(Executor *x, bool train)
{
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = definition(x, i);
        Node *node = &x->nodes[i];
        graph_describe_node(x->graph, d, node);
        node->train = train;
        for (int k = 0; k < d->input_count; k++) node->in[k] = &x->tensors[d->inputs[k]];
        for (int k = 0; k < d->output_count; k++) node->out[k] = &x->tensors[d->outputs[k]];
        for (int k = 0; k < d->input_count; k++) x->values[d->inputs[k]].exists = true;
        for (int k = 0; k < d->output_count; k++) x->values[d->outputs[k]].exists = true;
        for (int k = 0; k < d->output_count; k++) x->values[d->outputs[k]].producer = i;
    }
}

static int select_nodes(Executor *x, const ExecutorOptions *o, Err *e)
{
    const Graph *g = x->graph;
    bool *needed = mem_alloc((size_t)g->node_count, e);
    if (!needed) return ERR_NOMEM;
    graph_mark_needed(g, o->outputs, o->output_count, needed);
    for (int n = 0; n < g->node_count; n++) {
        if (needed[n]) x->plans[x->node_count++] = (NodePlan){.definition = g->nodes[n]};
    }
    mem_free(needed);
    return 0;
}

static int infer_shapes(Executor *x, const ExecutorOptions *o, Err *e)
{
    const Graph *g = x->graph;
    for (int i = 0; i < g->input_count; i++) {
        const Shape nominal = g->values[g->inputs[i]].shape, s = o->inputs ? o->inputs[i] : nominal;
        if (s.c != nominal.c || s.n < 1 || s.h < 1 || s.w < 1)
            return err_set(e, ERR_SHAPE,
                           "input %d is (%lld, %lld, %lld, %lld): expected %lld channels and sizes of at least 1", i,
                           (long long)s.n, (long long)s.h, (long long)s.w, (long long)s.c, (long long)nominal.c);
        x->tensors[g->inputs[i]].shape = s;
        x->tensors[g->inputs[i]].pitch = s.c;
    }
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        if (node->op->shape(node, e)) return err_context(e, "%s (%s)", node->name, node->op->name);
        for (int k = 0; k < node->output_count; k++) node->out[k]->pitch = node->out[k]->shape.c;
    }
    return 0;
}

/* ---- gradients ---- */

static bool is_trained(const ExecutorOptions *o, int param) { return o->train && (!o->trained || o->trained[param]); }

static void mark_gradients(Executor *x, const ExecutorOptions *o)
{
    const Graph *g = x->graph;
    for (int i = 0; i < g->input_count; i++)
        x->values[g->inputs[i]].has_grad = o->train && mask_has(o->input_gradients, i);
    /* In forward order: an output of a node needs a gradient if an input or a parameter of the node does. */
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = definition(x, i);
        bool needs = false;
        for (int k = 0; k < d->param_count; k++) needs |= is_trained(o, d->params[k]);
        for (int k = 0; k < d->input_count; k++) needs |= x->values[d->inputs[k]].has_grad;
        for (int k = 0; k < d->output_count; k++) x->values[d->outputs[k]].has_grad = needs;
    }
}

/* In backward order: of these values, only those that a seeded output depends on get a gradient. Sets the nodes' flags
 * and the offsets of the parameters' gradients accordingly. */
static int set_gradients(Executor *x, const ExecutorOptions *o, Err *e)
{
    bool *reached = mem_zalloc((size_t)x->graph->value_count, sizeof *reached, e);
    if (!reached) return ERR_NOMEM;
    memset(x->gradients.offset, -1, (size_t)x->graph->param_count * sizeof *x->gradients.offset);
    for (int v = 0; v < x->graph->value_count; v++) reached[v] = x->values[v].seeded;
    for (int i = x->node_count - 1; i >= 0; i--) {
        const NodeDef *d = definition(x, i);
        Node *node = &x->nodes[i];
        bool reaches = false;
        for (int k = 0; k < d->output_count; k++) reaches |= reached[d->outputs[k]];
        for (int k = 0; reaches && k < d->input_count; k++) reached[d->inputs[k]] = true;
        for (int k = 0; reaches && k < d->param_count; k++) {
            if (!is_trained(o, d->params[k])) continue;
            x->gradients.offset[d->params[k]] = 0;
            node->trains_params = node->trains_param[k] = true;
        }
        for (int k = 0; k < d->input_count; k++) node->wants_grad[k] = reaches && x->values[d->inputs[k]].has_grad;
        node->has_backward = node->trains_params;
        for (int k = 0; k < d->input_count; k++) node->has_backward |= node->wants_grad[k];
    }
    for (int v = 0; v < x->graph->value_count; v++) x->values[v].has_grad &= reached[v];
    for (int p = 0; p < x->graph->param_count; p++) {
        if (x->gradients.offset[p] < 0) continue;
        x->gradients.offset[p] = x->gradients.count;
        x->gradients.count += x->graph->params[p].count;
    }
    mem_free(reached);
    return 0;
}

/* If several nodes contribute to a gradient, the first in backward order writes it, and the others add to it. */
static int set_accumulation(Executor *x, Err *e)
{
    bool *written = mem_zalloc((size_t)x->graph->value_count, sizeof *written, e);
    if (!written) return ERR_NOMEM;
    for (int i = x->node_count - 1; i >= 0; i--) {
        const NodeDef *d = definition(x, i);
        for (int k = 0; k < d->input_count; k++) {
            if (!x->nodes[i].wants_grad[k]) continue;
            x->nodes[i].accumulate[k] = written[d->inputs[k]] || x->values[d->inputs[k]].seeded;
            written[d->inputs[k]] = true;
        }
    }
    mem_free(written);
    return 0;
}

/* ---- slices ---- */

/* Whether every node that reads value v, except `except`, accepts a slice; *last is the last of these nodes. */
static bool readers_take_slices(const Executor *x, int v, int except, int *last)
{
    *last = -1;
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = definition(x, i);
        for (int k = 0; k < d->input_count; k++) {
            if (d->inputs[k] != v || i == except) continue;
            if (!mask_has(x->nodes[i].impl->strided_in, k)) return false;
            *last = i;
        }
    }
    return true;
}

static bool writer_takes_slices(const Executor *x, int v)
{
    const int producer = x->values[v].producer;
    if (producer < 0) return false;
    int k = 0;
    while (definition(x, producer)->outputs[k] != v) k++;
    return mask_has(x->nodes[producer].impl->strided_out, k);
}

static void make_slice(Executor *x, int part, int whole, int64_t channel)
{
    x->values[part].whole = whole;
    x->values[part].channel = channel;
    x->values[whole].has_parts = true;
    x->tensors[part].pitch = x->tensors[whole].shape.c;
}

/* Makes inputs of a concat slices of its output, so that they are written there directly. The gradient of such a part
 * is a slice, too: so the concat must be the first to write it in backward, and no later node may read a part that has
 * a gradient. */
static void slice_concat(Executor *x, int i)
{
    const NodeDef *d = definition(x, i);
    const int whole = d->outputs[0];
    int64_t channel = 0;
    if (x->values[whole].whole != whole) return;
    for (int k = 0; k < d->input_count; k++) {
        const int part = d->inputs[k];
        int last;
        const bool readable = readers_take_slices(x, part, i, &last);
        const bool same_grad = x->values[part].has_grad == x->values[whole].has_grad;
        const bool first_writer = !x->values[part].has_grad || last < i;
        if (value_is_plain(x, part) && !x->values[part].requested && readable && same_grad && first_writer &&
            writer_takes_slices(x, part) && (k == 0 || part != d->inputs[0]))
            make_slice(x, part, whole, channel);
        channel += x->tensors[part].shape.c;
    }
}

static bool is_only_reader(const Executor *x, int v, int reader)
{
    for (int i = 0; i < x->node_count; i++)
        for (int k = 0; k < definition(x, i)->input_count; k++)
            if (definition(x, i)->inputs[k] == v && i != reader) return false;
    return true;
}

/* Makes the outputs of a split slices of its input: all of them or none, and only if no other node reads that input. */
static void slice_split(Executor *x, int i)
{
    const NodeDef *d = definition(x, i);
    const int whole = d->inputs[0];
    int64_t channel = 0;
    int last;
    bool fits = x->values[whole].whole == whole && !x->values[whole].requested && is_only_reader(x, whole, i);
    for (int k = 0; k < d->output_count; k++) {
        const int part = d->outputs[k];
        fits &= value_is_plain(x, part) && !x->values[part].requested && readers_take_slices(x, part, i, &last);
        fits &= x->values[part].has_grad == x->values[whole].has_grad;
    }
    for (int k = 0; fits && k < d->output_count; k++) {
        make_slice(x, d->outputs[k], whole, channel);
        channel += x->tensors[d->outputs[k]].shape.c;
    }
}

static void make_slices(Executor *x)
{
    for (int i = 0; i < x->node_count; i++) {
        if (x->nodes[i].op->view == VIEW_CONCAT) slice_concat(x, i);
        if (x->nodes[i].op->view == VIEW_SPLIT) slice_split(x, i);
    }
}

/* ---- implementations ---- */

/* Prepares all nodes: what they make in a device's libraries belongs to the device that is in use. On failure *failing is
 * the node's index. */
static int prepare_nodes(Executor *x, int *failing, Err *e)
{
    x->device->begin(x->device, "prepare");
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        const int failed = node->impl->prepare ? node->impl->prepare(node, e) : 0;
        if (!failed) continue;
        *failing = i;
        err_context(e, "%s (%s)", node->name, node->impl->name);
        x->device->end(x->device, NULL);
        return failed;
    }
    return x->device->end(x->device, e);
}

/* Restores the state before executor_choose. */
static void undo_choice(Executor *x)
{
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        if (node->impl->release) node->impl->release(node);
        node->impl = NULL;
        node->state = NULL;
        memset(node->saved_bytes, 0, sizeof node->saved_bytes);
        memset(node->scratch_bytes, 0, sizeof node->scratch_bytes);
        node->packed_bytes = 0;
        node->packed_params = 0;
    }
    for (int v = 0; v < x->graph->value_count; v++) {
        ValuePlan *plan = &x->values[v];
        x->tensors[v].dtype = x->graph->values[v].dtype;
        x->tensors[v].pitch = x->tensors[v].shape.c;
        plan->whole = v;
        plan->channel = 0;
        plan->has_parts = false;
    }
}

/* Only its prepare shows whether an implementation supports the node's shape (ERR_UNSUPPORTED if not). The next one of
 * the list may need other types or not accept slices. So after such a failure the types, implementations and slices of
 * all nodes are chosen anew. */
static int choose_implementations(Executor *x, const ExecutorOptions *o, Err *e)
{
    Err refusal = {ERR_NONE, ""};
    for (;;) {
        int failing = 0;
        TRY(executor_choose(x, o, &refusal, e));
        make_slices(x);
        const int failed = prepare_nodes(x, &failing, &refusal);
        if (!failed) return 0;
        if (failed != ERR_UNSUPPORTED) {
            if (e) *e = refusal;
            return failed;
        }
        executor_refuse(x, failing);
        undo_choice(x);
    }
}

int executor_plan(Executor *x, const ExecutorOptions *o, Err *e)
{
    TRY(make_tables(x, o, e));
    TRY(select_nodes(x, o, e));
    if (!o->unfused) TRY(fuse_nodes(x, o->train, e));
    make_nodes(x, o->train);
    TRY(infer_shapes(x, o, e));
    mark_gradients(x, o);
    TRY(set_gradients(x, o, e));
    TRY(set_accumulation(x, e));
    TRY(choose_implementations(x, o, e));
    if (o->recompute) TRY(executor_cut(x, e));
    TRY(executor_place(x, e));
    TRY(executor_count_parameters(x, e));
    if (o->buckets) x->buckets = *o->buckets;
    return o->buckets ? executor_cut_buckets(x, e) : 0;
}
