/* The gradient of the weights of Winograd's convolution, each SIMD level, without the op: against sums in double precision,
 * for images and channels that fill no tile, vector or group, with several groups, strips and pieces, in guarded memory,
 * and with the same bits for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "network/ops/winograd.h"
#include "tests/support/guarded.h"

enum { X, DY, DW, SCRATCH, BUFFERS, TAPS = 9 };

typedef struct Run {
    WinogradShape shape;
    Guarded buffer[BUFFERS];
} Run;

static float *at(const Run *r, int buffer) { return r->buffer[buffer].data; }

static void run_new(Run *r, const WinogradKernel *kernel)
{
    const Shape in = r->shape.in;
    const int64_t pixels = in.n * in.h * in.w, out = r->shape.out_channels;
    const int64_t counts[BUFFERS] = {pixels * in.c, pixels * out, in.c * out * TAPS,
                                     (int64_t)(kernel->weights_scratch_bytes(&r->shape) / sizeof(float))};
    for (int b = 0; b < BUFFERS; b++) {
        r->buffer[b] =
            b < DW ? guarded_random(counts[b], 5, (uint32_t)b) : guarded_unset((size_t)counts[b] * sizeof(float));
        assert_non_null(r->buffer[b].data);
    }
}

static void run(Run *r, const WinogradKernel *kernel)
{
    kernel->weights(&r->shape, at(r, X), at(r, DY), at(r, DW), at(r, SCRATCH));
    for (int b = 0; b < BUFFERS; b++) assert_true(guarded_intact(&r->buffer[b]));
}

static void run_free(Run *r)
{
    for (int b = 0; b < BUFFERS; b++) guarded_free(&r->buffer[b]);
}

/* Σ over the pixels of dy times the input at the tap. */
static double gradient(const Run *r, int64_t o, int64_t i, int64_t tap)
{
    const Shape in = r->shape.in;
    double sum = 0;
    for (int64_t p = 0; p < in.n * in.h * in.w; p++) {
        const int64_t image = p / (in.h * in.w), y = p / in.w % in.h + tap / 3 - 1, x = p % in.w + tap % 3 - 1;
        if (y < 0 || y >= in.h || x < 0 || x >= in.w) continue;
        sum += (double)at(r, DY)[p * r->shape.out_channels + o] *
               (double)at(r, X)[((image * in.h + y) * in.w + x) * in.c + i];
    }
    return sum;
}

/* Compares some weights, the first and the last among them. */
static void compare(const char *level, const Run *r)
{
    const int64_t in = r->shape.in.c, all = r->shape.out_channels * in * TAPS, step = all > 1000 ? all / 1000 : 1;
    double largest = 0, error = 0;
    for (int64_t k = 0; k < all; k += step) {
        const int64_t weight = all - 1 - k;
        const double expected = gradient(r, weight / TAPS / in, weight / TAPS % in, weight % TAPS);
        const float found = at(r, DW)[weight];
        assert_true(isfinite(found));
        largest = fmax(largest, fabs(expected));
        error = fmax(error, fabs((double)found - expected));
    }
    if (error > 3e-6 * largest) fail_msg("%s: error %g of values up to %g", level, error, largest);
}

static void check(const WinogradKernel *kernel, Run r)
{
    Guarded first = {0};
    for (r.shape.threads = 1; r.shape.threads <= 3; r.shape.threads++) {
        run_new(&r, kernel);
        run(&r, kernel);
        if (!first.data) {
            compare(kernel->name, &r);
            first = guarded_copy(&r.buffer[DW]);
        }
        assert_memory_equal(at(&r, DW), first.data, first.bytes);
        run_free(&r);
    }
    guarded_free(&first);
}

static void test_levels(void **state)
{
    static const Run runs[] = {
        {.shape = {{1, 1, 1, 1}, 1, 1}},      /* less than a tile */
        {.shape = {{2, 5, 3, 7}, 3, 1}},      /* tails of everything */
        {.shape = {{1, 16, 24, 48}, 96, 1}},  /* whole tiles and groups */
        {.shape = {{3, 25, 38, 33}, 20, 1}},  /* several strips and pieces */
        {.shape = {{1, 9, 14, 100}, 17, 1}},  /* several groups of inputs */
        {.shape = {{1, 6, 11, 16}, 210, 1}},  /* several groups of outputs */
        {.shape = {{2, 41, 43, 50}, 110, 1}}, /* several of both, and pieces */
    };
    (void)state;
    for (const WinogradKernel *const *kernel = winograd_kernels(); *kernel; kernel++)
        for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) check(*kernel, runs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels)};
    return cmocka_run_group_tests_name("winograd weights", tests, NULL, NULL);
}
