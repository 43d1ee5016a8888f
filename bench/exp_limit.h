/* The speed of exponentials in the L1 cache: in place, one thread. */
#ifndef BENCH_EXP_LIMIT_H
#define BENCH_EXP_LIMIT_H

#include <stdint.h>

#include "network/graph/op.h"

/* values[i] = exp(values[i] - 1); count a multiple of 16. */
typedef void ExpLimit(float *values, int64_t count);

ExpLimit *exp_limit_of(SimdLevel level);

#endif
