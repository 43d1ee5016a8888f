/* network/ops/simd.h as one SIMD level compiles it, for tests: arrays in, arrays out. A test calls only levels
 * that the CPU has. This header is the interface; simd_level_body.h implements it, once for each level. */
#ifndef TESTS_SUPPORT_SIMD_LEVEL_H
#define TESTS_SUPPORT_SIMD_LEVEL_H

#include "network/graph/op.h"

typedef struct SimdFunctions {
    const char *name;
    SimdLevel level;
    int lanes;
    void (*exp)(const float *x, float *y); /* lanes floats each */
    void (*exp2_negative)(const float *x, float *y);
    void (*exp2_product)(const float *x, float *y); /* of x and -0.7 */
    void (*sigmoid)(const float *x, float *y);
    void (*softplus_log2)(const float *x, float *y, float *slope);
    void (*sum_each)(const float *four_vectors, float *sums);
    float (*sum)(const float *x);
    void (*copy_first)(const float *x, float *y, int count);
    void (*normal)(const float *x, float *y);
    void (*turn)(float *square); /* lanes vectors */
} SimdFunctions;

extern const SimdFunctions SIMD_ALL(simd_functions);

#endif
