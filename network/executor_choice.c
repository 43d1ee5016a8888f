/* What types the values of an executor have, and which implementation computes each node.
 *
 * In bfloat16 every value is, but for the graph's inputs, what ops read or write that are never computed so
 * (the loss), and asked outputs where their op can write float32 (convolutions: so logits are not rounded). */
#include <string.h>

#include "network/executor_internal.h"

static bool has_type(const OpClass *op, DType dtype)
{
    for (const OpImpl *const *impl = op->on[DEVICE_CPU]; *impl; impl++)
        if ((*impl)->dtype == dtype) return true;
    return false;
}

static bool mixes(const OpClass *op)
{
    for (const OpImpl *const *impl = op->on[DEVICE_CPU]; *impl; impl++)
        if ((*impl)->mixes) return true;
    return false;
}

static DType node_type(const Node *node, DType precision)
{
    return has_type(node->op, precision) ? precision : DTYPE_F32;
}

static void settle_types(Executor *x, DType precision)
{
    for (int i = 0; i < x->node_count; i++)
        for (int k = 0; k < x->nodes[i].output_count; k++)
            if (x->nodes[i].out[k]->dtype == DTYPE_F32) x->nodes[i].out[k]->dtype = node_type(&x->nodes[i], precision);
    for (int i = 0; i < x->node_count; i++)
        for (int k = 0; k < x->nodes[i].input_count; k++)
            if (node_type(&x->nodes[i], precision) == DTYPE_F32 && x->nodes[i].in[k]->dtype == precision)
                x->nodes[i].in[k]->dtype = DTYPE_F32;
    for (int i = 0; i < x->output_count; i++) {
        const int v = x->outputs[i].value, producer = x->values[v].producer;
        if (producer >= 0 && mixes(x->nodes[producer].op)) x->tensors[v].dtype = DTYPE_F32;
    }
}

/* Whether the implementation takes the node's tensors; labels are nobody's matter here. */
static bool takes_types(const OpImpl *impl, const Node *node)
{
    for (int k = 0; k < node->input_count; k++)
        if (node->in[k]->dtype != impl->dtype && node->in[k]->dtype != DTYPE_I16 && !(impl->mixes && k == 0))
            return false;
    for (int k = 0; k < node->output_count; k++)
        if (node->out[k]->dtype != impl->dtype && !(impl->mixes && k == 0)) return false;
    return true;
}

static bool can_run(const OpImpl *impl, const Node *node, DType precision)
{
    return impl->dtype == node_type(node, precision) && impl->level <= simd_level() && takes_types(impl, node) &&
           (!impl->supports || impl->supports(node));
}

int executor_choose(Executor *x, const ExecutorOptions *o, Err *e)
{
    if (!executor_supports(o->precision))
        return err_set(e, ERR_UNSUPPORTED, "this CPU does not compute in %s", dtype_name(o->precision));
    if (o->precision != DTYPE_F32) settle_types(x, o->precision);
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        for (const OpImpl *const *impl = node->op->on[DEVICE_CPU]; *impl; impl++) {
            if (!can_run(*impl, node, o->precision)) continue;
            const bool preferred = o->implementation && !strcmp(o->implementation, (*impl)->name);
            if (!node->impl || preferred) node->impl = *impl;
            if (preferred) break;
        }
        if (!node->impl)
            return err_set(e, ERR_UNSUPPORTED, "%s: no way to compute %s here", node->name, node->op->name);
    }
    return 0;
}
