/* Winograd's kernels, each SIMD level, without the op (tests/test_ops.c tests the op and its gradients): against the
 * convolution in double precision, for images and channels that fill no tile, vector, block or chunk, with a bias, added
 * to what is there, with rotated weights, in guarded memory, and with the same bits for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "network/ops/winograd.h"
#include "tests/support/guarded.h"

enum { X, WEIGHTS, BIAS, Y, PACKED, SCRATCH, BUFFERS, TAPS = 9 };

typedef struct WinogradRun {
    WinogradShape shape;
    bool turned, bias, accumulate;
    Guarded buffer[BUFFERS];
} WinogradRun;

static float *at(const WinogradRun *r, int buffer) { return r->buffer[buffer].data; }

static void run_new(WinogradRun *r, const WinogradKernel *kernel)
{
    const Shape in = r->shape.in;
    const int64_t pixels = in.n * in.h * in.w, out = r->shape.out_channels;
    const int64_t counts[BUFFERS] = {pixels * in.c,
                                     in.c * out * TAPS,
                                     out,
                                     pixels * out,
                                     (int64_t)(kernel->packed_bytes(&r->shape) / sizeof(float)),
                                     (int64_t)(kernel->scratch_bytes(&r->shape) / sizeof(float))};
    for (int b = 0; b < BUFFERS; b++) {
        r->buffer[b] =
            b < PACKED ? guarded_random(counts[b], 3, (uint32_t)b) : guarded_unset((size_t)counts[b] * sizeof(float));
        assert_non_null(r->buffer[b].data);
    }
}

static void run_free(WinogradRun *r)
{
    for (int b = 0; b < BUFFERS; b++) guarded_free(&r->buffer[b]);
}

static void run(const WinogradRun *r, const WinogradKernel *kernel)
{
    const WinogradValues values = {at(r, X), at(r, PACKED), r->bias ? at(r, BIAS) : NULL, at(r, Y), r->accumulate};
    kernel->pack(&r->shape, at(r, WEIGHTS), r->turned, at(r, PACKED));
    kernel->run(&r->shape, &values, at(r, SCRATCH));
    for (int b = 0; b < BUFFERS; b++) assert_true(guarded_intact(&r->buffer[b]));
}

static double weight_at(const WinogradRun *r, int64_t o, int64_t i, int64_t tap)
{
    const int64_t out = r->shape.out_channels, in = r->shape.in.c;
    return (double)at(r, WEIGHTS)[r->turned ? (i * out + o) * TAPS + TAPS - 1 - tap : (o * in + i) * TAPS + tap];
}

/* One output, without bias. */
static double convolved(const WinogradRun *r, int64_t image, int64_t y, int64_t x, int64_t o)
{
    const Shape in = r->shape.in;
    double sum = 0;
    for (int64_t tap = 0; tap < TAPS; tap++) {
        const int64_t row = y + tap / 3 - 1, column = x + tap % 3 - 1;
        if (row < 0 || row >= in.h || column < 0 || column >= in.w) continue;
        const float *pixel = at(r, X) + ((image * in.h + row) * in.w + column) * in.c;
        for (int64_t i = 0; i < in.c; i++) sum += (double)pixel[i] * weight_at(r, o, i, tap);
    }
    return sum;
}

/* Compares every pixel of some channels, the first and the last among them. */
static void compare(const char *level, const WinogradRun *r, const float *before)
{
    const Shape in = r->shape.in;
    const int64_t out = r->shape.out_channels, step = out > 64 ? 23 : 1;
    double largest = 0, error = 0;
    for (int64_t p = 0; p < in.n * in.h * in.w; p++)
        for (int64_t k = 0; k < out; k += step) {
            const int64_t o = out - 1 - k, i = p * out + o;
            double expected = convolved(r, p / (in.h * in.w), p / in.w % in.h, p % in.w, o);
            if (r->bias) expected += (double)at(r, BIAS)[o];
            if (r->accumulate) expected += (double)before[i];
            assert_true(isfinite(at(r, Y)[i]));
            largest = fmax(largest, fabs(expected));
            error = fmax(error, fabs((double)at(r, Y)[i] - expected));
        }
    if (error > 3e-6 * largest) fail_msg("%s: error %g of values up to %g", level, error, largest);
}

static void check(const WinogradKernel *kernel, WinogradRun r)
{
    Guarded first = {0};
    for (r.shape.threads = 1; r.shape.threads <= 3; r.shape.threads++) {
        run_new(&r, kernel);
        Guarded before = guarded_copy(&r.buffer[Y]);
        run(&r, kernel);
        if (!first.data) {
            compare(kernel->name, &r, before.data);
            first = guarded_copy(&r.buffer[Y]);
        }
        assert_memory_equal(at(&r, Y), first.data, first.bytes);
        guarded_free(&before);
        run_free(&r);
    }
    guarded_free(&first);
}

static void check_all(const WinogradKernel *kernel)
{
    static const WinogradRun runs[] = {
        {.shape = {{1, 1, 1, 1}, 1, 1}},                                         /* less than a tile */
        {.shape = {{2, 5, 3, 7}, 3, 1}, .turned = true},                         /* tails of everything */
        {.shape = {{1, 20, 24, 48}, 48, 1}, .bias = true},                       /* whole tiles, blocks and chunks */
        {.shape = {{3, 13, 18, 33}, 70, 1}, .bias = true, .accumulate = true},   /* several strips */
        {.shape = {{1, 9, 50, 100}, 17, 1}, .turned = true, .accumulate = true}, /* several chunks */
        {.shape = {{1, 6, 11, 16}, 400, 1}},                                     /* several groups */
        {.shape = {{2, 7, 9, 350}, 390, 1}, .bias = true},                       /* packed as taps */
        {.shape = {{1, 8, 5, 401}, 333, 1}, .turned = true, .accumulate = true}, /* the same, with tails */
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) check(kernel, runs[i]);
}

static void test_levels(void **state)
{
    (void)state;
    for (const WinogradKernel *const *kernel = winograd_kernels(); *kernel; kernel++) check_all(*kernel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels)};
    return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
