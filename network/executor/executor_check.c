/* Finds the node that first writes a value that is not finite. */
#include "network/executor/executor_internal.h"

static int look_at(const Executor *x, const Tensor *t, const void *data, bool *finite, Err *e)
{
    const DeviceRows rows = {data, t->dtype, shape_pixels(t->shape), t->shape.c, t->pitch};
    return *finite ? x->device->all_finite(x->device, &rows, finite, e) : 0;
}

static int look_at_forward(const Executor *x, const Node *node, bool *finite, Err *e)
{
    for (int k = 0; k < node->output_count; k++) TRY(look_at(x, node->out[k], node->out[k]->data, finite, e));
    return 0;
}

static int look_at_backward(const Executor *x, const Node *node, bool *finite, Err *e)
{
    for (int k = 0; k < node->input_count; k++)
        if (node->wants_grad[k]) TRY(look_at(x, node->in[k], node->in[k]->grad, finite, e));
    for (int k = 0; k < node->param_count && *finite; k++) {
        const int64_t count = node->param_info[k]->count;
        const DeviceRows rows = {node->param_grad[k], DTYPE_F32, 1, count, count};
        if (rows.data) TRY(x->device->all_finite(x->device, &rows, finite, e));
    }
    return 0;
}

int executor_first_nonfinite(Executor *x, const Step *step, const Node **found, bool *in_backward, Err *e)
{
    *found = NULL;
    *in_backward = false;
    TRY(executor_refresh(x, e));
    for (int i = 0; i < x->action_count; i++) {
        const Node *node = &x->nodes[x->actions[i].node];
        const bool backward = x->actions[i].pass == PASS_BACKWARD;
        bool finite = true;
        TRY(executor_run_action(x, i, step, e));
        TRY((backward ? look_at_backward : look_at_forward)(x, node, &finite, e));
        if (finite) continue;
        *found = node;
        *in_backward = backward;
        return 0;
    }
    return 0;
}
