/* A step of an optimizer, for tests; returns the norm of the gradients. */
#ifndef TESTS_SUPPORT_STEPPED_H
#define TESTS_SUPPORT_STEPPED_H

#include <math.h>

#include "network/optimizer/optimizer.h"

/* Returns -1 on failure. */
static inline double stepped(Optimizer *o, double learning_rate)
{
    double norm;
    return optimizer_step(o, learning_rate, NULL, NULL) || optimizer_norm(o, &norm, NULL) ? -1 : norm;
}

#endif
