/* dW = dYᵀ X against sums in double: with one and several pieces, direct and transposed (by oneDNN, with AVX-512), with gaps
 * between rows. */
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/ops/weight_product.h"

static float *random_rows(int64_t rows, int64_t pitch, uint32_t seed)
{
    Rng rng = rng_make(seed, 0, 0, 0, RNG_TEST);
    float *values = mem_alloc((size_t)(rows * pitch) * sizeof *values, NULL);
    assert_non_null(values);
    for (int64_t i = 0; i < rows * pitch; i++) values[i] = (float)rng_normal(&rng);
    return values;
}

static void compare(const WeightOperands *o, const float *dy, const float *x, const float *dw)
{
    for (int64_t i = 0; i < o->out_channels; i++)
        for (int64_t k = 0; k < o->in_channels; k++) {
            double sum = 0, size = 0;
            for (int64_t p = 0; p < o->pixels; p++) {
                const double term = (double)dy[p * o->dy_pitch + i] * (double)x[p * o->x_pitch + k];
                sum += term;
                size += fabs(term);
            }
            assert_true(fabs(dw[i * o->in_channels + k] - sum) <= 1e-6 * size);
        }
}

/* pieces, turned: what is expected of oneDNN's products. */
static void check(WeightOperands o, int threads, int pieces, bool turned)
{
    const bool own = product_is_own(o.dtype);
    WeightProduct w;
    Err e = {0};
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    assert_int_equal(weight_product_new(&w, &o, &e), 0);
    assert_int_equal(w.pieces, own ? 1 : pieces);
    assert_int_equal(w.turned, turned && !own);
    float *dy = random_rows(o.pixels, o.dy_pitch, 1), *x = random_rows(o.pixels, o.x_pitch, 2);
    float *dw = random_rows(o.out_channels, o.in_channels, 3);
    void *scratch = mem_alloc(weight_product_scratch(&w), NULL);
    weight_product_run(&w, dy, x, dw, scratch, &e);
    assert_int_equal(e.code, 0);
    compare(&o, dy, x, dw);
    weight_product_free(&w);
    mem_free(dy);
    mem_free(x);
    mem_free(dw);
    mem_free(scratch);
    omp_set_num_threads(before);
}

static void gradients_are_sums_over_all_pixels(void **state)
{
    (void)state;
    const WeightOperands wide = {6400, 40, 23, 40, 23, DTYPE_F32, DTYPE_F32, DTYPE_F32};
    const WeightOperands narrow = {6400, 19, 33, 24, 47, DTYPE_F32, DTYPE_F32, DTYPE_F32};
    WeightOperands odd = wide, few = narrow;
    odd.pixels = 6402;
    few.pixels = 35;
    check(wide, 1, 1, true);
    check(wide, 2, 4, true);
    check(narrow, 1, 1, false);
    check(narrow, 2, 4, false);
    check(odd, 2, 2, true);
    check(few, 2, 1, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_sums_over_all_pixels)};
    return cmocka_run_group_tests_name("weight_product", tests, NULL, NULL);
}
