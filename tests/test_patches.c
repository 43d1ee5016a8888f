/* The products of patches, each SIMD level, without the op: against sums in double precision, for images and channels that
 * fill no vector, block, group or segment, with a bias, added to what is there, in guarded memory, and with the same bits for
 * any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "network/ops/patches.h"
#include "tests/support/guarded.h"

enum { COARSE, FINE, WEIGHTS, BIAS, GIVEN, PACKED = GIVEN, TO_COARSE, TO_FINE, DW, SCRATCH, BUFFERS };

typedef struct Run {
    PatchShape shape;
    bool bias, accumulate;
    Guarded buffer[BUFFERS];
} Run;

static float *at(const Run *r, int buffer) { return r->buffer[buffer].data; }

static int64_t count_of(const Guarded *g) { return (int64_t)(g->bytes / sizeof(float)); }

static int64_t taps(const Run *r) { return r->shape.size.y * r->shape.size.x; }

static void run_new(Run *r, const PatchKernel *kernel)
{
    const PatchShape *s = &r->shape;
    const int64_t pixels = s->coarse.n * s->coarse.h * s->coarse.w, coarse = pixels * s->coarse.c,
                  fine = pixels * taps(r) * s->fine_channels, weights = s->coarse.c * s->fine_channels * taps(r);
    const size_t ways[] = {kernel->packed_bytes(s, false), kernel->packed_bytes(s, true)};
    const int64_t counts[BUFFERS] = {coarse,
                                     fine,
                                     weights,
                                     s->coarse.c > s->fine_channels ? s->coarse.c : s->fine_channels,
                                     (int64_t)((ways[0] > ways[1] ? ways[0] : ways[1]) / sizeof(float)),
                                     coarse,
                                     fine,
                                     weights,
                                     (int64_t)(kernel->weights_scratch_bytes(s) / sizeof(float))};
    for (int b = 0; b < BUFFERS; b++) {
        const bool given = b < GIVEN || (r->accumulate && (b == TO_COARSE || b == TO_FINE));
        r->buffer[b] =
            given ? guarded_random(counts[b], 7, (uint32_t)b) : guarded_unset((size_t)counts[b] * sizeof(float));
        assert_non_null(r->buffer[b].data);
    }
}

static void run(Run *r, const PatchKernel *kernel)
{
    for (int fine = 0; fine < 2; fine++) {
        const PatchValues values = {.from = at(r, fine ? COARSE : FINE),
                                    .packed = at(r, PACKED),
                                    .bias = r->bias ? at(r, BIAS) : NULL,
                                    .to = at(r, fine ? TO_FINE : TO_COARSE),
                                    .accumulate = r->accumulate};
        kernel->pack(&r->shape, fine, at(r, WEIGHTS), at(r, PACKED));
        (fine ? kernel->to_fine : kernel->to_coarse)(&r->shape, &values);
    }
    kernel->weights(&r->shape, at(r, COARSE), at(r, FINE), at(r, DW), at(r, SCRATCH));
    for (int b = 0; b < BUFFERS; b++) assert_true(guarded_intact(&r->buffer[b]));
}

/* The fine image's value of a coarse pixel's patch. */
static int64_t fine_at(const Run *r, int64_t pixel, int64_t tap, int64_t d)
{
    const PatchShape *s = &r->shape;
    const int64_t y = pixel / s->coarse.w * s->size.y + tap / s->size.x,
                  x = pixel % s->coarse.w * s->size.x + tap % s->size.x;
    return (y * s->coarse.w * s->size.x + x) * s->fine_channels + d;
}

/* Adds to the sums of all three products, in double precision. */
static void sum(const Run *r, double *coarse, double *fine, double *dw)
{
    const PatchShape *s = &r->shape;
    for (int64_t p = 0; p < s->coarse.n * s->coarse.h * s->coarse.w; p++)
        for (int64_t c = 0; c < s->coarse.c; c++)
            for (int64_t k = 0; k < s->fine_channels * taps(r); k++) {
                const int64_t weight = c * s->fine_channels * taps(r) + k, a = p * s->coarse.c + c,
                              b = fine_at(r, p, k % taps(r), k / taps(r));
                coarse[a] += (double)at(r, FINE)[b] * (double)at(r, WEIGHTS)[weight];
                fine[b] += (double)at(r, COARSE)[a] * (double)at(r, WEIGHTS)[weight];
                dw[weight] += (double)at(r, COARSE)[a] * (double)at(r, FINE)[b];
            }
}

static void compare(const char *level, const char *what, const float *found, const double *expected, int64_t count)
{
    double largest = 0, error = 0;
    for (int64_t i = 0; i < count; i++) {
        assert_true(isfinite(found[i]));
        largest = fmax(largest, fabs(expected[i]));
        error = fmax(error, fabs((double)found[i] - expected[i]));
    }
    if (error > 2e-6 * largest) fail_msg("%s, %s: error %g of values up to %g", level, what, error, largest);
}

/* The expected values before the products. */
static double *begin(const Run *r, int buffer, int64_t channels)
{
    double *values = calloc((size_t)count_of(&r->buffer[buffer]), sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; channels && i < count_of(&r->buffer[buffer]); i++)
        values[i] = (r->accumulate ? (double)at(r, buffer)[i] : 0) + (r->bias ? (double)at(r, BIAS)[i % channels] : 0);
    return values;
}

static void check(const PatchKernel *kernel, Run r)
{
    static const int results[] = {TO_COARSE, TO_FINE, DW};
    static const char *const names[] = {"to coarse", "to fine", "weights"};
    Guarded first[3] = {{0}};
    for (r.shape.threads = 1; r.shape.threads <= 3; r.shape.threads++) {
        run_new(&r, kernel);
        double *const expected[] = {begin(&r, TO_COARSE, r.shape.coarse.c), begin(&r, TO_FINE, r.shape.fine_channels),
                                    begin(&r, DW, 0)};
        run(&r, kernel);
        if (!first[0].data) sum(&r, expected[0], expected[1], expected[2]);
        for (int i = 0; i < 3; i++) {
            const Guarded *found = &r.buffer[results[i]];
            if (!first[i].data) {
                compare(kernel->name, names[i], found->data, expected[i], count_of(found));
                first[i] = guarded_copy(found);
            }
            assert_memory_equal(found->data, first[i].data, found->bytes);
            free(expected[i]);
        }
        for (int b = 0; b < BUFFERS; b++) guarded_free(&r.buffer[b]);
    }
    for (int i = 0; i < 3; i++) guarded_free(&first[i]);
}

static void test_levels(void **state)
{
    static const Run runs[] = {
        {.shape = {{1, 1, 1, 1}, 1, {1, 1}, 1}},                                     /* the least */
        {.shape = {{2, 3, 5, 7}, 3, {2, 3}, 1}, .bias = true},                       /* tails of everything */
        {.shape = {{1, 4, 8, 48}, 24, {2, 2}, 1}, .bias = true, .accumulate = true}, /* whole vectors and blocks */
        {.shape = {{3, 2, 145, 20}, 9, {2, 2}, 1}, .accumulate = true},              /* several segments of a row */
        {.shape = {{2, 3, 70, 17}, 20, {1, 2}, 1}, .bias = true},                    /* rows joined */
        {.shape = {{1, 5, 6, 210}, 101, {1, 2}, 1}, .bias = true},                   /* several groups and blocks */
        {.shape = {{2, 3, 4, 30}, 3, {16, 16}, 1}},                                  /* large patches */
        {.shape = {{2, 31, 41, 18}, 10, {2, 2}, 1}},                                 /* several pieces */
    };
    (void)state;
    for (const PatchKernel *const *kernel = patch_kernels(); *kernel; kernel++)
        for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) check(*kernel, runs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels)};
    return cmocka_run_group_tests_name("patches", tests, NULL, NULL);
}
