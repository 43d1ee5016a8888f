/* The execution model: every thread of a block is a fiber, all on one host thread. A fiber runs until it has to wait: at a
 * barrier, or for other lanes of its warp. */
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include "fiber_switch.h"

enum { STACK = 64 << 10, LINE = 64 };
enum State : uint8_t { READY, AT_BARRIER, AT_WARP, ENDED };

EmuNow emu_now;
EmuPlace emu_place;
bool emu_running, emu_watching;
char *emu_stacks, *emu_stacks_end, *emu_shared_memory;
EmuSharedArray emu_shared_arrays[EMU_SHARED_ARRAYS];
int emu_shared_count;
EmuCounts emu_counted;

/* ---- reports ---- */

static int errors;
static char first_error[512];

void emu_report(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!errors++) vsnprintf(first_error, sizeof first_error, format, arguments);
    va_end(arguments);
}

int emu_errors()
{
    const int count = errors;
    errors = 0;
    return count;
}

bool emu_failed() { return errors; }
const char *emu_first_error() { return first_error; }
EmuCounts emu_counts() { return emu_counted; }

/* ---- state of the running launch ---- */

struct Warp {
    uint64_t slots[2][EMU_WARP]; /* values of a shuffle; two, since a lane may be at the next before all have read */
    unsigned wanted, arrived;    /* lanes */
    int line;
    uint16_t epoch;
    uint8_t slot;
};

struct Fiber {
    Context context;
    uint3 thread;
    State state;
    int line; /* where it waits */
};

static Fiber fibers[EMU_MOST_THREADS];
static Warp warps[EMU_MOST_THREADS / EMU_WARP];
static int order[EMU_MOST_THREADS], thread_count, current, cursor, left;
static Context scheduler;
static const EmuKernel *kernel;
static bool aborted;
static EmuOrder blocks_and_threads;
static uint64_t seed;

void emu_set_order(EmuOrder order_)
{
    blocks_and_threads = order_;
    seed = 0x9e3779b97f4a7c15u;
}

static uint64_t draw()
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void arrange(int *items, int count)
{
    for (int i = 0; i < count; i++) items[i] = blocks_and_threads == EMU_BACKWARD ? count - 1 - i : i;
    if (blocks_and_threads != EMU_SHUFFLED) return;
    for (int i = count - 1; i > 0; i--) std::swap(items[i], items[draw() % (uint64_t)(i + 1)]);
}

/* ---- which fiber runs ---- */

static void enter(int next)
{
    current = next;
    emu_now.thread = fibers[next].thread;
    emu_place.thread = (uint16_t)next;
    emu_place.warp_epoch = warps[next / EMU_WARP].epoch;
}

/* Whether all that have not ended wait at one barrier. Reports what they wait for in vain. */
static bool all_at_one_barrier()
{
    int line = 0;
    for (int i = 0; i < thread_count; i++) {
        const Fiber *f = &fibers[i];
        if (f->state != AT_BARRIER) continue;
        if (line && f->line != line)
            return emu_report("%s: threads of block %u wait at the barriers of lines %d and %d", kernel->name,
                              emu_place.block, line, f->line),
                   false;
        line = f->line;
    }
    for (int i = 0; i < thread_count; i++) {
        const Fiber *f = &fibers[i];
        if (f->state == AT_WARP)
            return emu_report("%s: line %d: thread %d waits for lanes %08x of its warp, of which only %08x come",
                              kernel->name, f->line, i, warps[i / EMU_WARP].wanted, warps[i / EMU_WARP].arrived),
                   false;
        if (f->state == ENDED)
            return emu_report("%s: thread %d of block %u has ended and never comes to the barrier of line %d",
                              kernel->name, i, emu_place.block, line),
                   false;
    }
    return true;
}

static bool release_barrier()
{
    if (!all_at_one_barrier()) return false;
    for (int i = 0; i < thread_count; i++) fibers[i].state = READY;
    for (int w = 0; w * EMU_WARP < thread_count; w++) warps[w].epoch = 0;
    emu_place.epoch++;
    emu_counted.barriers++;
    if (blocks_and_threads == EMU_SHUFFLED) arrange(order, thread_count);
    cursor = -1;
    return true;
}

static int next_ready()
{
    for (int n = 0; n < thread_count; n++) {
        if (++cursor >= thread_count) cursor = 0;
        if (fibers[order[cursor]].state == READY) return order[cursor];
    }
    return -1;
}

/* The next fiber that can run; -1: none can any more. */
static int choose()
{
    const int next = next_ready();
    if (next >= 0 || !left || aborted || !release_barrier()) return next;
    return next_ready();
}

/* The current fiber waits or has ended: another one goes on. Returns when this one may go on. */
static void leave()
{
    const int from = current, next = choose();
    if (next >= 0) enter(next);
    if (next == from) return;
    emu_counted.switches++;
    aborted = next < 0 && left > 0;
    context_switch(&fibers[from].context, next < 0 ? &scheduler : &fibers[next].context);
}

static void fiber_main()
{
    for (;;) {
        emu_watching = false;
        kernel->body();
        fibers[current].state = ENDED;
        left--;
        leave();
    }
}

void emu_kill()
{
    aborted = true;
    context_switch(&fibers[current].context, &scheduler);
    __builtin_unreachable(); /* the fiber is made anew */
}

/* ---- what kernels call ---- */

void emu_barrier(int line)
{
    fibers[current].state = AT_BARRIER;
    fibers[current].line = line;
    leave();
}

int emu_lane() { return current % EMU_WARP; }

/* The lanes of `mask` that this block has. */
static unsigned lanes_of(unsigned mask)
{
    const int size = thread_count - current / EMU_WARP * EMU_WARP;
    return size < EMU_WARP ? mask & ((1u << size) - 1) : mask;
}

static void arrive(Warp *w, unsigned mask, int line)
{
    const int lane = emu_lane();
    if (!(mask >> lane & 1))
        emu_report("%s: line %d: lane %d is not in its own mask %08x", kernel->name, line, lane, mask);
    if (w->arrived && (w->wanted != mask || w->line != line))
        emu_report("%s: lanes of one warp meet in lines %d and %d (masks %08x, %08x)", kernel->name, w->line, line,
                   w->wanted, mask);
    w->wanted = mask;
    w->line = line;
    w->arrived |= 1u << lane;
}

void emu_warp_barrier(unsigned mask, int line, bool orders_memory)
{
    const int first = current / EMU_WARP * EMU_WARP;
    Warp *w = &warps[current / EMU_WARP];
    arrive(w, lanes_of(mask), line);
    if (w->arrived != w->wanted) {
        fibers[current].state = AT_WARP;
        fibers[current].line = line;
        leave();
        return;
    }
    for (int i = 0; i < EMU_WARP; i++)
        if (w->arrived >> i & 1) fibers[first + i].state = READY;
    w->arrived = 0;
    w->slot ^= 1;
    w->epoch = (uint16_t)(w->epoch + orders_memory);
    emu_place.warp_epoch = w->epoch;
}

uint64_t emu_shuffle(unsigned mask, uint64_t value, int from, int line)
{
    Warp *w = &warps[current / EMU_WARP];
    const int slot = w->slot;
    w->slots[slot][emu_lane()] = value;
    if (!(lanes_of(mask) >> from & 1))
        emu_report("%s: line %d: lane %d reads lane %d, which takes no part", kernel->name, line, emu_lane(), from);
    emu_counted.shuffles++;
    emu_warp_barrier(mask, line, false);
    return w->slots[slot][from];
}

/* Each static array is in lines of its own, behind the others and at least a line that is nobody's. */
void *emu_shared(size_t bytes, uintptr_t declaration)
{
    for (int i = 1; i < emu_shared_count; i++)
        if (emu_shared_arrays[i].declaration == declaration) return emu_shared_memory + emu_shared_arrays[i].begin;
    const size_t begin = (emu_shared_arrays[emu_shared_count - 1].end + 2 * LINE - 1) / LINE * LINE;
    if (begin + bytes > EMU_SHARED_MOST || emu_shared_count == EMU_SHARED_ARRAYS) {
        emu_report("%s: more than %d bytes of shared memory", kernel->name, EMU_SHARED_MOST);
        emu_kill();
    }
    emu_shared_arrays[emu_shared_count++] = {begin, begin + bytes, declaration};
    return emu_shared_memory + begin;
}

void *emu_shared_dynamic() { return emu_shared_memory; }

/* ---- launches ---- */

static void make_fibers()
{
    for (int i = 0; i < EMU_MOST_THREADS; i++)
        context_make(&fibers[i].context, emu_stacks + (size_t)i * STACK, STACK, fiber_main);
}

static char *map(size_t bytes)
{
    return (char *)mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void start_emulator()
{
    if (emu_stacks) return;
    emu_stacks = map((size_t)EMU_MOST_THREADS * STACK);
    emu_stacks_end = emu_stacks + (size_t)EMU_MOST_THREADS * STACK;
    emu_shared_memory = map(EMU_SHARED_MOST);
    memset(emu_shared_memory, 0xff, EMU_SHARED_MOST);
    make_fibers();
}

static bool can_launch(const EmuKernel &k)
{
    const dim3 grid = k.grid, block = k.block;
    const uint64_t threads = (uint64_t)block.x * block.y * block.z, blocks = (uint64_t)grid.x * grid.y * grid.z;
    if (threads && threads <= EMU_MOST_THREADS && blocks && grid.x <= INT32_MAX && grid.y <= 65535 && grid.z <= 65535 &&
        k.shared <= EMU_SHARED_MOST)
        return true;
    emu_report("%s: a launch of (%u,%u,%u) blocks of (%u,%u,%u) threads with %zu bytes is not possible", k.name, grid.x,
               grid.y, grid.z, block.x, block.y, block.z, k.shared);
    return false;
}

static void start_block(unsigned block)
{
    const dim3 grid = kernel->grid, threads = kernel->block;
    const size_t used = emu_shared_count ? emu_shared_arrays[emu_shared_count - 1].end : 0;
    emu_now.block = {block % grid.x, block / grid.x % grid.y, block / grid.x / grid.y};
    emu_place.block = block;
    emu_place.epoch = 0;
    memset(emu_shared_memory, 0xff, used); /* NaN */
    emu_watch_block(used);
    emu_shared_arrays[0] = {0, kernel->shared, 0};
    emu_shared_count = 1;
    for (int i = 0; i < thread_count; i++) {
        const unsigned t = (unsigned)i;
        fibers[i].thread = {t % threads.x, t / threads.x % threads.y, t / threads.x / threads.y};
        fibers[i].state = READY;
    }
    for (int w = 0; w * EMU_WARP < thread_count; w++) warps[w] = {};
    arrange(order, thread_count);
    left = thread_count;
    cursor = 0;
}

void emu_run(const EmuKernel &kernel_, uint32_t launch, const EmuRegions *regions)
{
    static std::vector<int> blocks;
    if (!can_launch(kernel_)) return;
    start_emulator();
    kernel = &kernel_;
    emu_now.block_dim = kernel_.block;
    emu_now.grid_dim = kernel_.grid;
    thread_count = (int)(kernel_.block.x * kernel_.block.y * kernel_.block.z);
    blocks.resize((size_t)kernel_.grid.x * kernel_.grid.y * kernel_.grid.z);
    arrange(blocks.data(), (int)blocks.size());
    emu_place.launch = launch;
    emu_watch_launch(regions);
    emu_running = true;
    for (size_t b = 0; b < blocks.size() && !aborted; b++) {
        start_block((unsigned)blocks[b]);
        enter(order[0]);
        context_switch(&scheduler, &fibers[current].context);
    }
    emu_running = false;
    if (aborted) make_fibers(); /* those of this launch are inside of the kernel for ever */
    aborted = false;
}
