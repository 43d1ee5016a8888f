/* The order in which the nodes of an executor run, the lifetimes of the values, which values share memory, and the
 * memory plan. */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

static const NodeDef *definition(const Executor *x, int i) { return &x->plans[i].definition; }
static int end_step(const Executor *x) { return x->action_count; }

/* ---- order of execution ---- */

static void add_turn(Executor *x, int node, Pass pass)
{
    x->plans[node].step[pass] = x->action_count;
    x->actions[x->action_count++] = (Action){node, pass};
}

static void add_backward_turns(Executor *x)
{
    for (int end = x->node_count; end > 0; end = x->plans[end - 1].segment) {
        const int begin = x->plans[end - 1].segment;
        for (int i = begin; i < end; i++)
            if (x->plans[i].runs_again) add_turn(x, i, PASS_AGAIN);
        for (int i = end - 1; i >= begin; i--)
            if (x->nodes[i].has_backward) add_turn(x, i, PASS_BACKWARD);
    }
}

static int make_turns(Executor *x, Err *e)
{
    x->actions = mem_alloc((size_t)x->node_count * PASSES * sizeof *x->actions, e);
    if (!x->actions) return ERR_NOMEM;
    for (int i = 0; i < x->node_count; i++) {
        for (int pass = 0; pass < PASSES; pass++) x->plans[i].step[pass] = -1;
        add_turn(x, i, PASS_FORWARD);
    }
    add_backward_turns(x);
    return 0;
}

/* ---- lifetimes ---- */

static void extend(Lifetime *lifetime, int step) { *lifetime = lifetimes_joined(*lifetime, (Lifetime){step, step}); }

/* Extends the lifetime of v: `reader` reads it in that pass. A recomputed value is read by the recomputations and
 * backward passes of its own segment; all other reads are of the value as first computed. */
static void read_value(Executor *x, int v, int reader, Pass pass)
{
    const int producer = x->values[v].producer;
    const bool again = pass != PASS_FORWARD && producer >= 0 && x->plans[producer].runs_again &&
                       x->plans[producer].segment == x->plans[reader].segment;
    extend(&x->values[v].lifetime[again], x->plans[reader].step[pass]);
}

static void find_lifetimes(Executor *x)
{
    for (int v = 0; v < x->graph->input_count; v++) extend(&x->values[x->graph->inputs[v]].lifetime[0], -1);
    for (int i = 0; i < x->node_count; i++) {
        const Node *node = &x->nodes[i];
        const NodeDef *d = definition(x, i);
        for (int again = 0; again <= x->plans[i].runs_again; again++) {
            const Pass pass = again ? PASS_AGAIN : PASS_FORWARD;
            for (int k = 0; k < d->output_count; k++)
                extend(&x->values[d->outputs[k]].lifetime[again], x->plans[i].step[pass]);
            for (int k = 0; k < d->input_count; k++) read_value(x, d->inputs[k], i, pass);
        }
        for (int k = 0; k < d->input_count; k++)
            if (backward_reads_input(node, k)) read_value(x, d->inputs[k], i, PASS_BACKWARD);
        for (int k = 0; k < d->output_count; k++)
            if (backward_reads_output(node, k)) read_value(x, d->outputs[k], i, PASS_BACKWARD);
    }
    for (int i = 0; i < x->output_count; i++) extend(&x->values[x->outputs[i].value].lifetime[0], end_step(x));
}

/* ---- blocks ---- */

static int add_block(Executor *x, size_t bytes, const Lifetime lifetime[2], int *index, Err *e)
{
    if (x->block_count == x->block_capacity) {
        const int room = x->block_capacity ? 2 * x->block_capacity : 256;
        const size_t size = sizeof *x->blocks;
        TRY(mem_grow((void **)&x->blocks, (size_t)x->block_count * size, (size_t)room * size, e));
        x->block_capacity = room;
    }
    x->blocks[x->block_count] = (Block){.bytes = bytes, .lifetime = {lifetime[0], lifetime[1]}};
    *index = x->block_count++;
    return 0;
}

/* Extends v's *block by these lifetimes, or adds the block if there is none. v is not a slice. */
static int reserve(Executor *x, int v, int *block, const Lifetime lifetime[2], Err *e)
{
    if (*block < 0) return add_block(x, value_bytes(x, v), lifetime, block, e);
    Lifetime *of = x->blocks[*block].lifetime;
    for (int i = 0; i < 2; i++) of[i] = lifetimes_joined(of[i], lifetime[i]);
    return 0;
}

static int reserve_data(Executor *x, int v, Err *e)
{
    const int whole = x->values[v].whole;
    return reserve(x, whole, &x->values[whole].data_block, x->values[v].lifetime, e);
}

/* The last use of a gradient is in the backward pass of the node that writes the value. The gradient of an input is
 * read by the caller, at the end. */
static int reserve_gradient(Executor *x, int v, int first, Err *e)
{
    const int whole = x->values[v].whole, producer = x->values[v].producer;
    const int last = producer >= 0 ? x->plans[producer].step[PASS_BACKWARD] : end_step(x);
    return reserve(x, whole, &x->values[whole].grad_block, (const Lifetime[]){{first, last}, no_lifetime}, e);
}

/* Whether node i is the last to read v, both as first computed and as recomputed. */
static bool is_last_reader(const Executor *x, int v, int i)
{
    const Lifetime *lifetime = x->values[v].lifetime;
    const int *step = x->plans[i].step;
    return lifetime[0].last == step[PASS_FORWARD] &&
           (lifetime_is_none(lifetime[1]) || lifetime[1].last == step[PASS_AGAIN]);
}

/* The input that out[0] of node i can overwrite in place, or -1. */
static int overwritten_input(const Executor *x, int i)
{
    const NodeDef *d = definition(x, i);
    if (!d->op->may_overwrite || !value_is_plain(x, d->outputs[0])) return -1;
    for (int k = 0; k < d->input_count; k++) {
        const int v = d->inputs[k];
        if (mask_has(d->op->may_overwrite, k) && value_is_plain(x, v) && x->values[v].producer >= 0 &&
            is_last_reader(x, v, i) && value_bytes(x, v) == value_bytes(x, d->outputs[0]))
            return v;
    }
    return -1;
}

static int reserve_forward(Executor *x, Err *e)
{
    const Graph *g = x->graph;
    for (int i = 0; i < g->input_count; i++)
        if (x->values[g->inputs[i]].exists) TRY(reserve_data(x, g->inputs[i], e));
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = definition(x, i);
        const int overwritten = overwritten_input(x, i);
        if (overwritten >= 0) x->values[d->outputs[0]].data_block = x->values[overwritten].data_block;
        for (int k = 0; k < d->output_count; k++) TRY(reserve_data(x, d->outputs[k], e));
    }
    return 0;
}

/* The input whose gradient can overwrite the gradient of out[0] in place, or -1. */
static int overwritten_grad(const Executor *x, int i)
{
    const NodeDef *d = definition(x, i);
    const Node *node = &x->nodes[i];
    if (!d->op->may_overwrite_grad || !value_is_plain(x, d->outputs[0])) return -1;
    for (int k = 0; k < d->input_count; k++) {
        const int v = d->inputs[k];
        if (mask_has(d->op->may_overwrite_grad, k) && node->wants_grad[k] && !node->accumulate[k] &&
            value_is_plain(x, v) && x->values[v].grad_block < 0 && value_bytes(x, v) == value_bytes(x, d->outputs[0]))
            return v;
    }
    return -1;
}

/* Gradient seeds get memory for the whole run: the caller may set them before forward. */
static int reserve_backward(Executor *x, Err *e)
{
    for (int i = 0; i < x->output_count; i++)
        if (x->values[x->outputs[i].value].has_grad) TRY(reserve_gradient(x, x->outputs[i].value, -1, e));
    for (int i = x->node_count - 1; i >= 0; i--) {
        const NodeDef *d = definition(x, i);
        if (!x->nodes[i].has_backward) continue;
        const int overwritten = overwritten_grad(x, i);
        if (overwritten >= 0) x->values[overwritten].grad_block = x->values[d->outputs[0]].grad_block;
        for (int k = 0; k < d->input_count; k++)
            if (x->nodes[i].wants_grad[k]) TRY(reserve_gradient(x, d->inputs[k], x->plans[i].step[PASS_BACKWARD], e));
    }
    return 0;
}

static Lifetime lifetime_at(int step) { return step < 0 ? no_lifetime : (Lifetime){step, step}; }

/* Saved memory is needed from the node's last forward pass to its backward pass, scratch memory during each pass. */
static int reserve_node(Executor *x, int i, Err *e)
{
    const Node *node = &x->nodes[i];
    NodePlan *plan = &x->plans[i];
    const int backward = plan->step[PASS_BACKWARD];
    const Lifetime forward[] = {lifetime_at(plan->step[PASS_FORWARD]), lifetime_at(plan->step[PASS_AGAIN])};
    Lifetime saved[] = {forward[0], forward[1]};
    saved[plan->runs_again].last = backward;
    for (int s = 0; s < NODE_SAVED; s++) {
        plan->saved_block[s] = -1;
        if (node->saved_bytes[s] && node->has_backward)
            TRY(add_block(x, node->saved_bytes[s], saved, &plan->saved_block[s], e));
    }
    plan->scratch_block[0] = plan->scratch_block[1] = -1;
    if (node->scratch_bytes[0]) TRY(add_block(x, node->scratch_bytes[0], forward, &plan->scratch_block[0], e));
    if (!node->scratch_bytes[1] || !node->has_backward) return 0;
    const Lifetime there[] = {lifetime_at(backward), no_lifetime};
    return add_block(x, node->scratch_bytes[1], there, &plan->scratch_block[1], e);
}

/* ---- the report ---- */

static size_t bytes_without_reuse(const Executor *x)
{
    size_t bytes = 0;
    for (int v = 0; v < x->graph->value_count; v++) {
        if (x->values[v].exists) bytes += value_bytes(x, v);
        if (x->values[v].has_grad) bytes += value_bytes(x, v);
    }
    for (int i = 0; i < x->node_count; i++) {
        for (int s = 0; s < NODE_SAVED; s++)
            if (x->plans[i].saved_block[s] >= 0) bytes += x->nodes[i].saved_bytes[s];
        for (int pass = 0; pass < 2; pass++)
            if (x->plans[i].scratch_block[pass] >= 0) bytes += x->nodes[i].scratch_bytes[pass];
    }
    return bytes;
}

int executor_place(Executor *x, Err *e)
{
    TRY(make_turns(x, e));
    find_lifetimes(x);
    TRY(reserve_forward(x, e));
    TRY(reserve_backward(x, e));
    for (int i = 0; i < x->node_count; i++) TRY(reserve_node(x, i, e));
    TRY(memory_plan(x->blocks, x->block_count, x->device->alignment, &x->memory.arena, e));
    x->memory.without_reuse = bytes_without_reuse(x);
    x->memory.parameter_gradients = (size_t)x->gradients.count * sizeof(float);
    return 0;
}
