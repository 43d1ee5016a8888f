/* The CPU as a device: its memory is host memory, and all calls are synchronous. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/simd_level.h"
#include "network/device/device.h"

static bool supports(const Device *d, DType precision)
{
    (void)d;
    return precision == DTYPE_F32 || (precision == DTYPE_BF16 && simd_level() >= SIMD_AVX512_BF16);
}

static void *alloc(const Device *d, size_t bytes, Err *e)
{
    (void)d;
    return mem_alloc(bytes, e);
}

static void free_memory(const Device *d, void *memory)
{
    (void)d;
    mem_free(memory);
}

static int copy(const Device *d, void *to, const void *from, size_t bytes, DeviceCopy direction, Err *e)
{
    (void)d;
    (void)direction;
    (void)e;
    if (to != from) memcpy(to, from, bytes);
    return 0;
}

static int clear(const Device *d, void *memory, size_t bytes, Err *e)
{
    enum { PIECE = 1 << 18 };
    (void)d;
    (void)e;
#pragma omp parallel for schedule(static) if (bytes > 2 * PIECE)
    for (size_t i = 0; i < bytes; i += PIECE) memset((char *)memory + i, 0, bytes - i < PIECE ? bytes - i : PIECE);
    return 0;
}

static bool is_finite(const DeviceRows *r, int64_t i)
{
    if (r->dtype == DTYPE_F32) return isfinite(((const float *)r->data)[i]);
    return r->dtype != DTYPE_BF16 || (((const uint16_t *)r->data)[i] & 0x7f80) != 0x7f80; /* inf and NaN */
}

static int all_finite(const Device *d, const DeviceRows *r, bool *finite, Err *e)
{
    (void)d;
    (void)e;
    *finite = true;
    for (int64_t row = 0; *finite && row < r->rows; row++)
        for (int64_t c = 0; *finite && c < r->columns; c++) *finite = is_finite(r, row * r->pitch + c);
    return 0;
}

static int wait_for(const Device *d, Err *e)
{
    (void)d;
    (void)e;
    return 0;
}

static int mark(const Device *d, int number, Err *e)
{
    (void)d;
    (void)number;
    (void)e;
    return 0;
}

static void begin(const Device *d, const char *work)
{
    (void)d;
    (void)work;
}

static const Device cpu = {
    .kind = DEVICE_CPU,
    .name = "cpu",
    .alignment = MEM_ALIGN,
    .shares_memory = true,
    .supports = supports,
    .alloc = alloc,
    .free = free_memory,
    .alloc_host = alloc,
    .free_host = free_memory,
    .copy = copy,
    .clear = clear,
    .all_finite = all_finite,
    .wait = wait_for,
    .mark = mark,
    .wait_mark = mark,
    .begin = begin,
    .end = wait_for,
};

const Device *device_cpu(void) { return &cpu; }
