/* The passes of an OpRun. On a device with its own memory a copy of the node, with the device's addresses, is run; on the
 * emulated GPU it may access only what its class says. */
#include "tests/support/emulator.h"
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

typedef struct Regions {
    EmuRegion list[EMU_REGIONS];
    int count;
} Regions;

static void add(Regions *r, const void *start, size_t bytes, bool written)
{
    if (start && bytes) r->list[r->count++] = (EmuRegion){start, bytes, 0, 1, written};
}

static void add_tensor(Regions *r, const Tensor *t, const void *start, bool written)
{
    const size_t size = dtype_size(t->dtype);
    if (start)
        r->list[r->count++] =
            (EmuRegion){start, (size_t)t->shape.c * size, (size_t)t->pitch * size, shape_pixels(t->shape), written};
}

static void add_params(Regions *r, const Node *n, OpPass pass)
{
    for (int i = 0; i < n->param_count; i++) {
        const size_t bytes = (size_t)n->param_info[i]->count * sizeof(float);
        if (pass == OP_REFRESH || !(n->packed_params >> i & 1)) add(r, n->param[i], bytes, false);
        if (pass == OP_BACKWARD) add(r, n->param_grad[i], bytes, true);
    }
}

static void add_tensors(Regions *r, const Node *n, OpPass pass)
{
    const bool backward = pass == OP_BACKWARD;
    const uint32_t inputs = n->op->keeps_inputs | n->op->keeps_for_params;
    for (int i = 0; i < n->input_count; i++) {
        if (!backward || inputs >> i & 1) add_tensor(r, n->in[i], n->in[i]->data, false);
        if (backward && n->wants_grad[i]) add_tensor(r, n->in[i], n->in[i]->grad, true);
    }
    for (int i = 0; i < n->output_count; i++) {
        if (!backward || n->op->keeps_outputs >> i & 1) add_tensor(r, n->out[i], n->out[i]->data, !backward);
        if (backward) add_tensor(r, n->out[i], n->out[i]->grad, false);
    }
}

static void begin_node(const Node *n, OpPass pass)
{
    Regions r = {.count = 0};
    if (!emu_begin_node) return;
    add_params(&r, n, pass);
    add(&r, n->packed, n->packed_bytes, pass == OP_REFRESH);
    if (pass != OP_REFRESH) {
        add_tensors(&r, n, pass);
        add(&r, n->scratch, n->scratch_bytes[pass == OP_BACKWARD], true);
        for (int i = 0; i < NODE_SAVED; i++) add(&r, n->saved[i], n->saved_bytes[i], pass == OP_FORWARD);
    }
    emu_begin_node(r.list, r.count);
}

static void end_node(void)
{
    if (emu_end_node) emu_end_node();
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
    d->begin(d, r->node.name);
    begin_node(&moved.node, pass);
    run(&moved.node, pass, step);
    end_node();
    TRY(d->end(d, e));
    return copy(r, COPY_TO_HOST, e);
}

int op_run_pass(OpRun *r, OpPass pass, const Step *step, Err *e)
{
    if (r->device) TRY(run_there(r, pass, step, e));
    else run(&r->node, pass, step);
    if (r->failure.code && e) *e = r->failure;
    return r->failure.code;
}
