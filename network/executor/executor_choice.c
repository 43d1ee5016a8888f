/* Chooses the type of each value and the implementation of each node.
 *
 * With precision bfloat16 all values are bfloat16, with these exceptions, which are float32:
 * - the graph's inputs;
 * - inputs and outputs of exact nodes, and of ops without a bfloat16 implementation (the loss);
 * - requested outputs of ops that can write float32 (convolutions): so logits are not rounded.
 * Some implementations (convolutions, linear layers) accept float32 and bfloat16 tensors together (OpImpl.mixes). A
 * node without such an implementation that has a float32 tensor is computed in float32 as a whole. So after an exact
 * residual block the sums of the following blocks are float32, too. */
#include <stdio.h>
#include <string.h>

#include "base/simd_level.h"
#include "network/device/ranks.h"
#include "network/executor/executor_internal.h"
#include "network/ops/onednn.h"

/* The next implementation of node i, from index *k of its list on, whose prepare has not failed. Sets *k to the index
 * after it. NULL: there is none. */
static const OpImpl *next_impl(const Executor *x, int i, int *k)
{
    const OpImpl *const *list = x->nodes[i].op->on[x->device->kind];
    while (list && list[*k] && mask_has(x->plans[i].refused, *k)) ++*k;
    return list && list[*k] ? list[(*k)++] : NULL;
}

static bool mixes(const Executor *x, int i)
{
    const OpImpl *impl;
    for (int k = 0; (impl = next_impl(x, i, &k));)
        if (impl->mixes) return true;
    return false;
}

/* Whether the implementation supports the types of the node's tensors. Label tensors (int16) are not checked. */
static bool takes_types(const OpImpl *impl, const Node *node)
{
    for (int k = 0; k < node->input_count; k++)
        if (node->in[k]->dtype != impl->dtype && node->in[k]->dtype != DTYPE_I16 && !(impl->mixes && k == 0))
            return false;
    for (int k = 0; k < node->output_count; k++)
        if (node->out[k]->dtype != impl->dtype && !(impl->mixes && k == 0)) return false;
    return true;
}

static bool fits(const Executor *x, int i, DType precision)
{
    const OpImpl *impl;
    for (int k = 0; (impl = next_impl(x, i, &k));)
        if (impl->dtype == precision && takes_types(impl, &x->nodes[i])) return true;
    return false;
}

static void make_float(Tensor *t)
{
    if (t->dtype != DTYPE_I16) t->dtype = DTYPE_F32;
}

static void make_exact(Executor *x, int i)
{
    Node *node = &x->nodes[i];
    x->plans[i].exact = true;
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
        if (producer >= 0 && mixes(x, producer)) x->tensors[v].dtype = DTYPE_F32;
    }
    for (int i = 0; i < x->node_count; i++)
        if (x->plans[i].definition.exact) make_exact(x, i);
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < x->node_count; i++) {
            if (x->plans[i].exact || fits(x, i, precision)) continue;
            make_exact(x, i);
            changed = true;
        }
    }
}

bool executor_supports(DType precision, const Device *device)
{
    if (!device) device = device_cpu();
    return device->supports(device, precision);
}

static bool can_run(const OpImpl *impl, const Node *node, DType dtype)
{
    return impl->dtype == dtype && impl->level <= simd_level() && takes_types(impl, node) &&
           (!impl->supports || impl->supports(node));
}

/* The first implementation of node i that can run; one with the requested name is preferred. NULL: there is none. */
static const OpImpl *choose(const Executor *x, int i, const ExecutorOptions *o)
{
    const DType dtype = x->plans[i].exact ? DTYPE_F32 : o->precision;
    const OpImpl *impl, *first = NULL;
    for (int k = 0; (impl = next_impl(x, i, &k));) {
        if (!can_run(impl, &x->nodes[i], dtype)) continue;
        if (o->implementation && !strcmp(o->implementation, impl->name)) return impl;
        if (!first) first = impl;
    }
    return first;
}

int executor_choose(Executor *x, const ExecutorOptions *o, const Err *refusal, Err *e)
{
    if (!executor_supports(o->precision, x->device))
        return err_set(e, ERR_UNSUPPORTED, "the device %s does not compute in %s", x->device->name,
                       dtype_name(o->precision));
    for (int i = 0; i < x->node_count; i++) x->plans[i].exact = x->plans[i].definition.exact;
    if (o->precision != DTYPE_F32) settle_types(x, o->precision);
    for (int i = 0; i < x->node_count; i++) {
        Node *node = &x->nodes[i];
        node->impl = choose(x, i, o);
        if (!node->impl)
            return err_set(e, ERR_UNSUPPORTED, "%s: no implementation of %s can run here%s%s", node->name,
                           node->op->name, *refusal->text ? ": " : "", refusal->text);
    }
    return 0;
}

void executor_refuse(Executor *x, int i)
{
    Node *node = &x->nodes[i];
    int k = 0;
    while (node->op->on[x->device->kind][k] != node->impl) k++;
    x->plans[i].refused |= 1u << k;
}

const char *executor_engine(char text[EXECUTOR_ENGINE_BYTES])
{
    char library[DNN_VERSION_BYTES];
    dnn_version(library);
    snprintf(text, EXECUTOR_ENGINE_BYTES, "SIMD level %s, %s", simd_level_name(simd_level()), library);
    return text;
}

const char *executor_build(char text[EXECUTOR_BUILD_BYTES])
{
    char engine[EXECUTOR_ENGINE_BYTES];
    const char *gpu = !device_cuda ? "not in this build (make CUDA=1)"
                      : ranks_cuda ? "CUDA, NCCL"
                                   : "CUDA without NCCL";
    snprintf(text, EXECUTOR_BUILD_BYTES, "%s\nGPU: %s", executor_engine(engine), gpu);
    return text;
}
