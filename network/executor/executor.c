#include "network/executor/executor.h"

#include "base/memory.h"
#include "network/executor/executor_internal.h"

static int allocate(Executor *x, const Executor *lender, Err *e)
{
    const Device *d = x->device;
    const size_t gradients = mem_product((size_t)x->gradients.count, sizeof(float));
    if (lender && lender->device == d && lender->memory.arena >= x->memory.arena) {
        x->arena = lender->arena;
        x->memory.arena = 0;
    } else {
        x->arena = x->own_arena = d->alloc(d, x->memory.arena, e);
    }
    x->gradients.values = d->alloc(d, gradients, e);
    if (!x->arena || !x->gradients.values) return ERR_NOMEM;
    return d->clear(d, x->gradients.values, gradients, e);
}

/* Sets the addresses of all values and gradients from the planned blocks. */
static void assign_values(Executor *x)
{
    for (int v = 0; v < x->graph->value_count; v++) {
        const ValuePlan *plan = &x->values[v], *whole = &x->values[plan->whole];
        Tensor *t = &x->tensors[v];
        if (!plan->exists) continue;
        const size_t channel = (size_t)plan->channel;
        t->data = x->arena + x->blocks[whole->data_block].offset + channel * dtype_size(t->dtype);
        if (plan->has_grad) t->grad = x->arena + x->blocks[whole->grad_block].offset + channel * dtype_size(t->dtype);
    }
}

static void *at_block(const Executor *x, int block) { return block >= 0 ? x->arena + x->blocks[block].offset : NULL; }

static void assign_saved(Executor *x)
{
    for (int i = 0; i < x->node_count; i++)
        for (int s = 0; s < NODE_SAVED; s++) x->nodes[i].saved[s] = at_block(x, x->plans[i].saved_block[s]);
}

static void assign_gradients(Executor *x)
{
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = &x->plans[i].definition;
        for (int k = 0; k < d->param_count; k++) {
            const int64_t offset = x->gradients.offset[d->params[k]];
            x->nodes[i].param_grad[k] = offset >= 0 ? x->gradients.values + offset : NULL;
        }
    }
}

/* Makes a planned executor ready to run. Parameters come first: while they are read, the arena takes no memory yet. */
static int equip(Executor *x, const ExecutorOptions *o, Err *e)
{
    if (o->train && x->parameters->source.read)
        return err_set(e, ERR_UNSUPPORTED, "training needs parameters in memory: expected those of parameters_new");
    for (int i = 0; i < x->node_count; i++) {
        x->nodes[i].failure = &x->failure;
        x->nodes[i].reduction = o->reduction;
    }
    TRY(executor_take_parameters(x, e));
    TRY(allocate(x, o->lender, e));
    assign_values(x);
    assign_saved(x);
    assign_gradients(x);
    x->repeats = x->device->repeat && !o->train && !o->reduction;
    return 0;
}

int executor_new(Executor **result, const Graph *g, Parameters *parameters, const ExecutorOptions *o, Err *e)
{
    Executor *x = *result = mem_zalloc(1, sizeof *x, e);
    if (!x) return ERR_NOMEM;
    x->graph = g;
    x->parameters = parameters;
    x->device = x->gradients.device = o->device ? o->device : device_cpu();
    int failed = graph_check(g, e);
    if (!failed) failed = executor_plan(x, o, e);
    if (!failed && parameters) failed = equip(x, o, e);
    if (failed) {
        executor_free(x);
        *result = NULL;
    }
    return failed;
}

void executor_free(Executor *x)
{
    if (!x) return;
    if (x->recording) x->device->forget(x->device, x->recording);
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
    x->device->free(x->device, x->packed);
    x->device->free(x->device, x->direct);
    x->device->free(x->device, x->gradients.values);
    mem_free(x->gradients.offset);
    mem_free(x->actions);
    mem_free(x->blocks);
    mem_free(x->bucket_plan);
    executor_free_host_memory(x);
    x->device->free(x->device, x->own_arena);
    mem_free(x);
}

const Gradients *executor_gradients(const Executor *x) { return &x->gradients; }
int executor_node_count(const Executor *x) { return x->node_count; }
const Node *executor_node(const Executor *x, int index) { return &x->nodes[index]; }
MemoryReport executor_memory(const Executor *x) { return x->memory; }

int executor_forward_node(Executor *x, int index, const Step *step, Err *e)
{
    Node *node = &x->nodes[index];
    node->scratch = at_block(x, x->plans[index].scratch_block[0]);
    executor_begin_work(x, node, OP_FORWARD);
    node->impl->forward(node, step);
    return executor_end_work(x, node, e);
}

int executor_backward_node(Executor *x, int index, const Step *step, Err *e)
{
    Node *node = &x->nodes[index];
    node->scratch = at_block(x, x->plans[index].scratch_block[1]);
    executor_begin_work(x, node, OP_BACKWARD);
    node->impl->backward(node, step);
    return executor_end_work(x, node, e);
}

int executor_run_action(Executor *x, int index, const Step *step, Err *e)
{
    const Action action = x->actions[index];
    const bool backward = action.pass == PASS_BACKWARD;
    TRY((backward ? executor_backward_node : executor_forward_node)(x, action.node, step, e));
    executor_retire(x, index);
    return 0;
}

typedef struct ForwardRun {
    Executor *executor;
    const Step *step;
} ForwardRun;

static int issue_forward(void *context, Err *e)
{
    const ForwardRun *run = context;
    for (int i = 0; i < run->executor->node_count; i++) TRY(executor_run_action(run->executor, i, run->step, e));
    return 0;
}

int executor_forward(Executor *x, const Step *step, Err *e)
{
    ForwardRun run = {x, step};
    const DeviceWork work = {issue_forward, &run};
    TRY(executor_refresh(x, e));
    return x->repeats ? x->device->repeat(x->device, &work, &x->recording, e) : issue_forward(&run, e);
}

int executor_backward(Executor *x, const Step *step, Err *e)
{
    int reported = 0;
    for (int i = x->node_count; i < x->action_count; i++) {
        TRY(executor_run_action(x, i, step, e));
        TRY(executor_report_buckets(x, i, &reported, e));
    }
    return 0;
}
