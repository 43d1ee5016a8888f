#include "network/graph/node_regions.h"

typedef struct Regions {
    DeviceRegion *list;
    int count;
} Regions;

static void add(Regions *r, const void *start, size_t bytes, bool written)
{
    if (start && bytes) r->list[r->count++] = (DeviceRegion){start, bytes, bytes, 1, written};
}

/* start: of its data or gradient; NULL: there is none. */
static void add_tensor(Regions *r, const Tensor *t, const void *start, bool written)
{
    const size_t size = dtype_size(t->dtype), row = (size_t)t->shape.c * size, pitch = (size_t)t->pitch * size;
    if (start) r->list[r->count++] = (DeviceRegion){start, row, pitch, shape_pixels(t->shape), written};
}

static void add_params(Regions *r, const Node *n, OpPass pass)
{
    for (int i = 0; i < n->param_count; i++) {
        const size_t bytes = (size_t)n->param_info[i]->count * sizeof(float);
        if (pass == OP_REFRESH || !(n->packed_params >> i & 1)) add(r, n->param[i], bytes, false);
        if (pass == OP_BACKWARD) add(r, n->param_grad[i], bytes, true);
    }
}

static void add_tensors(Regions *r, const Node *n, bool backward)
{
    const uint32_t kept = n->op->keeps_inputs | (n->trains_params ? n->op->keeps_for_params : 0);
    for (int i = 0; i < n->input_count; i++) {
        if (!backward || kept >> i & 1) add_tensor(r, n->in[i], n->in[i]->data, false);
        if (backward && n->wants_grad[i]) add_tensor(r, n->in[i], n->in[i]->grad, true);
    }
    for (int i = 0; i < n->output_count; i++) {
        if (!backward || n->op->keeps_outputs >> i & 1) add_tensor(r, n->out[i], n->out[i]->data, !backward);
        if (backward) add_tensor(r, n->out[i], n->out[i]->grad, false);
    }
}

int node_regions(const Node *n, OpPass pass, DeviceRegion regions[NODE_REGIONS])
{
    Regions r = {regions, 0};
    add_params(&r, n, pass);
    add(&r, n->packed, n->packed_bytes, pass == OP_REFRESH);
    if (pass == OP_REFRESH) return r.count;
    add_tensors(&r, n, pass == OP_BACKWARD);
    add(&r, n->scratch, n->scratch_bytes[pass == OP_BACKWARD], true);
    for (int i = 0; i < NODE_SAVED; i++) add(&r, n->saved[i], n->saved_bytes[i], pass == OP_FORWARD);
    return r.count;
}
