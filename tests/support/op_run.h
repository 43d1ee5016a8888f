/* One op run by hand, outside an executor: every buffer stands between sentinels, pixels may lie apart,
 * and what an op must not read holds NaN.
 *
 *   OpRun r;
 *   assert_int_equal(op_run_new(&r, node, impl, options, &e), 0);
 *   op_run_set(r.in[0].data, &r.in[0], numbers);
 *   … r.node.impl->forward(&r.node, &step); op_run_get(…);
 *   assert_true(op_run_intact(&r));
 *   op_run_free(&r);
 * Owns all that it allocates; the node it is made after must outlive it. */
#ifndef TESTS_SUPPORT_OP_RUN_H
#define TESTS_SUPPORT_OP_RUN_H

#include "network/graph/op.h"

typedef struct OpRunOptions {
    int64_t gap;        /* floats between pixels, where the impl takes that */
    bool backward;      /* all gradients of float inputs and parameters are wanted */
    bool accumulate;    /* … added to what is there */
    int overwrite;      /* out[0] stands in this input's place; -1: none */
    int overwrite_grad; /* this input's gradient stands in out[0]'s place; -1: none */
} OpRunOptions;

enum { OP_RUN_BUFFERS = 3 * (NODE_INPUTS + NODE_OUTPUTS) + 2 * NODE_PARAMS + NODE_SAVED + 1 };

typedef struct Guarded {
    char *block, *start; /* sentinels fill the block around start … start + bytes */
    size_t bytes;
} Guarded;

typedef struct OpRun {
    Node node;
    Err failure;        /* the node's: what a library could not do */
    Tensor in[NODE_INPUTS], out[NODE_OUTPUTS];
    float *param[NODE_PARAMS];
    Guarded buffers[OP_RUN_BUFFERS];
    int buffer_count;
    bool prepared;
} OpRun;

/* like: a node of an executor. Fails as prepare does, or with ERR_NOMEM; then nothing is owned. */
int op_run_new(OpRun *r, const Node *like, const OpImpl *impl, OpRunOptions o, Err *e);
void op_run_free(OpRun *r);

/* Dense numbers into and out of data or a gradient laid out as t says. */
void op_run_set(void *data, const Tensor *t, const double *numbers);
void op_run_get(const void *data, const Tensor *t, double *numbers);

/* Whether all sentinels, around the buffers and between the pixels, are as they were. */
bool op_run_intact(const OpRun *r);

#endif
