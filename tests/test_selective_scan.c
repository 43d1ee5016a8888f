/* The scan's kernels, each SIMD level, without the op (tests/test_ops.c tests the op against its equation, and
 * tests/golden.c against PyTorch): lists of directions, several chunks and groups, pixels with gaps, guarded memory,
 * more threads than work, extreme values. The reference is the recurrence in double precision; gradients are compared
 * with its derivative along a random direction for each tensor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/executor/executor.h"
#include "network/ops/scan.h"

enum { X, PROJECTIONS, DT_WEIGHT, DT_BIAS, A_LOGS, DS, INPUTS }; /* what the result depends on */
enum { Y = INPUTS, DY, GRADIENTS, STATES = GRADIENTS + INPUTS, PACKED, SCRATCH, BUFFERS };
enum { GUARD = 16 };
#define SS2D                                                                                          \
    {                                                                                                 \
        4, { SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED, SCAN_COLUMN_MAJOR_REVERSED } \
    }

static const char *const names[INPUTS] = {"x", "projections", "dt_weight", "dt_bias", "A_logs", "Ds"};

typedef struct ScanRun {
    ScanShape shape;
    int64_t pitch;
    float *block[BUFFERS]; /* GUARD floats, the values, GUARD floats */
    int64_t count[BUFFERS];
} ScanRun;

static float *at(const ScanRun *r, int buffer) { return r->block[buffer] + GUARD; }

static const float guard = -1.2345e30f;

static void run_new(ScanRun *r, ScanShape shape, int64_t gap)
{
    const int64_t pixels = shape.batch * shape.height * shape.width, k = shape.directions.count, d = shape.channels;
    const ScanSizes sizes = scan_sizes(&shape);
    const size_t scratch =
        sizes.forward_scratch > sizes.backward_scratch ? sizes.forward_scratch : sizes.backward_scratch;
    *r = (ScanRun){.shape = shape, .pitch = d + gap};
    const int64_t counts[INPUTS] = {
        pixels * r->pitch, pixels * k * scan_row(&shape), k * d * shape.rank, k * d, k * d * shape.states, k * d};
    for (int i = 0; i < INPUTS; i++) r->count[i] = r->count[GRADIENTS + i] = counts[i];
    r->count[Y] = r->count[DY] = counts[X];
    r->count[STATES] = (int64_t)(sizes.states / sizeof(float));
    r->count[PACKED] = (int64_t)(sizes.packed / sizeof(float));
    r->count[SCRATCH] = (int64_t)((scratch + sizeof(float) - 1) / sizeof(float));
    for (int b = 0; b < BUFFERS; b++) {
        r->block[b] = mem_alloc((size_t)(r->count[b] + 2 * GUARD) * sizeof(float), NULL);
        assert_non_null(r->block[b]);
        for (int64_t i = 0; i < r->count[b] + 2 * GUARD; i++) r->block[b][i] = guard;
    }
}

static void run_free(ScanRun *r)
{
    for (int b = 0; b < BUFFERS; b++) mem_free(r->block[b]);
}

/* Values as in a network: decays of all lengths, A around -1 … -S. */
static void run_draw(ScanRun *r)
{
    static const double low[] = {-1, -1, -0.5, -4, -1, 0.5}, high[] = {2, 1, 0.5, 0, 2.5, 1.5};
    for (int b = 0; b < INPUTS; b++) {
        Rng rng = rng_make(3, 0, 0, (uint32_t)b, RNG_TEST);
        for (int64_t i = 0; i < r->count[b]; i++)
            if (b != X || i % r->pitch < r->shape.channels) at(r, b)[i] = (float)rng_range(&rng, low[b], high[b]);
    }
    Rng rng = rng_make(3, 0, 0, DY, RNG_TEST);
    for (int64_t i = 0; i < r->count[DY]; i++)
        if (i % r->pitch < r->shape.channels) at(r, DY)[i] = (float)rng_range(&rng, -1, 1);
}

static void run_kernel(ScanRun *r, const ScanKernel *kernel, bool train, bool accumulate)
{
    const ScanParams params = {at(r, DT_WEIGHT), at(r, DT_BIAS), at(r, A_LOGS), at(r, DS)};
    const ScanValues values = {.x = {at(r, X), r->pitch},
                               .projections = at(r, PROJECTIONS),
                               .y = {at(r, Y), r->pitch},
                               .sums = {at(r, Y), r->pitch},
                               .states = train ? at(r, STATES) : NULL};
    float *grads[INPUTS];
    for (int i = 0; i < INPUTS; i++) grads[i] = at(r, GRADIENTS + i);
    const ScanGradients gradients = {.y = {at(r, DY), r->pitch},
                                     .x = {grads[X], r->pitch},
                                     .accumulate_x = accumulate,
                                     .projections = grads[PROJECTIONS],
                                     .params = {grads[DT_WEIGHT], grads[DT_BIAS], grads[A_LOGS], grads[DS]}};
    kernel->pack(&r->shape, &params, at(r, PACKED));
    kernel->forward(&r->shape, at(r, PACKED), &values, at(r, SCRATCH));
    if (train) kernel->backward(&r->shape, at(r, PACKED), &values, &gradients, at(r, SCRATCH));
}

static void assert_guards(const ScanRun *r, const char *what)
{
    for (int b = 0; b < BUFFERS; b++)
        for (int i = 0; i < GUARD; i++)
            if (r->block[b][i] != guard || r->block[b][GUARD + r->count[b] + i] != guard)
                fail_msg("%s: buffer %d was left", what, b);
    for (int b = Y; b <= GRADIENTS; b++)
        for (int64_t i = 0; i < r->count[b]; i++)
            if (i % r->pitch >= r->shape.channels && at(r, b)[i] != guard)
                fail_msg("%s: buffer %d: written between the pixels", what, b);
}

/* ---- the reference ---- */

/* One channel along one direction of one image; in: the inputs, y: added to, both laid out as in ScanRun. */
static void reference_channel(const ScanRun *r, const double *const in[INPUTS], int64_t image, int64_t k, int64_t d,
                              double *y)
{
    const ScanShape *s = &r->shape;
    const int64_t length = s->height * s->width, row = scan_row(s), param = k * s->channels + d;
    double h[64] = {0};
    for (int64_t t = 0; t < length; t++) {
        const ScanOrder order = s->directions.order[k];
        const bool back = order == SCAN_ROW_MAJOR_REVERSED || order == SCAN_COLUMN_MAJOR_REVERSED;
        const bool columns = order == SCAN_COLUMN_MAJOR || order == SCAN_COLUMN_MAJOR_REVERSED;
        const int64_t place = back ? length - 1 - t : t;
        const int64_t pixel = image * length + (columns ? place % s->height * s->width + place / s->height : place);
        const double *p = in[PROJECTIONS] + (pixel * s->directions.count + k) * row, u = in[X][pixel * r->pitch + d];
        double delta = in[DT_BIAS][param], sum = in[DS][param] * u;
        for (int i = 0; i < s->rank; i++) delta += in[DT_WEIGHT][param * s->rank + i] * p[i];
        delta = delta > 20 ? delta : log1p(exp(delta));
        for (int n = 0; n < s->states; n++) {
            h[n] = exp(-exp(in[A_LOGS][param * s->states + n]) * delta) * h[n] + delta * u * p[s->rank + n];
            sum += h[n] * p[s->rank + s->states + n];
        }
        y[pixel * r->pitch + d] += sum;
    }
}

static void reference(const ScanRun *r, const double *const in[INPUTS], double *y)
{
    memset(y, 0, (size_t)r->count[Y] * sizeof *y);
#pragma omp parallel for
    for (int64_t i = 0; i < r->shape.batch * r->shape.channels; i++)
        for (int64_t k = 0; k < r->shape.directions.count; k++)
            reference_channel(r, in, i / r->shape.channels, k, i % r->shape.channels, y);
}

static double *doubles(const float *from, int64_t count)
{
    double *to = mem_alloc((size_t)count * sizeof *to, NULL);
    assert_non_null(to);
    for (int64_t i = 0; i < count; i++) to[i] = (double)from[i];
    return to;
}

static void compare_outputs(const ScanRun *r, const double *y, const char *what)
{
    double worst = 0, most = 0;
    for (int64_t i = 0; i < r->count[Y]; i++) {
        if (i % r->pitch >= r->shape.channels) continue;
        if (!isfinite(at(r, Y)[i])) fail_msg("%s: y[%ld] is not finite", what, (long)i);
        worst = fmax(worst, fabs((double)at(r, Y)[i] - y[i]));
        most = fmax(most, fabs(y[i]));
    }
    if (worst > 4e-6 * most) fail_msg("%s: y is off by %g of %g", what, worst, most);
}

/* Σ dy y, when input b changes by `step` along a random direction; *along: the component of the gradient in this
 * direction, *size: its norm. */
static double moved(const ScanRun *r, double *in[INPUTS], int b, double step, double *y, double *along, double *size)
{
    Rng rng = rng_make(4, 0, 0, (uint32_t)b, RNG_TEST);
    double *kept = in[b], *here = doubles(at(r, b), r->count[b]), sum = 0;
    *along = *size = 0;
    for (int64_t i = 0; i < r->count[b]; i++) {
        const double v = rng_range(&rng, -1, 1);
        if (b == X && i % r->pitch >= r->shape.channels) continue;
        const double gradient = (double)at(r, GRADIENTS + b)[i];
        here[i] += step * v;
        *along += v * gradient;
        *size += gradient * gradient;
    }
    *size = sqrt(*size);
    in[b] = here;
    reference(r, (const double *const *)in, y);
    in[b] = kept;
    mem_free(here);
    for (int64_t i = 0; i < r->count[Y]; i++)
        if (i % r->pitch < r->shape.channels) sum += y[i] * (double)at(r, DY)[i];
    return sum;
}

static void compare_gradients(const ScanRun *r, double *in[INPUTS], double *y, const char *what)
{
    for (int b = 0; b < INPUTS; b++) {
        double along, size;
        const double step = 1e-5, up = moved(r, in, b, step, y, &along, &size);
        const double expected = (up - moved(r, in, b, -step, y, &along, &size)) / (2 * step);
        if (!(fabs(along - expected) <= 3e-6 * size))
            fail_msg("%s: gradient of %s, of norm %g, is %g along a line where %g is right", what, names[b], size,
                     along, expected);
    }
}

/* ---- the tests ---- */

/* More than one chunk, a single row or column, tails for every vector width, several groups, odd numbers of states. */
static const ScanShape shapes[] = {
    {2, 9, 8, 20, 16, 3, {1, {SCAN_ROW_MAJOR}}, 2},
    {1, 11, 13, 24, 16, 2, {1, {SCAN_COLUMN_MAJOR}}, 2},
    {2, 7, 5, 8, 7, 1, {1, {SCAN_ROW_MAJOR_REVERSED}}, 3},
    {1, 13, 11, 40, 3, 5, {1, {SCAN_COLUMN_MAJOR_REVERSED}}, 2},
    {1, 1, 130, 5, 16, 2, {2, {SCAN_ROW_MAJOR, SCAN_ROW_MAJOR_REVERSED}}, 2},
    {2, 64, 1, 16, 1, 9, {3, {SCAN_COLUMN_MAJOR_REVERSED, SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR}}, 2},
    {1, 10, 10, 210, 16, 7, SS2D, 2},
    {1, 5, 6, 6, 64, 20, {2, {SCAN_COLUMN_MAJOR, SCAN_ROW_MAJOR_REVERSED}}, 1},
    {3, 1, 1, 17, 8, 1, SS2D, 2},
};

static void check_shape(const ScanShape *shape, int64_t gap)
{
    for (const ScanKernel *const *kernel = scan_kernels(); *kernel; kernel++) {
        ScanRun r;
        char what[128];
        snprintf(what, sizeof what, "%s, shape %d, gap %d", (*kernel)->name, (int)(shape - shapes), (int)gap);
        run_new(&r, *shape, gap);
        run_draw(&r);
        run_kernel(&r, *kernel, true, false);
        assert_guards(&r, what);
        double *in[INPUTS], *y = doubles(at(&r, Y), r.count[Y]);
        for (int b = 0; b < INPUTS; b++) in[b] = doubles(at(&r, b), r.count[b]);
        reference(&r, (const double *const *)in, y);
        compare_outputs(&r, y, what);
        compare_gradients(&r, in, y, what);
        for (int b = 0; b < INPUTS; b++) mem_free(in[b]);
        mem_free(y);
        run_free(&r);
    }
}

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check_shape(&shapes[i], i % 2 ? 5 : 0);
}

static void assert_same(const ScanRun *a, const ScanRun *b, int buffer, const char *what)
{
    if (memcmp(a->block[buffer], b->block[buffer], (size_t)(a->count[buffer] + 2 * GUARD) * sizeof(float)))
        fail_msg("%s: buffer %d has other bits", what, buffer);
}

/* One block of channels and many threads: they work on later chunks in advance. Several groups: threads wait for each
 * other. Repeated, since the order of threads is random. */
static void test_threads(void **state)
{
    (void)state;
    static const ScanShape wide = {1, 9, 16, 210, 16, 3, SS2D, 1};
    for (int narrow = 0; narrow < 2; narrow++)
        for (const ScanKernel *const *kernel = scan_kernels(); *kernel; kernel++) {
            ScanRun one;
            ScanShape shape = wide;
            if (narrow) shape.channels = 4;
            run_new(&one, shape, 0);
            run_draw(&one);
            run_kernel(&one, *kernel, true, false);
            for (int i = 0; i < 4; i++) {
                ScanRun many;
                shape.threads = 2 + i % 4;
                run_new(&many, shape, 0);
                run_draw(&many);
                run_kernel(&many, *kernel, true, false);
                assert_guards(&many, (*kernel)->name);
                assert_same(&one, &many, Y, (*kernel)->name);
                for (int b = 0; b < INPUTS; b++) assert_same(&one, &many, GRADIENTS + b, (*kernel)->name);
                run_free(&many);
            }
            run_free(&one);
        }
}

/* More threads than cores, groups that add to the same projections, items so short that a thread is often interrupted
 * between its work and turn_pass. */
static void test_groups(void **state)
{
    (void)state;
    const ScanKernel *kernel = *scan_kernels();
    ScanShape shape = {1, 32, 128, 400, 1, 1, SS2D, 1};
    ScanRun one, many;
    run_new(&one, shape, 0);
    run_draw(&one);
    shape.threads = 16;
    run_new(&many, shape, 0);
    run_draw(&many);
    run_kernel(&one, kernel, true, false);
    for (int i = 0; i < 8; i++) {
        run_kernel(&many, kernel, true, false);
        assert_same(&one, &many, GRADIENTS + PROJECTIONS, kernel->name);
    }
    run_free(&one);
    run_free(&many);
}

/* Inference, which saves no states, gives the same bits as training; gradients can be added to existing values. */
static void test_modes(void **state)
{
    (void)state;
    for (const ScanKernel *const *kernel = scan_kernels(); *kernel; kernel++) {
        ScanRun train, other;
        run_new(&train, shapes[6], 0);
        run_draw(&train);
        run_kernel(&train, *kernel, true, false);
        run_new(&other, shapes[6], 0);
        run_draw(&other);
        run_kernel(&other, *kernel, false, false);
        assert_same(&train, &other, Y, (*kernel)->name);
        assert_true(at(&other, GRADIENTS)[0] == guard);

        for (int64_t i = 0; i < other.count[X]; i++) at(&other, GRADIENTS)[i] = 0.5f;
        run_kernel(&other, *kernel, true, true);
        for (int64_t i = 0; i < other.count[X]; i++) {
            const float apart = at(&other, GRADIENTS)[i] - 0.5f, alone = at(&train, GRADIENTS)[i];
            assert_true(fabsf(apart - alone) <= 1e-6f * (1 + fabsf(alone)));
        }
        run_free(&other);
        run_free(&train);
    }
}

/* Steps delta from almost 0 to thousands, decays from 1 to 0: the results are finite and correct. */
static void test_extremes(void **state)
{
    (void)state;
    static const float bias[] = {-90, -20, 0, 19.99f, 20.01f, 3000}, a_log[] = {-80, -3, 0, 6, 30, 100};
    const ScanShape shape = {1, 7, 10, 36, 5, 1, {2, {SCAN_ROW_MAJOR, SCAN_COLUMN_MAJOR_REVERSED}}, 2};
    for (const ScanKernel *const *kernel = scan_kernels(); *kernel; kernel++) {
        ScanRun r;
        run_new(&r, shape, 0);
        run_draw(&r);
        for (int64_t i = 0; i < r.count[DT_BIAS]; i++) at(&r, DT_BIAS)[i] = bias[i % 6];
        for (int64_t i = 0; i < r.count[A_LOGS]; i++) at(&r, A_LOGS)[i] = a_log[i / 5 / 6 % 6];
        run_kernel(&r, *kernel, true, false);
        double *in[INPUTS], *y = doubles(at(&r, Y), r.count[Y]);
        for (int b = 0; b < INPUTS; b++) in[b] = doubles(at(&r, b), r.count[b]);
        reference(&r, (const double *const *)in, y);
        compare_outputs(&r, y, (*kernel)->name);
        for (int b = GRADIENTS; b < GRADIENTS + INPUTS; b++)
            for (int64_t i = 0; i < r.count[b]; i++) assert_true(isfinite(at(&r, b)[i]));
        for (int b = 0; b < INPUTS; b++) mem_free(in[b]);
        mem_free(y);
        run_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_threads),  cmocka_unit_test(test_groups),
        cmocka_unit_test(test_modes),  cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
