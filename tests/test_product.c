/* Matrix products of our kernels, each SIMD level, against sums in double: sizes that fill no vector, block, chunk or
 * strip, either matrix transposed, gaps between rows, packed weights, a bias, added to what is there, in guarded memory,
 * and with the same bits for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "network/ops/product_kernel.h"
#include "tests/support/guarded.h"

enum { A, B, BIAS, C, PACKED, SCRATCH, BUFFERS, THREADS = 5 };

typedef struct ProductRun {
    const ProductKernel *kernel;
    DnnProduct m;
    int threads;
    Guarded buffer[BUFFERS];
} ProductRun;

static float *at(const ProductRun *r, int buffer) { return r->buffer[buffer].data; }

static int64_t extent(int64_t rows, int64_t columns, const int64_t strides[2])
{
    return (rows - 1) * strides[0] + (columns - 1) * strides[1] + 1;
}

static void run_new(ProductRun *r)
{
    const DnnProduct *m = &r->m;
    const int64_t counts[BUFFERS] = {extent(m->rows, m->depth, m->a_strides),
                                     extent(m->depth, m->columns, m->b_strides),
                                     m->columns,
                                     (m->rows - 1) * m->c_pitch + m->columns,
                                     (int64_t)(r->kernel->packed_bytes(m) / sizeof(float)),
                                     (int64_t)(r->kernel->scratch_bytes(m, r->threads) / sizeof(float))};
    for (int b = 0; b < BUFFERS; b++) {
        r->buffer[b] =
            b < PACKED ? guarded_random(counts[b], 4, (uint32_t)b) : guarded_unset((size_t)counts[b] * sizeof(float));
        assert_non_null(r->buffer[b].data);
    }
}

static void run_free(ProductRun *r)
{
    for (int b = 0; b < BUFFERS; b++) guarded_free(&r->buffer[b]);
}

static void run(const ProductRun *r)
{
    const DnnProduct *m = &r->m;
    if (m->weights) r->kernel->pack(m, r->threads, at(r, B), at(r, PACKED));
    r->kernel->run(m, r->threads, at(r, A), at(r, m->weights ? PACKED : B), m->bias ? at(r, BIAS) : NULL, at(r, C),
                   at(r, SCRATCH));
    for (int b = 0; b < BUFFERS; b++) assert_true(guarded_intact(&r->buffer[b]));
}

/* One element of C without what was there, and the sum of the sizes of its terms. */
static double product_at(const ProductRun *r, int64_t row, int64_t column, double *size)
{
    const DnnProduct *m = &r->m;
    double sum = m->bias ? (double)at(r, BIAS)[column] : 0;
    *size = fabs(sum);
    for (int64_t k = 0; k < m->depth; k++) {
        const double term = (double)at(r, A)[row * m->a_strides[0] + k * m->a_strides[1]] *
                            (double)at(r, B)[k * m->b_strides[0] + column * m->b_strides[1]];
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

static void compare(const ProductRun *r, const float *before)
{
    const DnnProduct *m = &r->m;
    for (int64_t i = 0; i < (int64_t)(r->buffer[C].bytes / sizeof(float)); i++) {
        const int64_t row = i / m->c_pitch, column = i % m->c_pitch;
        double size, expected;
        if (column >= m->columns) {
            assert_true(at(r, C)[i] == before[i]);
            continue;
        }
        expected = product_at(r, row, column, &size) + (m->accumulate ? (double)before[i] : 0);
        assert_true(fabs((double)at(r, C)[i] - expected) <= 1e-6 * (size + 1));
    }
}

static void check(const ProductKernel *kernel, DnnProduct m)
{
    ProductRun r = {.kernel = kernel, .m = m};
    Guarded first = {0};
    for (r.threads = 1; r.threads <= THREADS; r.threads++) {
        run_new(&r);
        Guarded before = guarded_copy(&r.buffer[C]);
        run(&r);
        if (!first.data) {
            compare(&r, before.data);
            first = guarded_copy(&r.buffer[C]);
        }
        assert_memory_equal(at(&r, C), first.data, first.bytes);
        guarded_free(&before);
        run_free(&r);
    }
    guarded_free(&first);
}

static void products_of_every_kernel(void **state)
{
    (void)state;
    static const DnnProduct products[] = {
        {1, 1, 1, {1, 1}, {1, 1}, 1, .bias = false},
        {7, 5, 3, {5, 1}, {3, 1}, 4, .bias = true},
        {50, 48, 96, {50, 1}, {1, 48}, 96, .weights = true, .bias = true},                          /* a linear layer */
        {1000, 9, 22, {9, 1}, {1, 9}, 22, .weights = true},                                         /* several strips */
        {21, 300, 101, {300, 1}, {1, 300}, 103, .weights = true, .bias = true, .accumulate = true}, /* chunks */
        {33, 130, 51, {130, 1}, {60, 1}, 51, .accumulate = true}, /* the gradient of the data */
        {45, 700, 30, {1, 47}, {31, 1}, 30, .bias = false},       /* the gradient of the weights */
        {5, 6, 70, {1, 5}, {1, 6}, 70, .bias = false},
    };
    for (const ProductKernel *const *kernel = product_kernels(); *kernel; kernel++)
        for (size_t i = 0; i < sizeof products / sizeof *products; i++) check(*kernel, products[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_of_every_kernel)};
    return cmocka_run_group_tests_name("product", tests, NULL, NULL);
}
