#include "network/executor/executor.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "network/executor/executor_internal.h"

static int allocate(Executor *x, const Executor *lender, Err *e)
{
    if (lender && lender->memory.arena >= x->memory.arena) {
        x->arena = lender->arena;
        x->memory.arena = 0;
    } else {
        x->arena = x->own_arena = mem_alloc(x->memory.arena, e);
    }
    x->gradients.values = mem_zalloc((size_t)x->gradients.count, sizeof(float), e);
    return x->arena && x->gradients.values ? 0 : ERR_NOMEM;
}

/* Turns the plan's blocks into addresses. */
static void assign_values(Executor *x)
{
    for (int v = 0; v < x->graph->value_count; v++) {
        const ValuePlan *plan = &x->values[v], *whole = &x->values[plan->whole];
        Tensor *t = &x->tensors[v];
        if (!plan->exists) continue;
        const size_t channel = (size_t)plan->channel;
        t->data = x->arena + x->blocks[whole->data_block].offset + channel * dtype_size(t->dtype);
        if (plan->has_grad)
            t->grad = x->arena + x->blocks[whole->grad_block].offset + channel * dtype_size(t->dtype);
    }
}

static void *at_block(const Executor *x, int block) { return block >= 0 ? x->arena + x->blocks[block].offset : NULL; }

static void assign_saved(Executor *x)
{
    for (int i = 0; i < x->node_count; i++)
        for (int s = 0; s < NODE_SAVED; s++) x->nodes[i].saved[s] = at_block(x, x->plans[i].saved_block[s]);
}

static void assign_parameters(Executor *x)
{
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = &x->plans[i].definition;
        for (int k = 0; k < d->param_count; k++) {
            const int64_t offset = x->gradients.offset[d->params[k]];
            x->nodes[i].param[k] = parameters_of(x->parameters, d->params[k]);
            x->nodes[i].param_grad[k] = offset >= 0 ? x->gradients.values + offset : NULL;
        }
    }
}

int executor_new(Executor **result, const Graph *g, Parameters *parameters, const ExecutorOptions *o, Err *e)
{
    Executor *x = *result = mem_zalloc(1, sizeof *x, e);
    if (!x) return ERR_NOMEM;
    x->graph = g;
    x->parameters = parameters;
    int failed = graph_check(g, e);
    if (!failed) failed = executor_plan(x, o, e);
    if (!failed && parameters) {
        failed = allocate(x, o->lender, e);
        if (!failed) {
            assign_values(x);
            assign_saved(x);
            assign_parameters(x);
            for (int i = 0; i < x->node_count; i++) x->nodes[i].failure = &x->failure;
        }
    }
    if (failed) {
        executor_free(x);
        *result = NULL;
    }
    return failed;
}

void executor_free(Executor *x)
{
    if (!x) return;
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        if (node->impl && node->impl->release) node->impl->release(node);
        mem_free(x->plans[i].fused_attr);
    }
    mem_free(x->nodes);
    mem_free(x->plans);
    mem_free(x->tensors);
    mem_free(x->values);
    mem_free(x->outputs);
    mem_free(x->gradients.values);
    mem_free(x->gradients.offset);
    mem_free(x->actions);
    mem_free(x->blocks);
    mem_free(x->own_arena);
    mem_free(x);
}

Tensor *executor_input(Executor *x, int index)
{
    const int value = x->graph->inputs[index];
    return x->values[value].exists ? &x->tensors[value] : NULL;
}

Tensor *executor_output(Executor *x, int index) { return &x->tensors[x->outputs[index].value]; }
const Gradients *executor_gradients(const Executor *x) { return &x->gradients; }
int executor_node_count(const Executor *x) { return x->node_count; }
const Node *executor_node(const Executor *x, int index) { return &x->nodes[index]; }
MemoryReport executor_memory(const Executor *x) { return x->memory; }

/* Says what a kernel could not do. The next run starts clear. */
static int take_failure(Executor *x, const Node *node, Err *e)
{
    const int code = x->failure.code;
    if (code && e) *e = x->failure;
    if (code) err_context(e, "%s", node->name);
    err_clear(&x->failure);
    return code;
}

/* Lets the ops renew what they made of the parameters, if those have changed since. */
static int refresh(Executor *x, Err *e)
{
    if (x->seen_version == x->parameters->version) return 0;
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        if (node->impl->refresh) node->impl->refresh(node);
        TRY(take_failure(x, node, e));
    }
    x->seen_version = x->parameters->version;
    return 0;
}

int executor_forward_node(Executor *x, int index, const Step *step, Err *e)
{
    Node *node = &x->nodes[index];
    node->scratch = at_block(x, x->plans[index].scratch_block[0]);
    node->impl->forward(node, step);
    return take_failure(x, node, e);
}

int executor_backward_node(Executor *x, int index, const Step *step, Err *e)
{
    Node *node = &x->nodes[index];
    node->scratch = at_block(x, x->plans[index].scratch_block[1]);
    node->impl->backward(node, step);
    return take_failure(x, node, e);
}

static int run_action(Executor *x, int index, const Step *step, Err *e)
{
    const Action action = x->actions[index];
    return action.pass == PASS_BACKWARD ? executor_backward_node(x, action.node, step, e)
                                      : executor_forward_node(x, action.node, step, e);
}

int executor_forward(Executor *x, const Step *step, Err *e)
{
    TRY(refresh(x, e));
    for (int i = 0; i < x->node_count; i++) TRY(run_action(x, i, step, e));
    return 0;
}

int executor_backward(Executor *x, const Step *step, Err *e)
{
    for (int i = x->node_count; i < x->action_count; i++) TRY(run_action(x, i, step, e));
    return 0;
}

static bool is_finite(const void *values, DType dtype, int64_t i)
{
    if (dtype == DTYPE_F32) return isfinite(((const float *)values)[i]);
    return dtype != DTYPE_BF16 || (((const uint16_t *)values)[i] & 0x7f80) != 0x7f80; /* exponent of inf and NaN */
}

/* Of a tensor's data or gradient. */
static bool all_finite(const Tensor *t, const void *values)
{
    for (int64_t p = 0; p < shape_pixels(t->shape); p++)
        for (int64_t c = 0; c < t->shape.c; c++)
            if (!is_finite(values, t->dtype, p * t->pitch + c)) return false;
    return true;
}

static bool forward_is_finite(const Node *node)
{
    for (int k = 0; k < node->output_count; k++)
        if (!all_finite(node->out[k], node->out[k]->data)) return false;
    return true;
}

static bool backward_is_finite(const Node *node)
{
    for (int k = 0; k < node->input_count; k++)
        if (node->wants_grad[k] && !all_finite(node->in[k], node->in[k]->grad)) return false;
    for (int k = 0; k < node->param_count; k++)
        for (int64_t i = 0; node->param_grad[k] && i < node->param_info[k]->count; i++)
            if (!isfinite(node->param_grad[k][i])) return false;
    return true;
}

int executor_first_nonfinite(Executor *x, const Step *step, const Node **found, bool *in_backward, Err *e)
{
    *found = NULL;
    *in_backward = false;
    TRY(refresh(x, e));
    for (int i = 0; i < x->action_count; i++) {
        const Node *node = &x->nodes[x->actions[i].node];
        const bool backward = x->actions[i].pass == PASS_BACKWARD;
        TRY(run_action(x, i, step, e));
        if (backward ? backward_is_finite(node) : forward_is_finite(node)) continue;
        *found = node;
        *in_backward = backward;
        return 0;
    }
    return 0;
}
