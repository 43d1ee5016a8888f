/* What types the values of an executor have, and which implementation computes each node.
 *
 * In bfloat16 every value is, but for the graph's inputs, what exact nodes and ops that are never computed so (the
 * loss) read and write, and asked outputs where their op can write float32 (convolutions: so logits are not rounded).
 * Products take and give float32 beside bfloat16; a node that does not and has some is computed in float32 whole. So
 * the sums of residual blocks stay float32 behind an exact one. */
#include <string.h>

#include "base/simd_level.h"
#include "network/executor/executor_internal.h"

static bool mixes(const OpClass *op)
{
    for (const OpImpl *const *impl = op->on[DEVICE_CPU]; *impl; impl++)
        if ((*impl)->mixes) return true;
    return false;
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

static bool fits(const Node *node, DType precision)
{
    for (const OpImpl *const *impl = node->op->on[DEVICE_CPU]; *impl; impl++)
        if ((*impl)->dtype == precision && takes_types(*impl, node)) return true;
    return false;
}

static void make_float(Tensor *t)
{
    if (t->dtype != DTYPE_I16) t->dtype = DTYPE_F32;
}

static void make_exact(Executor *x, int i)
{
    Node *node = &x->nodes[i];
    x->plans[i].definition.exact = true;
    for (int k = 0; k < node->input_count; k++) make_float(node->in[k]);
    for (int k = 0; k < node->output_count; k++) make_float(node->out[k]);
}

static void settle_types(Executor *x, DType precision)
{
    for (int i = 0; i < x->node_count; i++)
        for (int k = 0; k < x->nodes[i].output_count; k++)
            if (x->nodes[i].out[k]->dtype == DTYPE_F32) x->nodes[i].out[k]->dtype = precision;
    for (int i = 0; i < x->output_count; i++) {
        const int v = x->outputs[i].value, producer = x->values[v].producer;
        if (producer >= 0 && mixes(x->nodes[producer].op)) x->tensors[v].dtype = DTYPE_F32;
    }
    for (int i = 0; i < x->node_count; i++)
        if (x->plans[i].definition.exact) make_exact(x, i);
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < x->node_count; i++) {
            if (x->plans[i].definition.exact || fits(&x->nodes[i], precision)) continue;
            make_exact(x, i);
            changed = true;
        }
    }
}

bool executor_supports(DType precision)
{
    return precision == DTYPE_F32 || (precision == DTYPE_BF16 && simd_level() >= SIMD_AVX512_BF16);
}

static bool can_run(const OpImpl *impl, const Node *node, DType dtype)
{
    return impl->dtype == dtype && impl->level <= simd_level() && takes_types(impl, node) &&
           (!impl->supports || impl->supports(node));
}

int executor_choose(Executor *x, const ExecutorOptions *o, Err *e)
{
    if (!executor_supports(o->precision))
        return err_set(e, ERR_UNSUPPORTED, "this CPU does not compute in %s", dtype_name(o->precision));
    if (o->precision != DTYPE_F32) settle_types(x, o->precision);
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        const DType dtype = x->plans[i].definition.exact ? DTYPE_F32 : o->precision;
        for (const OpImpl *const *impl = node->op->on[DEVICE_CPU]; *impl; impl++) {
            if (!can_run(*impl, node, dtype)) continue;
            const bool preferred = o->implementation && !strcmp(o->implementation, (*impl)->name);
            if (!node->impl || preferred) node->impl = *impl;
            if (preferred) break;
        }
        if (!node->impl)
            return err_set(e, ERR_UNSUPPORTED, "%s: no way to compute %s here", node->name, node->op->name);
    }
    return 0;
}
