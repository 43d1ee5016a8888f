/* Answers the calls that GCC puts before every memory access under -fsanitize=thread, and for accesses beyond an array under
 * -fsanitize=bounds-strict,object-size (only kernel files are compiled so; the sanitizers' own libraries are not linked). For every two
 * bytes of device and shared memory a cell has the last write and the last read. The stacks of fibers are private to them:
 * there only the indices are watched. */
#include <stdlib.h>
#include <sys/mman.h>

#include "emu_internal.h"

static const size_t GRAIN = 2;
static const size_t ALIGNMENT_MOST = 8; /* 16 bytes may be two doubles; of vectors -fsanitize=alignment tells it */
enum : uint16_t { SEVERAL_THREADS = 0x7fff, ATOMIC = 0x8000 };
enum : uint32_t { SEVERAL_BLOCKS = 0xffffffffu };

struct Cell {
    EmuPlace write, read; /* launch 0: never */
};

static bool same(const EmuPlace &a, const EmuPlace &b) { return !memcmp(&a, &b, sizeof a); }

/* ---- where cells are ---- */

static Cell *map(size_t bytes)
{
    return (Cell *)mmap(NULL, bytes / GRAIN * sizeof(Cell), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static Cell *device_cell(const char *p)
{
    static Cell *cells;
    if (!cells) cells = map(EMU_DEVICE_BYTES);
    return cells + (p - emu_device) / GRAIN;
}

static Cell shared_cells[EMU_SHARED_MOST / GRAIN];

void emu_watch_block(size_t shared_bytes)
{
    memset(shared_cells, 0, (shared_bytes + GRAIN - 1) / GRAIN * sizeof(Cell));
}

/* ---- order ---- */

struct Access {
    const char *at;
    size_t bytes;
    bool write, atomic;
    void *code;
    bool updates; /* a write of what is read by the same */
};

/* Whether p, an earlier access, happens before the running thread. */
static bool before(const EmuPlace &p)
{
    const uint16_t thread = p.thread & SEVERAL_THREADS;
    if (p.launch != emu_place.launch) return emu_launch_before(p.launch, emu_place.launch);
    if (p.block != emu_place.block) return false;
    if (p.epoch < emu_place.epoch || thread == emu_place.thread) return true;
    return thread != SEVERAL_THREADS && thread / EMU_WARP == emu_place.thread / EMU_WARP &&
           p.warp_epoch < emu_place.warp_epoch;
}

static void race(const char *what, const Access &a, const EmuPlace &p)
{
    const int thread = p.thread & SEVERAL_THREADS;
    emu_report("race: %s %p (code %p): thread %u of block %u, launch %u, and thread %d of block %d, launch %u", what,
               (const void *)a.at, a.code, emu_place.thread, emu_place.block, emu_place.launch,
               thread == SEVERAL_THREADS ? -1 : thread, (int)p.block, p.launch);
}

/* One entry for all readers since the last write: a second thread or block makes them several. */
static void note_reader(Cell *c)
{
    if (c->read.launch == emu_place.launch && c->read.block != emu_place.block) c->read.block = SEVERAL_BLOCKS;
    else if (c->read.launch == emu_place.launch && c->read.epoch == emu_place.epoch &&
             c->read.thread != emu_place.thread)
        c->read.thread = SEVERAL_THREADS;
    else c->read = emu_place;
}

static void note(Cell *c, const Access &a)
{
    EmuPlace now = emu_place;
    if (a.atomic) now.thread |= ATOMIC;
    if ((!a.write || a.updates) && !c->write.launch) {
        emu_report("memory is read that was never written: %p (code %p), thread %u of block %u", (const void *)a.at,
                   a.code, emu_place.thread, emu_place.block);
        c->write = now;
    }
    const bool both_atomic = a.atomic && c->write.thread & ATOMIC;
    if (c->write.launch && !both_atomic && !before(c->write))
        race(a.write ? "two writes of" : "read of what is written at", a, c->write);
    if (a.write && !a.atomic && c->read.launch && !before(c->read)) race("write of what is read at", a, c->read);
    if (!a.write) return note_reader(c);
    c->write = now;
    if (!a.atomic) c->read = {};
}

/* Neighbouring cells mostly have the same history: then what is found for one holds for the next. */
static void note_cells(Cell *c, const Access &a)
{
    const size_t count = (a.bytes + GRAIN - 1) / GRAIN;
    Cell was = {}, is = {};
    for (size_t i = 0; i < count; i++) {
        if (i && same(c[i].write, was.write) && same(c[i].read, was.read)) {
            c[i] = is;
            continue;
        }
        was = c[i];
        note(&c[i], a);
        is = c[i];
    }
}

/* What a launch reads first of an address, and what it writes first there. */
static void count_moved(const Cell *c, const Access &a)
{
    const size_t count = (a.bytes + GRAIN - 1) / GRAIN;
    for (size_t i = 0; i < count; i++) {
        const bool written = c[i].write.launch == emu_place.launch;
        if (!written && (a.write || c[i].read.launch != emu_place.launch)) emu_counted.moved += GRAIN;
    }
}

/* ---- what a node may access ---- */

static const EmuRegions *regions;
static size_t last_region;

void emu_watch_launch(const EmuRegions *regions_)
{
    regions = regions_;
    last_region = 0;
}

static bool inside(const DeviceRegion &r, const Access &a)
{
    const char *start = (const char *)r.start;
    if (a.at < start || (a.write && !r.written)) return false;
    const size_t from = (size_t)(a.at - start);
    if (r.pitch == r.row) return from + a.bytes <= r.row * (size_t)r.rows; /* without gaps: it may be several rows */
    const size_t row = r.pitch ? from / r.pitch : 0, offset = from - row * r.pitch;
    return (int64_t)row < r.rows && offset + a.bytes <= r.row;
}

static bool allowed(const Access &a)
{
    if (!regions || (last_region < regions->size() && inside((*regions)[last_region], a))) return true;
    for (last_region = 0; last_region < regions->size(); last_region++)
        if (inside((*regions)[last_region], a)) return true;
    return false;
}

/* ---- accesses of kernels ---- */

[[noreturn]] static void stop(const char *what, const Access &a)
{
    emu_report("%s of %zu bytes %s: %p (code %p), thread %u of block %u", a.write ? "write" : "read", a.bytes, what,
               (const void *)a.at, a.code, emu_place.thread, emu_place.block);
    emu_kill();
}

static Cell *shared_cell(const Access &a)
{
    const size_t offset = (size_t)(a.at - emu_shared_memory);
    for (int i = 0; i < emu_shared_count; i++)
        if (offset >= emu_shared_arrays[i].begin && offset + a.bytes <= emu_shared_arrays[i].end)
            return &shared_cells[offset / GRAIN];
    stop("outside of the arrays in shared memory", a);
}

static Cell *global_cell(const Access &a)
{
    const EmuAllocation *allocation = emu_find_allocation(a.at);
    if (!allocation || a.at + a.bytes > allocation->end) stop("outside of device memory", a);
    if (!allowed(a)) stop("outside of what the node may access", a);
    return device_cell(a.at);
}

static bool within(const void *p, const void *begin, size_t bytes)
{
    return (size_t)((const char *)p - (const char *)begin) < bytes;
}

static void access(const Access &a)
{
    if (!emu_running || !emu_watching) return;
    emu_counted.accesses++;
    if (within(a.at, emu_stacks, (size_t)(emu_stacks_end - emu_stacks)) || within(a.at, &emu_now, sizeof emu_now))
        return;
    const bool shared = within(a.at, emu_shared_memory, EMU_SHARED_MOST);
    Cell *cell = shared ? shared_cell(a) : global_cell(a);
    const size_t alignment = a.bytes < ALIGNMENT_MOST ? a.bytes : ALIGNMENT_MOST;
    if ((uintptr_t)a.at % alignment) stop("at a misaligned address", a);
    if (!shared) count_moved(cell, a);
    note_cells(cell, a);
}

static void access_range(const void *p, size_t bytes, bool write, void *code)
{
    for (size_t i = 0; i < bytes; i++) access({(const char *)p + i, 1, write, false, code, false});
}

void emu_atomic(const void *p, size_t bytes)
{
    access({(const char *)p, bytes, true, true, __builtin_return_address(0), false});
}

/* ---- accesses of copies and libraries ---- */

static bool touch(uint32_t launch, Access a)
{
    const EmuAllocation *allocation = emu_find_allocation(a.at);
    if (!allocation || a.at + a.bytes > allocation->end) {
        emu_report("a copy or library call accesses %zu bytes at %p, which are not all device memory", a.bytes,
                   (const void *)a.at);
        return false;
    }
    const EmuPlace kept = emu_place;
    emu_place = {launch, 0, 0, 0, 0};
    count_moved(device_cell(a.at), a);
    note_cells(device_cell(a.at), a);
    emu_place = kept;
    return true;
}

bool emu_touch_as(uint32_t launch, const void *p, size_t bytes, bool write)
{
    return touch(launch, {(const char *)p, bytes, write, false, NULL, false});
}

bool emu_update_as(uint32_t launch, const void *p, size_t bytes)
{
    return touch(launch, {(const char *)p, bytes, true, false, NULL, true});
}

bool emu_touch_within(const EmuRegions *may, const void *p, size_t bytes, bool write)
{
    for (size_t i = 0; may && i < may->size(); i++)
        if (inside((*may)[i], {(const char *)p, bytes, write, false, NULL})) return true;
    if (may)
        emu_report("a library call %s %zu bytes at %p, outside of what the node may access", write ? "writes" : "reads",
                   bytes, p);
    return !may;
}

void emu_forget(const void *p, size_t bytes)
{
    for (size_t i = 0; emu_find_allocation(p) && i < bytes; i += GRAIN) device_cell((const char *)p)[i / GRAIN] = {};
}

/* ---- the compiler's calls ---- */

[[noreturn]] static void stop_at(const char *file, uint32_t line, const char *what)
{
    emu_report("%s:%u: %s, thread %u of block %u", file, line, what, emu_place.thread, emu_place.block);
    if (!emu_running) abort(); /* on the host */
    emu_kill();
}

#define CODE __builtin_return_address(0)
#define CALLS(n)                                                                                  \
    void __tsan_read##n(void *p) { access({(char *)p, n, false, false, CODE, false}); }           \
    void __tsan_write##n(void *p) { access({(char *)p, n, true, false, CODE, false}); }           \
    void __tsan_unaligned_read##n(void *p) { access({(char *)p, n, false, false, CODE, false}); } \
    void __tsan_unaligned_write##n(void *p) { access({(char *)p, n, true, false, CODE, false}); } \
    void __tsan_read_write##n(void *p)                                                            \
    {                                                                                             \
        access({(char *)p, n, false, false, CODE, false});                                        \
        access({(char *)p, n, true, false, CODE, false});                                         \
    }
extern "C" {
CALLS(1)
CALLS(2)
CALLS(4)
CALLS(8)
CALLS(16)
void __tsan_read_range(void *p, size_t n) { access_range(p, n, false, CODE); }
void __tsan_write_range(void *p, size_t n) { access_range(p, n, true, CODE); }
void *__tsan_memcpy(void *to, const void *from, size_t n)
{
    access_range(from, n, false, CODE);
    access_range(to, n, true, CODE);
    return memcpy(to, from, n);
}
void *__tsan_memmove(void *to, const void *from, size_t n)
{
    access_range(from, n, false, CODE);
    access_range(to, n, true, CODE);
    return memmove(to, from, n);
}
void *__tsan_memset(void *to, int value, size_t n)
{
    access_range(to, n, true, CODE);
    return memset(to, value, n);
}
/* Where in the source; the rest tells of types. */
struct SourceLine {
    const char *file;
    uint32_t line;
};
struct TypeMismatch {
    SourceLine at;
    uint32_t column;
    const void *type;
    uint8_t log_alignment; /* that the type needs */
};
void __ubsan_handle_out_of_bounds_abort(const SourceLine *at, uintptr_t)
{
    stop_at(at->file, at->line, "outside of an array");
}
/* A vector is stored as its parts, whose addresses are aligned: only this call tells that the vector's is not. */
void __ubsan_handle_type_mismatch_v1_abort(const TypeMismatch *m, uintptr_t address)
{
    const bool misaligned = address & (((uintptr_t)1 << m->log_alignment) - 1);
    stop_at(m->at.file, m->at.line, misaligned ? "misaligned" : "outside of an array");
}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_init() {}
}
