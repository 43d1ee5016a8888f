/* The body of a simd_level_*.c: the file has set the target and SIMD_LEVEL. */
#include "network/ops/simd.h"
#include "tests/support/simd_level.h"

static void level_exp(const float *x, float *y) { v_store(y, v_exp(v_load(x))); }
static void level_exp2_negative(const float *x, float *y) { v_store(y, v_exp2_negative(v_load(x))); }
static void level_sigmoid(const float *x, float *y) { v_store(y, v_sigmoid(v_load(x))); }
static void level_normal(const float *x, float *y) { v_store(y, v_normal(v_load(x), NULL)); }
static void level_exp2_product(const float *x, float *y) { v_store(y, v_exp2_product(v_load(x), v_set1(-0.7f))); }

static float level_sum(const float *x) { return v_sum(v_load(x)); }

static void level_softplus_log2(const float *x, float *y, float *slope)
{
    vf derivative;
    v_store(y, v_softplus_log2(v_load(x), &derivative));
    v_store(slope, derivative);
}

static void level_sum_each(const float *v, float *sums)
{
    const int n = SIMD_LANES;
    const vf4 each = v_sum_each(v_load(v), v_load(v + n), v_load(v + 2 * n), v_load(v + 3 * n));
    memcpy(sums, &each, sizeof each);
}

static void level_copy_first(const float *x, float *y, int count) { v_store_first(y, v_load_first(x, count), count); }

static void level_turn(float *square)
{
    vf rows[SIMD_LANES];
    memcpy(rows, square, sizeof rows);
    v_turn(rows);
    memcpy(square, rows, sizeof rows);
}

const SimdFunctions SIMD_NAME(simd_functions) = {
    SIMD_ID,       SIMD_LANES,          level_exp,      level_exp2_negative, level_exp2_product,
    level_sigmoid, level_softplus_log2, level_sum_each, level_sum,           level_copy_first,
    level_normal,  level_turn};
