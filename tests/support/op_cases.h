/* The table of op cases. A new op adds to op_cases.c: its equation in double precision (the reference for the kernels),
 * a function that builds it in a graph, and a row for each kind of case. Tensors are dense N,H,W,C. */
#ifndef TESTS_SUPPORT_OP_CASES_H
#define TESTS_SUPPORT_OP_CASES_H

#include "network/graph/op.h"
#include "network/ops/ops.h"

typedef struct OpReference {
    Shape in_shape[NODE_INPUTS], out_shape[NODE_OUTPUTS];
    const double *in[NODE_INPUTS], *param[NODE_PARAMS];
    double *out[NODE_OUTPUTS];
    double number;    /* slope, factor, channels: the op's one argument, if it has one */
    const void *spec; /* a struct of further arguments, if it has some: Conv, DiceCE … */
} OpReference;

typedef void OpReferenceFunction(const OpReference *r);

/* Of the inputs: away from 0 and different, where gradients exist; around 96; multiples of 1/4, of which many are equal and
 * some are 0: for an op whose gradient is 0 (TIED), or the mean of both sides' (EQUAL); with more digits than bfloat16 and TF32
 * have, where all others are exact. */
typedef enum OpValues { VALUES_DRAWN, VALUES_FAR, VALUES_TIED, VALUES_EQUAL, VALUES_LONG } OpValues;

typedef struct OpCase OpCase;
struct OpCase {
    const char *name;
    /* Adds the op, one node, to the graph. */
    void (*build)(Graph *g, const OpCase *c, const Ref *in, Ref *outputs);
    OpReferenceFunction *reference;
    Shape in[NODE_INPUTS];
    double number;
    const void *spec;
    int labels; /* in[1] holds labels -1 … labels - 1; 0: it does not */
    int64_t macs;
    OpValues values;
    bool brief;        /* takes long on an emulated GPU, which then leaves out what other cases of the op show, too */
    uint32_t unseeded; /* outputs (bits) without a gradient */
    double scale;      /* 0, or a power of 2: they are multiplied by it */
};

/* Ends with a case without a name. */
extern const OpCase op_cases[];

#endif
