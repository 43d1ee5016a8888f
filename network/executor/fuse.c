#include "network/executor/fuse.h"

#include <string.h>

#include "base/memory.h"
#include "network/ops/fusions.h"

/* The nodes of a chain, by their index in x->plans. */
typedef struct Chain {
    int nodes[FUSE_CHAIN], length;
} Chain;

static int length_of(const OpFusion *f)
{
    int length = 0;
    while (length < FUSE_CHAIN && f->chain[length]) length++;
    return length;
}

/* The only reader of value v: the node, and in *place the index of its input. False if there are more or none. */
static bool only_reader(const Executor *x, int v, int *node, int *place)
{
    int readers = 0;
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = &x->plans[i].definition;
        for (int k = 0; d->op && k < d->input_count; k++) {
            if (d->inputs[k] != v) continue;
            *node = i;
            *place = k;
            readers++;
        }
    }
    return readers == 1;
}

/* Whether the fusion's chain starts at node `first`; if so, fills chain. */
static bool find_chain(const Executor *x, const OpFusion *f, int first, Chain *chain)
{
    *chain = (Chain){{first}, 1};
    if (x->plans[first].definition.op != f->chain[0]) return false;
    for (; chain->length < length_of(f); chain->length++) {
        const NodeDef *d = &x->plans[chain->nodes[chain->length - 1]].definition;
        int next, place;
        if (d->output_count != 1 || x->values[d->outputs[0]].requested) return false;
        if (!only_reader(x, d->outputs[0], &next, &place)) return false;
        if (x->plans[next].definition.op != f->chain[chain->length]) return false;
        if (!(f->at[chain->length] >> place & 1)) return false;
        chain->nodes[chain->length] = next;
    }
    return true;
}

/* Joins the definitions of a chain into one. False if it would have too many inputs or parameters for a node. */
static bool join(const Executor *x, const OpFusion *f, const Chain *chain, NodeDef *whole)
{
    const NodeDef *last = &x->plans[chain->nodes[chain->length - 1]].definition;
    *whole = (NodeDef){.op = f->fused, .name = last->name, .output_count = last->output_count, .exact = last->exact};
    memcpy(whole->outputs, last->outputs, sizeof whole->outputs);
    int inside = -1;
    for (int i = 0; i < chain->length; i++) {
        const NodeDef *d = &x->plans[chain->nodes[i]].definition;
        if (whole->input_count + d->input_count > NODE_INPUTS || whole->param_count + d->param_count > NODE_PARAMS)
            return false;
        for (int k = 0; k < d->input_count; k++)
            if (d->inputs[k] != inside) whole->inputs[whole->input_count++] = d->inputs[k];
        for (int k = 0; k < d->param_count; k++) whole->params[whole->param_count++] = d->params[k];
        inside = d->outputs[0];
    }
    return true;
}

/* Replaces the last node of the chain by the fused node. The others get op NULL, and are removed later. */
static int merge_chain(Executor *x, const OpFusion *f, const Chain *chain, bool train, bool *merged, Err *e)
{
    const void *attrs[FUSE_CHAIN];
    NodeDef whole;
    *merged = false;
    if (!join(x, f, chain, &whole)) return 0;
    for (int i = 0; i < chain->length; i++) attrs[i] = x->plans[chain->nodes[i]].definition.attr;
    void *attr = mem_zalloc(1, f->attr_bytes, e);
    if (!attr) return ERR_NOMEM;
    *merged = f->merge(attr, attrs, train);
    if (!*merged) {
        mem_free(attr);
        return 0;
    }
    for (int i = 0; i < chain->length; i++) x->plans[chain->nodes[i]].definition.op = NULL;
    NodePlan *place = &x->plans[chain->nodes[chain->length - 1]];
    whole.attr = place->fused_attr = attr;
    place->definition = whole;
    return 0;
}

static int fuse_from(Executor *x, int first, bool train, Err *e)
{
    bool merged = false;
    for (const OpFusion *const *f = op_fusions; !merged && *f; f++) {
        Chain chain;
        if (find_chain(x, *f, first, &chain)) TRY(merge_chain(x, *f, &chain, train, &merged, e));
    }
    return 0;
}

static void drop_merged(Executor *x)
{
    int count = 0;
    for (int i = 0; i < x->node_count; i++)
        if (x->plans[i].definition.op) x->plans[count++] = x->plans[i];
    x->node_count = count;
}

int fuse_nodes(Executor *x, bool train, Err *e)
{
    for (int i = 0; i < x->node_count; i++)
        if (x->plans[i].definition.op) TRY(fuse_from(x, i, train, e));
    drop_merged(x);
    return 0;
}
