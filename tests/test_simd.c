/* network/ops/simd.h at each SIMD level that this CPU has, against double precision: errors in units in the last
 * place, values at the ends of the range, tails that must not be accessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "network/executor/executor.h"
#include "tests/support/simd_level.h"

enum { LANES = 16, SAMPLES = 1 << 16 };

static const SimdFunctions *const *levels(void)
{
    static const SimdFunctions *const all[] = {SIMD_ADDRESSES(simd_functions), NULL};
    const SimdFunctions *const *first = all;
    while ((*first)->level > simd_level()) first++;
    return first;
}

static double softplus_log2(double x) { return log1p(exp2(-fabs(x))) + (x > 0 ? x * log(2) : 0); }
static double slope_log2(double x) { return 1 / (1 + exp2(-x)); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double normal(double x) { return 0.5 * erfc(-x / sqrt(2)); }
static double product(double x) { return exp2(x * (double)-0.7f); }

/* The largest error of f from low to high in ulp of the right value, which may be denormal. */
static void assert_ulp(const char *what, const SimdFunctions *level, void (*f)(const float *, float *),
                       double (*right)(double), double low, double high, double bound)
{
    for (int i = 0; i < SAMPLES; i += level->lanes) {
        float x[LANES], y[LANES];
        for (int k = 0; k < level->lanes; k++) x[k] = (float)(low + (high - low) * (i + k) / SAMPLES);
        f(x, y);
        for (int k = 0; k < level->lanes; k++) {
            const double value = right((double)x[k]);
            int exponent;
            frexp(fmax(fabs(value), (double)FLT_MIN), &exponent);
            const double error = fabs((double)y[k] - value) / ldexp(1, exponent - 24);
            if (!(error <= bound))
                fail_msg("%s %s(%g) = %g: %g ulp", level->name, what, (double)x[k], (double)y[k], error);
        }
    }
}

static const SimdFunctions *current; /* for the two results of softplus */
static void softplus_of(const float *x, float *y)
{
    float slope[LANES];
    current->softplus_log2(x, y, slope);
}
static void slope_of(const float *x, float *y)
{
    float value[LANES];
    current->softplus_log2(x, value, y);
}

static void test_functions(void **state)
{
    (void)state;
    for (const SimdFunctions *const *l = levels(); *l; l++) {
        current = *l;
        assert_ulp("exp", *l, (*l)->exp, exp, -103, 88.7, 1.5);
        assert_ulp("exp", *l, (*l)->exp, exp, -0.1, 0.1, 1.5);
        assert_ulp("exp2_negative", *l, (*l)->exp2_negative, exp2, -126, 0, 1.2);
        assert_ulp("exp2_negative", *l, (*l)->exp2_negative, exp2, -0.02, 0, 0.6);
        assert_ulp("exp2_product", *l, (*l)->exp2_product, product, 0, 1.4, 1.7);
        assert_ulp("sigmoid", *l, (*l)->sigmoid, sigmoid, -87, 40, 3.5);
        assert_ulp("normal", *l, (*l)->normal, normal, -1, 9, 8);
        assert_ulp("normal", *l, (*l)->normal, normal, -5, -1, 16);
        assert_ulp("normal", *l, (*l)->normal, normal, -12, -5, 70);
        assert_ulp("softplus_log2", *l, softplus_of, softplus_log2, -125, 40, 3);
        assert_ulp("softplus_log2", *l, softplus_of, softplus_log2, -4, 4, 3);
        assert_ulp("slope", *l, slope_of, slope_log2, -125, 40, 3);
    }
}

static float at(void (*f)(const float *, float *), float x)
{
    float all[LANES], y[LANES];
    for (int k = 0; k < LANES; k++) all[k] = x;
    f(all, y);
    return y[0];
}

static void test_ends(void **state)
{
    (void)state;
    for (const SimdFunctions *const *l = levels(); *l; l++) {
        current = *l;
        assert_true(at((*l)->exp, 0) == 1 && at((*l)->exp2_negative, 0) == 1);
        assert_true(at((*l)->exp, 1e30f) == INFINITY && at((*l)->exp, -INFINITY) == 0);
        assert_true(isnan(at((*l)->exp, NAN)) && isnan(at((*l)->sigmoid, NAN)) && isnan(at(softplus_of, NAN)));
        assert_true(fabsf(at((*l)->exp2_product, 1e17f)) <= FLT_MIN);
        assert_true(at((*l)->sigmoid, 1e30f) == 1 && at((*l)->sigmoid, -1e30f) == 0);
        assert_true(at(softplus_of, -1e17f) <= FLT_MIN && at(slope_of, -1e17f) <= FLT_MIN);
        assert_true(at(slope_of, 1e17f) == 1);
    }
}

static void test_sums_and_tails(void **state)
{
    (void)state;
    for (const SimdFunctions *const *l = levels(); *l; l++) {
        const int lanes = (*l)->lanes;
        float v[4 * LANES], sums[4], copy[LANES];
        for (int i = 0; i < 4 * lanes; i++) v[i] = (float)((i * i + 3) % 101);
        (*l)->sum_each(v, sums);
        for (int k = 0; k < 4; k++) {
            float right = 0;
            for (int i = 0; i < lanes; i++) right += v[k * lanes + i];
            assert_true(sums[k] == right && (*l)->sum(v + k * lanes) == right);
        }
        for (int count = 0; count <= lanes; count++) {
            for (int i = 0; i < lanes; i++) copy[i] = -1;
            (*l)->copy_first(v, copy, count);
            for (int i = 0; i < lanes; i++) assert_true(copy[i] == (i < count ? v[i] : -1));
        }
    }
}

static void test_turn(void **state)
{
    (void)state;
    for (const SimdFunctions *const *l = levels(); *l; l++) {
        const int lanes = (*l)->lanes;
        float square[LANES * LANES];
        for (int i = 0; i < lanes * lanes; i++) square[i] = (float)i;
        (*l)->turn(square);
        for (int i = 0; i < lanes * lanes; i++) assert_true(square[i] == (float)(i % lanes * lanes + i / lanes));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_sums_and_tails),
        cmocka_unit_test(test_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
