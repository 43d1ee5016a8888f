/* The common functions of golden_ops.c and golden_ops_special.c, which runs the cases that are not graphs (loss,
 * optimiser, scan …). */
#ifndef TESTS_SUPPORT_GOLDEN_OPS_H
#define TESTS_SUPPORT_GOLDEN_OPS_H

#include "tests/support/gold.h"
#include "tests/support/golden.h"

/* Runs the case if its op is one of the special ones; false if it is not. */
bool golden_ops_special(Golden *g, const char *op, const DocNode *c, const Gold *gold, Err *e);

/* Norm of all gradients in the bundle together. */
double golden_ops_total_norm(const Gold *gold);

/* By the rule for gradients; relative bound max(floor, 8 × noise). */
void golden_ops_compare_gradient(Golden *g, const char *record, const float *found, const Gold *gold, const DocNode *c,
                                 double floor);

#endif
