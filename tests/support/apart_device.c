#include "tests/support/apart_device.h"

#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

enum { ALIGNMENT = 256, SIZE = 1 << 27 };

static char *memory; /* SIZE bytes, allocated from the start, each byte only once */
static size_t used;
static int blocks;

static void allow(int protection)
{
    if (memory) mprotect(memory, SIZE, protection);
}

static void *alloc(const Device *d, size_t bytes, Err *e)
{
    (void)d;
    if (!memory) memory = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (memory == MAP_FAILED || rounded > SIZE - used) {
        err_set(e, ERR_NOMEM, "the device has no memory left");
        return NULL;
    }
    void *block = memory + used;
    used += rounded;
    blocks++;
    return block;
}

static void give_back(const Device *d, void *block)
{
    (void)d;
    if (block) blocks--;
}

static void *alloc_host(const Device *d, size_t bytes, Err *e)
{
    (void)d;
    void *block = mem_alloc(bytes, e);
    if (block) blocks++;
    return block;
}

static void free_host(const Device *d, void *block)
{
    give_back(d, block);
    mem_free(block);
}

static bool supports(const Device *d, DType precision)
{
    (void)d;
    return device_cpu()->supports(device_cpu(), precision);
}

/* For each copy, the side that is stated to be device memory must be, and the other side must not. */
static bool is_ours(const void *p) { return (const char *)p >= memory && (const char *)p < memory + SIZE; }

static int copy(const Device *d, void *to, const void *from, size_t bytes, DeviceCopy direction, Err *e)
{
    (void)d;
    if (is_ours(to) != (direction != COPY_TO_HOST) || is_ours(from) != (direction != COPY_TO_DEVICE))
        return err_set(e, ERR_VALUE, "a copy of the wrong kind");
    allow(PROT_READ | PROT_WRITE);
    memcpy(to, from, bytes);
    allow(PROT_NONE);
    return 0;
}

static int upload(const Device *d, void *to, const void *from, size_t bytes, Err *e)
{
    return copy(d, to, from, bytes, COPY_TO_DEVICE, e);
}

static int clear(const Device *d, void *block, size_t bytes, Err *e)
{
    (void)d;
    (void)e;
    allow(PROT_READ | PROT_WRITE);
    memset(block, 0, bytes);
    allow(PROT_NONE);
    return 0;
}

static int all_finite(const Device *d, const DeviceRows *rows, bool *finite, Err *e)
{
    (void)d;
    allow(PROT_READ | PROT_WRITE);
    const int code = device_cpu()->all_finite(device_cpu(), rows, finite, e);
    allow(PROT_NONE);
    return code;
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
    allow(PROT_READ | PROT_WRITE);
}

static int end(const Device *d, Err *e)
{
    (void)d;
    (void)e;
    allow(PROT_NONE);
    return 0;
}

static const Device apart = {
    .kind = DEVICE_CPU,
    .name = "apart",
    .alignment = ALIGNMENT,
    .supports = supports,
    .alloc = alloc,
    .free = give_back,
    .alloc_host = alloc_host,
    .free_host = free_host,
    .copy = copy,
    .upload = upload,
    .join_uploads = wait_for,
    .clear = clear,
    .all_finite = all_finite,
    .wait = wait_for,
    .mark = mark,
    .wait_mark = mark,
    .begin = begin,
    .end = end,
};

const Device *apart_device(void) { return &apart; }
int apart_device_blocks(void) { return blocks; }
