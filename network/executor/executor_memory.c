/* When the nodes of an executor run, how long what they write is needed, what shares a place, and where
 * everything lies. */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

static const NodeDef *definition(const Executor *x, int i) { return &x->plans[i].definition; }
static int end_step(const Executor *x) { return x->action_count; }

/* ---- when ---- */

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

/* ---- how long ---- */

static void extend(Life *life, int step) { *life = lives_joined(*life, (Life){step, step}); }

/* What is computed again is read so by its own segment, after the first forward. */
static void read_value(Executor *x, int v, int reader, Pass pass)
{
    const int producer = x->values[v].producer;
    const bool again = pass != PASS_FORWARD && producer >= 0 && x->plans[producer].runs_again &&
                       x->plans[producer].segment == x->plans[reader].segment;
    extend(&x->values[v].life[again], x->plans[reader].step[pass]);
}

static void find_lives(Executor *x)
{
    for (int v = 0; v < x->graph->input_count; v++) extend(&x->values[x->graph->inputs[v]].life[0], -1);
    for (int i = 0; i < x->node_count; i++) {
        const Node *node = &x->nodes[i];
        const NodeDef *d = definition(x, i);
        for (int again = 0; again <= x->plans[i].runs_again; again++) {
            const Pass pass = again ? PASS_AGAIN : PASS_FORWARD;
            for (int k = 0; k < d->output_count; k++)
                extend(&x->values[d->outputs[k]].life[again], x->plans[i].step[pass]);
            for (int k = 0; k < d->input_count; k++) read_value(x, d->inputs[k], i, pass);
        }
        for (int k = 0; k < d->input_count; k++)
            if (backward_reads_input(node, k)) read_value(x, d->inputs[k], i, PASS_BACKWARD);
        for (int k = 0; k < d->output_count; k++)
            if (backward_reads_output(node, k)) read_value(x, d->outputs[k], i, PASS_BACKWARD);
    }
    for (int i = 0; i < x->output_count; i++) extend(&x->values[x->outputs[i].value].life[0], end_step(x));
}

/* ---- blocks ---- */

static int add_block(Executor *x, size_t bytes, const Life life[2], int *index, Err *e)
{
    if (x->block_count == x->block_room) {
        const int room = x->block_room ? 2 * x->block_room : 256;
        const size_t size = sizeof *x->blocks;
        TRY(mem_grow((void **)&x->blocks, (size_t)x->block_count * size, (size_t)room * size, e));
        x->block_room = room;
    }
    x->blocks[x->block_count] = (Block){.bytes = bytes, .life = {life[0], life[1]}};
    *index = x->block_count++;
    return 0;
}

/* Books the place of v, or of its whole, in which *block is noted, for these lives too. */
static int book(Executor *x, int v, int *block, const Life life[2], Err *e)
{
    if (*block < 0) return add_block(x, value_bytes(x, v), life, block, e);
    for (int i = 0; i < 2; i++) x->blocks[*block].life[i] = lives_joined(x->blocks[*block].life[i], life[i]);
    return 0;
}

static int book_data(Executor *x, int v, Err *e)
{
    const int whole = x->values[v].whole;
    return book(x, whole, &x->values[whole].data_block, x->values[v].life, e);
}

/* The gradient's last use is its producer's backward; an input's is read at the end. */
static int book_gradient(Executor *x, int v, int first, Err *e)
{
    const int whole = x->values[v].whole, producer = x->values[v].producer;
    const int last = producer >= 0 ? x->plans[producer].step[PASS_BACKWARD] : end_step(x);
    return book(x, whole, &x->values[whole].grad_block, (const Life[]){{first, last}, no_life}, e);
}

/* Whether node i is the last to read v, as often as that is computed. */
static bool is_used_up(const Executor *x, int v, int i)
{
    const Life *life = x->values[v].life;
    const int *step = x->plans[i].step;
    return life[0].last == step[PASS_FORWARD] && (life_is_none(life[1]) || life[1].last == step[PASS_AGAIN]);
}

/* The input whose place out[0] of node i can take, or -1. */
static int overwritten_input(const Executor *x, int i)
{
    const NodeDef *d = definition(x, i);
    if (!d->op->may_overwrite || !value_is_plain(x, d->outputs[0])) return -1;
    for (int k = 0; k < d->input_count; k++) {
        const int v = d->inputs[k];
        if (mask_has(d->op->may_overwrite, k) && value_is_plain(x, v) && x->values[v].producer >= 0 &&
            is_used_up(x, v, i) && value_bytes(x, v) == value_bytes(x, d->outputs[0]))
            return v;
    }
    return -1;
}

static int book_forward(Executor *x, Err *e)
{
    const Graph *g = x->graph;
    for (int i = 0; i < g->input_count; i++)
        if (x->values[g->inputs[i]].exists) TRY(book_data(x, g->inputs[i], e));
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = definition(x, i);
        const int overwritten = overwritten_input(x, i);
        if (overwritten >= 0) x->values[d->outputs[0]].data_block = x->values[overwritten].data_block;
        for (int k = 0; k < d->output_count; k++) TRY(book_data(x, d->outputs[k], e));
    }
    return 0;
}

/* The input whose gradient can take the place of out[0]'s gradient, or -1. */
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

/* Where a gradient is seeded, the caller may do so before forward. */
static int book_backward(Executor *x, Err *e)
{
    for (int i = 0; i < x->output_count; i++)
        if (x->values[x->outputs[i].value].has_grad) TRY(book_gradient(x, x->outputs[i].value, -1, e));
    for (int i = x->node_count - 1; i >= 0; i--) {
        const NodeDef *d = definition(x, i);
        if (!x->nodes[i].has_backward) continue;
        const int overwritten = overwritten_grad(x, i);
        if (overwritten >= 0) x->values[overwritten].grad_block = x->values[d->outputs[0]].grad_block;
        for (int k = 0; k < d->input_count; k++)
            if (x->nodes[i].wants_grad[k]) TRY(book_gradient(x, d->inputs[k], x->plans[i].step[PASS_BACKWARD], e));
    }
    return 0;
}

static Life life_at(int step) { return step < 0 ? no_life : (Life){step, step}; }

/* What a node saves is there from its (last) forward to its backward; scratch memory while it runs. */
static int book_node(Executor *x, int i, Err *e)
{
    const Node *node = &x->nodes[i];
    NodePlan *plan = &x->plans[i];
    const int backward = plan->step[PASS_BACKWARD];
    const Life forward[] = {life_at(plan->step[PASS_FORWARD]), life_at(plan->step[PASS_AGAIN])};
    Life saved[] = {forward[0], forward[1]};
    saved[plan->runs_again].last = backward;
    for (int s = 0; s < NODE_SAVED; s++) {
        plan->saved_block[s] = -1;
        if (node->saved_bytes[s] && node->has_backward)
            TRY(add_block(x, node->saved_bytes[s], saved, &plan->saved_block[s], e));
    }
    plan->scratch_block[0] = plan->scratch_block[1] = -1;
    if (node->scratch_bytes[0]) TRY(add_block(x, node->scratch_bytes[0], forward, &plan->scratch_block[0], e));
    if (!node->scratch_bytes[1] || !node->has_backward) return 0;
    const Life there[] = {life_at(backward), no_life};
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
    find_lives(x);
    TRY(book_forward(x, e));
    TRY(book_backward(x, e));
    for (int i = 0; i < x->node_count; i++) TRY(book_node(x, i, e));
    TRY(memory_plan(x->blocks, x->block_count, x->device->alignment, &x->memory.arena, e));
    x->memory.without_reuse = bytes_without_reuse(x);
    x->memory.parameters = (size_t)x->graph->elements * sizeof(float);
    x->memory.parameter_gradients = (size_t)x->gradients.count * sizeof(float);
    for (int i = 0; i < x->node_count; i++) x->memory.packed += x->nodes[i].packed_bytes;
    return 0;
}
