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

int executor_end_work(Executor *x, const Node *node, Err *e)
{
    const int failed = x->device->end(x->device, e);
    if (x->failure.code) return take_failure(x, node, e);
    return failed ? err_context(e, "%s", node->name) : 0;
}
