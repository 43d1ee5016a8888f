#include "network/executor/executor_internal.h"

/* Moves a kernel's failure to e, with the node's name, so that the next run starts without one. */
static int take_failure(Executor *x, const Node *node, Err *e)
{
    const int code = x->failure.code;
    if (code && e) *e = x->failure;
    if (code) err_context(e, "%s", node->name);
    err_clear(&x->failure);
    return code;
}

void executor_begin_work(const Executor *x, const Node *node, OpPass pass)
{
    const Device *d = x->device;
    DeviceRegion regions[NODE_REGIONS];
    d->begin(d, node->name);
    if (d->limit) d->limit(d, regions, node_regions(node, pass, regions));
}

int executor_end_work(Executor *x, const Node *node, Err *e)
{
    const Device *d = x->device;
    if (d->limit) d->limit(d, NULL, 0);
    const int failed = d->end(d, e);
    if (x->failure.code) return take_failure(x, node, e);
    return failed ? err_context(e, "%s", node->name) : 0;
}

/* Whether a block is not used after this step, until its next lifetime begins. */
static bool is_over(const Block *b, int step)
{
    bool ends = false, goes_on = false;
    for (int i = 0; i < 2; i++) {
        ends |= b->lifetime[i].last == step;
        goes_on |= b->lifetime[i].first <= step && b->lifetime[i].last > step;
    }
    return ends && !goes_on;
}

void executor_retire(const Executor *x, int action)
{
    const Device *d = x->device;
    for (int i = 0; d->retire && i < x->block_count; i++)
        if (is_over(&x->blocks[i], action)) d->retire(d, x->arena + x->blocks[i].offset, x->blocks[i].bytes);
}
