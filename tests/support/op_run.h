/* One op run by hand, outside an executor: every buffer is between sentinels, there may be gaps between pixels, and
 * memory that an op must not read contains NaN.
 *
 *   OpRun r;
 *   assert_int_equal(op_run_new(&r, node, impl, options, &e), 0);
 *   op_run_set(r.in[0].data, &r.in[0], numbers);
 *   assert_int_equal(op_run_pass(&r, OP_FORWARD, &step, &e), 0); op_run_get(…);
 *   assert_true(op_run_intact(&r));
 *   op_run_free(&r);
 * On a device with its own memory each pass copies the tensors and parameters there and back; saved, packed and scratch
 * memory are only there.
 * Owns everything that it allocates; the node that it is created from must outlive it. */
#ifndef TESTS_SUPPORT_OP_RUN_H
#define TESTS_SUPPORT_OP_RUN_H

#include "network/graph/node_regions.h"
#include "tests/support/guarded.h"

typedef struct OpRunOptions {
    int64_t gaps[3];          /* values between pixels, if the implementation supports that: of tensor i of inputs and
                                 then outputs gaps[i % 3] */
    bool whole_vectors;       /* … and more, up to a multiple of 8 values from pixel to pixel */
    bool shifted;             /* these tensors begin 4 bytes after an aligned address, as parts of others may */
    bool shifted_params;      /* the gradients of parameters do, as those of an executor may */
    bool backward;            /* computes the gradients of the float inputs and of the parameters */
    uint32_t accumulate;      /* … and adds those of these inputs (bits) to existing values */
    int overwrite;            /* out[0] overwrites this input in place; -1: none */
    int overwrite_grad;       /* the gradient of this input overwrites that of out[0] in place; -1: none */
    const Device *device;     /* NULL: the CPU */
    bool float_in, float_out; /* in[0], out[0] are float32, for an implementation that mixes types */
    uint32_t unwanted;        /* inputs (bits) without a gradient */
    uint32_t unseeded;        /* outputs (bits) without a gradient, of which nothing comes back */
    uint32_t untrained;       /* parameters (bits) without a gradient */
} OpRunOptions;

enum { OP_RUN_BUFFERS = 3 * (NODE_INPUTS + NODE_OUTPUTS) + 2 * NODE_PARAMS + NODE_SAVED + 2 };

/* A buffer's memory on a device with its own memory. */
typedef struct OpBuffer {
    void *memory;
    bool copied; /* to the device before a pass, and back after it */
} OpBuffer;

typedef struct OpRun {
    Node node;
    Err failure; /* of the node: failures of libraries */
    Tensor in[NODE_INPUTS], out[NODE_OUTPUTS];
    float *param[NODE_PARAMS];
    Guarded buffers[OP_RUN_BUFFERS];
    OpBuffer there[OP_RUN_BUFFERS];
    int buffer_count;
    bool prepared;
    const Device *device; /* NULL: the CPU */
} OpRun;

/* like: a node of an executor. Fails as prepare does, or with ERR_NOMEM; then nothing is owned. */
int op_run_new(OpRun *r, const Node *like, const OpImpl *impl, OpRunOptions o, Err *e);
void op_run_free(OpRun *r);

/* One of the implementation's functions. Fails: as the device does; with the node's failure. */
int op_run_pass(OpRun *r, OpPass pass, const Step *step, Err *e);

/* Copy dense values into or out of data or a gradient with the layout of t. */
void op_run_set(void *data, const Tensor *t, const double *numbers);
void op_run_get(const void *data, const Tensor *t, double *numbers);

/* Whether all sentinels, around the buffers and between the pixels, are unchanged. */
bool op_run_intact(const OpRun *r);

#endif
