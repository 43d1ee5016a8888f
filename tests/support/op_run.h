/* One op run by hand, outside an executor: every buffer is between sentinels, there may be gaps between pixels, and
 * memory that an op must not read contains NaN.
 *
 *   OpRun r;
 *   assert_int_equal(op_run_new(&r, node, impl, options, &e), 0);
 *   op_run_set(r.in[0].data, &r.in[0], numbers);
 *   … r.node.impl->forward(&r.node, &step); op_run_get(…);
 *   assert_true(op_run_intact(&r));
 *   op_run_free(&r);
 * Owns everything that it allocates; the node that it is created from must outlive it. */
#ifndef TESTS_SUPPORT_OP_RUN_H
#define TESTS_SUPPORT_OP_RUN_H

#include "network/graph/op.h"
#include "tests/support/guarded.h"

typedef struct OpRunOptions {
    int64_t gap;        /* floats between pixels, if the implementation supports that */
    bool backward;      /* computes the gradients of all float inputs and parameters */
    bool accumulate;    /* … and adds them to existing values */
    int overwrite;      /* out[0] overwrites this input in place; -1: none */
    int overwrite_grad; /* the gradient of this input overwrites that of out[0] in place; -1: none */
} OpRunOptions;

enum { OP_RUN_BUFFERS = 3 * (NODE_INPUTS + NODE_OUTPUTS) + 2 * NODE_PARAMS + NODE_SAVED + 2 };

typedef struct OpRun {
    Node node;
    Err failure; /* of the node: failures of libraries */
    Tensor in[NODE_INPUTS], out[NODE_OUTPUTS];
    float *param[NODE_PARAMS];
    Guarded buffers[OP_RUN_BUFFERS];
    int buffer_count;
    bool prepared;
} OpRun;

/* like: a node of an executor. Fails as prepare does, or with ERR_NOMEM; then nothing is owned. */
int op_run_new(OpRun *r, const Node *like, const OpImpl *impl, OpRunOptions o, Err *e);
void op_run_free(OpRun *r);

/* Copy dense values into or out of data or a gradient with the layout of t. */
void op_run_set(void *data, const Tensor *t, const double *numbers);
void op_run_get(const void *data, const Tensor *t, double *numbers);

/* Whether all sentinels, around the buffers and between the pixels, are unchanged. */
bool op_run_intact(const OpRun *r);

#endif
