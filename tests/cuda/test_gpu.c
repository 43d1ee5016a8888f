/* The GPU as a Device: memory, copies, the search for values that are not finite, and what is said without a GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "network/device/device.h"
#include "tests/support/emulator.h"

enum { COUNT = 5000 };

static const Device *gpu(void)
{
    Err e = {ERR_NONE, ""};
    const Device *d = device_named("cuda", &e);
    if (!d) fail_msg("%s", e.text);
    return d;
}

static void memory_is_copied_there_and_back(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    float *host = d->alloc_host(d, COUNT * sizeof *host, &e), *a = d->alloc(d, COUNT * sizeof *a, &e);
    float *b = d->alloc(d, COUNT * sizeof *b, &e);
    assert_true(host && a && b && (uintptr_t)a % d->alignment == 0);
    for (int i = 0; i < COUNT; i++) host[i] = (float)i;
    assert_int_equal(d->copy(d, a, host, COUNT * sizeof *host, COPY_TO_DEVICE, &e), 0);
    assert_int_equal(d->copy(d, b, a, COUNT * sizeof *host, COPY_ON_DEVICE, &e), 0);
    assert_int_equal(d->clear(d, b, 10 * sizeof *b, &e), 0);
    assert_int_equal(d->wait(d, &e), 0);
    memset(host, 0xff, COUNT * sizeof *host);
    assert_int_equal(d->copy(d, host, b, COUNT * sizeof *host, COPY_TO_HOST, &e), 0);
    assert_int_equal(d->wait(d, &e), 0);
    for (int i = 0; i < COUNT; i++) assert_true(host[i] == (i < 10 ? 0 : (float)i));
    d->free_host(d, host);
    d->free(d, a);
    d->free(d, b);
    d->free(d, NULL);
}

/* `rows` rows of 20 values, 25 apart; all are finite but the one at `place`. */
static bool finds(DType dtype, float value, int rows, int place)
{
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    float host[COUNT] = {0};
    uint16_t half[COUNT] = {0};
    bool finite = false;
    host[place] = value;
    for (int i = 0; i < COUNT; i++) half[i] = (uint16_t)(((const uint16_t *)host)[2 * i + 1]);
    const void *from = dtype == DTYPE_F32 ? (const void *)host : half;
    void *there = d->alloc(d, sizeof host, &e);
    const DeviceRows r = {there, dtype, rows, 20, 25};
    assert_int_equal(d->copy(d, there, from, COUNT * dtype_size(dtype), COPY_TO_DEVICE, &e), 0);
    assert_int_equal(d->all_finite(d, &r, &finite, &e), 0);
    d->free(d, there);
    return !finite;
}

static void values_that_are_not_finite_are_found(void **state)
{
    (void)state;
    const DType types[] = {DTYPE_F32, DTYPE_BF16};
    for (int i = 0; i < 2; i++) {
        assert_false(finds(types[i], 3e38f, 200, 7));
        assert_true(finds(types[i], INFINITY, 200, 7));
        assert_true(finds(types[i], -INFINITY, 200, 199 * 25 + 19));
        assert_true(finds(types[i], NAN, 1, 0));
        assert_false(finds(types[i], NAN, 200, 20)); /* between the rows */
        assert_false(finds(types[i], NAN, 100, 100 * 25));
    }
}

static void too_much_memory_is_refused(void **state)
{
    (void)state;
    Err e = {ERR_NONE, ""};
    const Device *d = gpu();
    assert_null(d->alloc(d, (size_t)1 << 50, &e));
    assert_int_equal(e.code, ERR_NOMEM);
    assert_non_null(strstr(e.text, "MB of GPU memory could not be allocated"));
    assert_int_equal(d->wait(d, NULL), 0); /* and that is all */
}

static void refused(const char *gpus, const char *name, const char *words)
{
    Err e = {ERR_NONE, ""};
    setenv("SWIN_UMAMBA_EMULATED_GPUS", gpus, 1);
    assert_null(device_named(name, &e));
    unsetenv("SWIN_UMAMBA_EMULATED_GPUS");
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    if (!strstr(e.text, words)) fail_msg("%s", e.text);
}

static void a_gpu_that_is_not_there_is_named(void **state)
{
    (void)state;
    if (!emu_set_order) skip(); /* a real machine has the GPUs that it has */
    refused("none", "cuda", "device cuda:0: no NVIDIA driver");
    refused("0", "cuda:1", "device cuda:1: this machine has no NVIDIA GPU");
    refused("2", "cuda:2", "device cuda:2: this machine has 2 GPUs, the last is cuda:1");
    refused("1", "cuda:2", "device cuda:2: this machine has only cuda:0");
}

static void nothing_is_left_allocated(void **state)
{
    (void)state;
    if (!emu_live_bytes) skip();
    assert_int_equal(emu_live_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_copied_there_and_back), cmocka_unit_test(values_that_are_not_finite_are_found),
        cmocka_unit_test(too_much_memory_is_refused),      cmocka_unit_test(a_gpu_that_is_not_there_is_named),
        cmocka_unit_test(nothing_is_left_allocated),
    };
    return cmocka_run_group_tests_name("gpu", tests, NULL, NULL);
}
