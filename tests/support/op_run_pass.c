/* The passes of an OpRun. On a device with its own memory a copy of the node, with the device's addresses, is run; on the
 * emulated GPU it may access only what its class says. */
#include "tests/support/op_run.h"

static void *there(const OpRun *r, const void *here)
{
    for (int i = 0; here && i < r->buffer_count; i++) {
        const Guarded *g = &r->buffers[i];
        const ptrdiff_t offset = (const char *)here - (const char *)g->data;
        if (offset >= 0 && offset <= (ptrdiff_t)g->bytes) return (char *)r->there[i].memory + offset;
    }
    return NULL;
}

static void move_tensor(const OpRun *r, Tensor **t, Tensor *moved)
{
    *moved = **t;
    moved->data = there(r, moved->data);
    moved->grad = there(r, moved->grad);
    *t = moved;
}

typedef struct NodeThere {
    Node node;
    Tensor in[NODE_INPUTS], out[NODE_OUTPUTS];
} NodeThere;

static void move_node(const OpRun *r, NodeThere *moved)
{
    Node *n = &moved->node;
    *n = r->node;
    for (int i = 0; i < n->input_count; i++) move_tensor(r, &n->in[i], &moved->in[i]);
    for (int i = 0; i < n->output_count; i++) move_tensor(r, &n->out[i], &moved->out[i]);
    for (int i = 0; i < n->param_count; i++) {
        n->param[i] = there(r, n->param[i]);
        n->param_grad[i] = there(r, n->param_grad[i]);
    }
    for (int i = 0; i < NODE_SAVED; i++) n->saved[i] = there(r, n->saved[i]);
    n->packed = there(r, n->packed);
    n->scratch = there(r, n->scratch);
}

static int copy(OpRun *r, DeviceCopy direction, Err *e)
{
    const Device *d = r->device;
    for (int i = 0; i < r->buffer_count; i++) {
        const Guarded *g = &r->buffers[i];
        const OpBuffer *b = &r->there[i];
        if (!b->copied || !g->bytes) continue;
        const bool up = direction == COPY_TO_DEVICE;
        TRY(d->copy(d, up ? b->memory : g->data, up ? g->data : b->memory, g->bytes, direction, e));
    }
    return d->wait(d, e);
}

/* ---- what a pass may access ---- */

static void begin_node(const Device *d, const Node *n, OpPass pass)
{
    DeviceRegion regions[NODE_REGIONS];
    d->begin(d, n->name);
    if (d->limit) d->limit(d, regions, node_regions(n, pass, regions));
}

static int end_node(const Device *d, Err *e)
{
    if (d->limit) d->limit(d, NULL, 0);
    return d->end(d, e);
}

/* ---- running ---- */

static void run(Node *n, OpPass pass, const Step *step)
{
    if (pass == OP_REFRESH) n->impl->refresh(n);
    else if (pass == OP_FORWARD) n->impl->forward(n, step);
    else n->impl->backward(n, step);
}

static int run_there(OpRun *r, OpPass pass, const Step *step, Err *e)
{
    const Device *d = r->device;
    NodeThere moved;
    move_node(r, &moved);
    TRY(copy(r, COPY_TO_DEVICE, e));
    begin_node(d, &moved.node, pass);
    run(&moved.node, pass, step);
    TRY(end_node(d, e));
    return copy(r, COPY_TO_HOST, e);
}

int op_run_pass(OpRun *r, OpPass pass, const Step *step, Err *e)
{
    if (r->device) TRY(run_there(r, pass, step, e));
    else run(&r->node, pass, step);
    if (r->failure.code && e) *e = r->failure;
    return r->failure.code;
}
