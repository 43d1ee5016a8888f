/* A network of the goldens: weights and input have the rule's values. */
#ifndef TESTS_SUPPORT_REFERENCE_NETWORK_H
#define TESTS_SUPPORT_REFERENCE_NETWORK_H

#include "network/executor/executor.h"
#include "network/models/network.h"
#include "tests/support/golden.h"

typedef struct ReferenceNetwork {
    NetworkSpec spec;
    Graph *graph;
    Parameters *parameters;
    Ref heads[NETWORK_HEADS], loss;
    int head_count;
    Shape input;
} ReferenceNetwork;

/* name starts with U, D or P and an underscore ("D_1x1x64x64") or is the official class name; shape is
 * (B,C,H,W); classes of the logits. prefix NULL: parameters stay zero. */
int reference_network_open(ReferenceNetwork *r, const char *name, const int64_t *shape_nchw, int64_t classes,
                           const char *prefix, Err *e);
/* As above from a filled spec (narrow networks). */
int reference_network_build(ReferenceNetwork *r, const NetworkSpec *spec, int64_t batch, const char *prefix, Err *e);
/* The spec of a narrow network: our name; "dims" and "depths" of the manifest's entry; (B,C,H,W); classes. Drop path
 * is off: the references run in evaluation mode, and nothing else differs from training. */
int reference_network_spec(NetworkSpec *spec, const char *name, const DocNode *entry, const int64_t *shape_nchw,
                           int64_t classes, Err *e);
void reference_network_close(ReferenceNetwork *r);

const char *reference_network_name(const char *golden_name); /* our name for U, D, P or an official class; NULL */

/* Where networks run: $SWIN_UMAMBA_TEST_DEVICE, else the CPU. NULL with e filled. */
const Device *reference_device(Err *e);

/* Feed the rule's input, (B,C,H,W) in the rule, to an executor's image, and the rule's labels. */
int reference_fill_image(Executor *x, const char *prefix, const char *rule_name, Err *e);
int reference_fill_labels(Executor *x, const char *prefix, const char *rule_name, int classes, Err *e);

/* A value of an executor of the CPU, or an output of an executor, as dense (N,C,H,W); owned by the caller (mem_free).
 * NULL with e filled. */
float *reference_nchw(const Tensor *t, bool grad, Err *e);
float *reference_output(Executor *x, int index, Err *e);

/* Compares an output with a golden (N,C,H,W) by the rule for forward values. */
void reference_expect(Golden *g, const char *name, Executor *x, int index, const Array *expected,
                      const DocNode *record);
/* Compares the heads with a manifest's outputs, a list of files; in bfloat16 by relative L2 error. */
void reference_expect_heads(Golden *g, Executor *x, bool bf16, const DocNode *outputs, Err *e);

#endif
