/* A double of the CUDA runtime: memory, copies, streams, events and graphs. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "emu_internal.h"

/* One host thread at a time is in the runtime; a call may make others. */
struct Lock {
    static pthread_mutex_t mutex;
    Lock() { pthread_mutex_lock(&mutex); }
    ~Lock() { pthread_mutex_unlock(&mutex); }
};
pthread_mutex_t Lock::mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

/* Reports what cannot be done while this thread captures a stream; then the capture is lost. */
static bool capture_forbids(const char *what);

/* ---- device memory: addresses are given out in order, and none twice ---- */

char *emu_device;
static size_t device_used;
static std::map<const char *, EmuAllocation> allocations; /* by page; for freeing */
static std::vector<const EmuAllocation *> pages;          /* which allocation each page belongs to */
static std::map<const char *, size_t> pinned;
static int opened;

const EmuAllocation *emu_find_allocation(const void *p)
{
    const size_t page = (size_t)((const char *)p - emu_device) / EMU_PAGE;
    const EmuAllocation *a = emu_device && page < pages.size() ? pages[page] : NULL;
    return a && (const char *)p >= a->begin && (const char *)p < a->end ? a : NULL;
}

static void open_device()
{
    if (!opened++ && device_used) mprotect(emu_device, device_used, PROT_READ | PROT_WRITE);
}

static void close_device()
{
    if (!--opened && device_used) mprotect(emu_device, device_used, PROT_NONE);
}

static size_t allocated; /* bytes of all allocations */

/* The size of the device's memory in bytes, if the environment variable is set. */
static size_t memory_size()
{
    const char *text = getenv("SWIN_UMAMBA_EMULATED_MEMORY");
    return text ? (size_t)strtoull(text, NULL, 10) : EMU_DEVICE_BYTES;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    const Lock lock;
    *total = memory_size();
    *available = *total > allocated ? *total - allocated : 0;
    return cudaSuccess;
}

/* The end of an allocation is at the end of its pages, but for the alignment of 256 that the real runtime has, too. */
cudaError_t cudaMalloc(void **p, size_t bytes)
{
    enum { ALIGNMENT = 256 };
    const Lock lock;
    if (capture_forbids("cudaMalloc")) return cudaErrorStreamCaptureUnsupported;
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const size_t whole = (rounded + EMU_PAGE - 1) / EMU_PAGE * EMU_PAGE;
    if (!emu_device)
        emu_device =
            (char *)mmap(NULL, EMU_DEVICE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (allocated + rounded > memory_size()) return cudaErrorMemoryAllocation;
    if (emu_device == MAP_FAILED || !bytes || whole > EMU_DEVICE_BYTES - device_used) return cudaErrorMemoryAllocation;
    char *begin = emu_device + device_used + whole - rounded;
    EmuAllocation *a = &allocations[begin];
    *a = {begin, begin + bytes};
    pages.insert(pages.end(), whole / EMU_PAGE, a);
    device_used += whole;
    allocated += bytes;
    open_device();
    memset(begin, 0xff, rounded); /* NaN */
    close_device();
    *p = begin;
    return cudaSuccess;
}

static void run_all();
cudaError_t cudaFree(void *p)
{
    const Lock lock;
    if (!p) return cudaSuccess;
    if (capture_forbids("cudaFree")) return cudaErrorStreamCaptureUnsupported;
    const auto found = allocations.find((const char *)p);
    if (found == allocations.end()) {
        emu_report("cudaFree of %p, which is not allocated", p);
        return cudaErrorInvalidValue;
    }
    run_all(); /* cudaFree waits for the device */
    const size_t first = (size_t)((char *)p - emu_device) / EMU_PAGE;
    size_t page = first;
    for (; page < pages.size() && pages[page] == &found->second; page++) pages[page] = NULL;
    madvise(emu_device + first * EMU_PAGE, (page - first) * EMU_PAGE, MADV_DONTNEED);
    allocated -= (size_t)(found->second.end - found->second.begin);
    allocations.erase(found);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
    const Lock lock;
    if (capture_forbids("cudaMallocHost")) return cudaErrorStreamCaptureUnsupported;
    if (posix_memalign(p, 256, bytes ? bytes : 1)) return cudaErrorMemoryAllocation;
    pinned[(const char *)*p] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *p)
{
    const Lock lock;
    if (capture_forbids("cudaFreeHost")) return cudaErrorStreamCaptureUnsupported;
    run_all();
    if (p && !pinned.erase((const char *)p)) {
        emu_report("cudaFreeHost of %p, which is not pinned", p);
        return cudaErrorInvalidValue;
    }
    free(p);
    return cudaSuccess;
}

static bool is_pinned(const void *p)
{
    auto after = pinned.upper_bound((const char *)p);
    return after != pinned.begin() && (--after, (const char *)p < after->first + after->second);
}

size_t emu_live_bytes()
{
    const Lock lock;
    size_t bytes = 0;
    for (const auto &a : allocations) bytes += (size_t)(a.second.end - a.second.begin);
    for (const auto &p : pinned) bytes += p.second;
    return bytes;
}

/* ---- streams: queues of work, and for each operation what it has waited for ---- */

typedef std::vector<uint32_t> Clock; /* by stream: its latest operation that has happened before */

typedef std::function<void(uint32_t)> Run; /* of an operation, by its id */

struct Work {
    uint32_t id;
    Run run;
    CUstream_st *wait_for; /* not NULL: waits for this stream's operations up to wait_id, and runs nothing */
    uint32_t wait_id;
};
struct CUgraph_st {
    std::vector<Run> runs; /* in the order of the stream that was captured */
};
struct CUgraphExec_st {
    std::vector<Run> runs;
};
struct CUstream_st {
    size_t index;
    CUgraph_st *graph; /* not NULL: it is captured */
    bool lost;         /* the capture cannot become a graph */
    bool destroyed;
    std::deque<Work> queue;
    Clock clock;
};
struct CUevent_st {
    CUstream_st *stream; /* NULL: not recorded */
    uint32_t id;
    Clock clock;
};
struct Operation {
    size_t stream;
    Clock before;
};

static std::vector<std::unique_ptr<CUstream_st>> streams;
static std::vector<Operation> operations(1); /* by id; 0 is none */
static int live_streams;                     /* created and not destroyed */

static CUstream_st *new_stream()
{
    streams.push_back(std::make_unique<CUstream_st>());
    streams.back()->index = streams.size() - 1;
    return streams.back().get();
}

static CUstream_st *stream_of(cudaStream_t s)
{
    static CUstream_st *const legacy = new_stream();
    if (s && s->destroyed) emu_report("a stream is used that was destroyed");
    return s ? s : legacy;
}

static void merge(Clock &to, const Clock &from)
{
    if (to.size() < from.size()) to.resize(from.size());
    for (size_t i = 0; i < from.size(); i++)
        if (to[i] < from[i]) to[i] = from[i];
}

/* What the host has waited for comes before all that it asks for later. */
static void host_waited_for(const Clock &clock)
{
    for (auto &s : streams) merge(s->clock, clock);
}

bool emu_launch_before(uint32_t earlier, uint32_t later)
{
    if (!earlier) return true;
    const Clock &before = operations[later].before;
    const size_t stream = operations[earlier].stream;
    return stream < before.size() && before[stream] >= earlier;
}

static void append(CUstream_st *s, Run run)
{
    const uint32_t id = (uint32_t)operations.size();
    s->clock.resize(streams.size());
    s->clock[s->index] = id;
    operations.push_back({s->index, s->clock});
    s->queue.push_back({id, std::move(run), NULL, 0});
}

static thread_local CUstream_st *captured; /* by this thread */

static bool capture_forbids(const char *what)
{
    if (!captured) return false;
    emu_report("%s while a stream is captured", what);
    captured->lost = true;
    return true;
}

/* Puts an operation of a captured stream into its graph. */
static bool capture(CUstream_st *s, const Run &run)
{
    if (s != captured && !s->graph) return capture_forbids("work on another stream"), false;
    if (s != captured) emu_report("work on a stream that another thread captures");
    s->graph->runs.push_back(run);
    return true;
}

static void enqueue(cudaStream_t stream, Run run)
{
    CUstream_st *s = stream_of(stream);
    emu_counted.issued++;
    if (!capture(s, run)) append(s, std::move(run));
}

/* Runs what is needed so that operation `until` of the stream is done. */
static void run_until(CUstream_st *s, uint32_t until)
{
    open_device();
    while (!s->queue.empty() && s->queue.front().id <= until) {
        const Work work = std::move(s->queue.front());
        s->queue.pop_front();
        if (work.wait_for) run_until(work.wait_for, work.wait_id);
        else work.run(work.id);
    }
    close_device();
}

/* The host waits for it. */
static void wait_until(CUstream_st *s, uint32_t until)
{
    const bool busy = !s->queue.empty();
    run_until(s, until);
    if (s == stream_of(NULL) && busy && s->queue.empty()) emu_counted.emptied++;
}

static void run_all()
{
    wait_until(stream_of(NULL), UINT32_MAX);
    for (auto &s : streams) run_until(s.get(), UINT32_MAX);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
    const Lock lock;
    if (flags != cudaStreamNonBlocking) {
        emu_report("cudaStreamCreateWithFlags: a stream that waits for the default stream");
        return cudaErrorInvalidValue;
    }
    stream_of(NULL);
    *s = new_stream();
    live_streams++;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    const Lock lock;
    if (s->graph) emu_report("cudaStreamDestroy of a stream that is captured");
    run_until(s, UINT32_MAX);
    live_streams--;
    s->destroyed = true;
    return cudaSuccess; /* it stays in `streams`: operations name it */
}

static cudaError_t status() { return emu_failed() ? cudaErrorLaunchFailure : cudaSuccess; }

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    const Lock lock;
    if (capture_forbids("cudaStreamSynchronize")) return cudaErrorStreamCaptureUnsupported;
    CUstream_st *s = stream_of(stream);
    wait_until(s, UINT32_MAX);
    host_waited_for(s->clock);
    return status();
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = new CUevent_st();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    delete e;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream)
{
    const Lock lock;
    if (capture_forbids("cudaEventRecord")) return cudaErrorStreamCaptureUnsupported;
    CUstream_st *s = stream_of(stream);
    *e = {s, (uint32_t)operations.size() - 1, s->clock};
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t e, unsigned)
{
    const Lock lock;
    if (capture_forbids("cudaStreamWaitEvent")) return cudaErrorStreamCaptureUnsupported;
    CUstream_st *s = stream_of(stream);
    if (!e->stream) return cudaSuccess;
    merge(s->clock, e->clock);
    s->queue.push_back({0, nullptr, e->stream, e->id});
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    const Lock lock;
    if (capture_forbids("cudaEventSynchronize")) return cudaErrorStreamCaptureUnsupported;
    if (!e->stream) return cudaSuccess;
    wait_until(e->stream, e->id);
    host_waited_for(e->clock);
    return status();
}

/* ---- graphs: one stream at a time is captured, and events are not ---- */

static std::set<CUgraph_st *> graphs;
static std::set<CUgraphExec_st *> instances;

int emu_live_handles()
{
    const Lock lock;
    return live_streams + (int)(graphs.size() + instances.size());
}

static cudaError_t wrong(const char *what)
{
    emu_report("%s", what);
    return cudaErrorInvalidValue;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode)
{
    const Lock lock;
    if (!s) return wrong("cudaStreamBeginCapture of the default stream");
    if (captured || s->graph) return wrong("cudaStreamBeginCapture while a stream is captured");
    if (mode != cudaStreamCaptureModeThreadLocal) return wrong("cudaStreamBeginCapture: it disturbs other threads");
    s->graph = new CUgraph_st();
    s->lost = false;
    captured = s;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    const Lock lock;
    *graph = NULL;
    if (!s || s != captured) return wrong("cudaStreamEndCapture of a stream that this thread does not capture");
    std::unique_ptr<CUgraph_st> whole(s->graph);
    s->graph = NULL;
    captured = NULL;
    if (s->lost) return cudaErrorStreamCaptureInvalidated;
    graphs.insert(*graph = whole.release());
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *instance, cudaGraph_t graph, unsigned long long)
{
    const Lock lock;
    if (!graphs.count(graph)) return wrong("cudaGraphInstantiate of a graph that does not exist");
    instances.insert(*instance = new CUgraphExec_st{graph->runs});
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t instance, cudaStream_t stream)
{
    const Lock lock;
    if (!instances.count(instance)) return wrong("cudaGraphLaunch of an instance that does not exist");
    if (capture_forbids("cudaGraphLaunch")) return cudaErrorStreamCaptureUnsupported;
    emu_counted.issued++;
    for (const Run &run : instance->runs) append(stream_of(stream), run);
    return cudaSuccess;
}

template <class T> static cudaError_t destroy(std::set<T *> &all, T *one, const char *otherwise)
{
    const Lock lock;
    if (!all.erase(one)) return wrong(otherwise);
    delete one;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    return destroy(graphs, graph, "cudaGraphDestroy of a graph that does not exist");
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance)
{
    return destroy(instances, instance, "cudaGraphExecDestroy of an instance that does not exist");
}

/* ---- operations ---- */

static uint64_t hash_of(const void *p, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const unsigned char *)p)[i]) * 0x100000001b3u;
    return hash;
}

static bool kind_fits(const void *to, const void *from, enum cudaMemcpyKind kind)
{
    const bool to_device = emu_find_allocation(to), from_device = emu_find_allocation(from);
    if (to_device == (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) &&
        from_device == (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice))
        return true;
    emu_report("cudaMemcpyAsync: %p to %p is no copy of kind %d", from, to, (int)kind);
    return false;
}

/* A copy of pageable memory waits for the stream, one to the host also for itself. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    const Lock lock;
    const bool to_device = emu_find_allocation(to), from_device = emu_find_allocation(from);
    if (!bytes) return cudaSuccess;
    if (!kind_fits(to, from, kind)) return cudaErrorInvalidValue;
    if ((!to_device || !from_device) && capture_forbids("a copy of host memory"))
        return cudaErrorStreamCaptureUnsupported; /* a graph would copy what is there later */
    const uint64_t hash = from_device ? 0 : hash_of(from, bytes);
    enqueue(stream, [=](uint32_t id) {
        if (!from_device && hash_of(from, bytes) != hash)
            emu_report("the host changed %zu bytes at %p before they were copied to the device", bytes, from);
        if ((!from_device || emu_touch_as(id, from, bytes, false)) && (!to_device || emu_touch_as(id, to, bytes, true)))
            memcpy(to, from, bytes);
    });
    if ((to_device || is_pinned(to)) && (from_device || is_pinned(from))) return cudaSuccess;
    wait_until(stream_of(stream), UINT32_MAX);
    if (!to_device) host_waited_for(stream_of(stream)->clock);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
    const Lock lock;
    if (bytes)
        enqueue(stream, [=](uint32_t id) {
            if (emu_touch_as(id, p, bytes, true)) memset(p, value, bytes);
        });
    return cudaSuccess;
}

static std::shared_ptr<EmuRegions> regions; /* of the node that is being launched; empty: everything is allowed */

void emu_begin_node(const DeviceRegion *regions_, int count)
{
    const Lock lock;
    regions = std::make_shared<EmuRegions>(regions_, regions_ + count);
}

void emu_end_node()
{
    const Lock lock;
    regions.reset();
}

extern "C" void emu_limit(const Device *, const DeviceRegion *regions_, int count)
{
    if (regions_) emu_begin_node(regions_, count);
    else emu_end_node();
}

/* In the order of the work, as part of a graph, too. */
extern "C" void emu_retire(const Device *, const void *memory, size_t bytes)
{
    const Lock lock;
    CUstream_st *s = captured ? captured : stream_of(NULL);
    const Run run = [=](uint32_t) { emu_forget(memory, bytes); };
    if (!capture(s, run)) append(s, run);
}

static std::map<const void *, size_t> shared_limits; /* of dynamic memory, by kernel */

cudaError_t cudaFuncSetAttribute(const void *kernel, enum cudaFuncAttribute, int value)
{
    const Lock lock;
    if (value > EMU_SHARED_MOST) return cudaErrorInvalidValue;
    shared_limits[kernel] = (size_t)value;
    return cudaSuccess;
}

static std::set<const void *> loaded; /* kernels that were launched */

void emu_launch(cudaStream_t stream, const char *name, const void *function, dim3 grid, dim3 block, size_t shared,
                std::function<void()> body)
{
    const Lock lock;
    if (loaded.insert(function).second) capture_forbids("the first launch of a kernel, which loads its code,");
    const auto limit = shared_limits.find(function);
    if (shared > (limit == shared_limits.end() ? EMU_SHARED_DEFAULT : limit->second))
        emu_report("%s: %zu bytes of dynamic shared memory, without cudaFuncSetAttribute", name, shared);
    const EmuKernel kernel = {name, grid, block, shared, std::move(body)};
    const std::shared_ptr<EmuRegions> may = regions;
    enqueue(stream, [=](uint32_t id) { emu_run(kernel, id, may.get()); });
}

static uint32_t library_call;
static const EmuRegions *library_regions;

void emu_enqueue(cudaStream_t stream, std::function<void()> work)
{
    const Lock lock;
    const std::shared_ptr<EmuRegions> may = regions;
    enqueue(stream, [=](uint32_t id) {
        library_call = id;
        library_regions = may.get();
        work();
    });
}

bool emu_update(const void *p, size_t bytes)
{
    return emu_update_as(library_call, p, bytes) && emu_touch_within(library_regions, p, bytes, true);
}

bool emu_touch(const void *p, size_t bytes, bool write)
{
    return emu_touch_as(library_call, p, bytes, write) && emu_touch_within(library_regions, p, bytes, write);
}

/* ---- devices and errors ---- */

/* The environment variable says how many GPUs there are: 1, if it is not set; "none": not even a driver. */
cudaError_t cudaGetDeviceCount(int *count)
{
    const char *text = getenv("SWIN_UMAMBA_EMULATED_GPUS");
    *count = text ? atoi(text) : 1;
    if (text && !strcmp(text, "none")) return cudaErrorInsufficientDriver;
    return *count ? cudaSuccess : cudaErrorNoDevice;
}

static thread_local int current; /* only its number counts: the memory and streams of all are one */

cudaError_t cudaSetDevice(int device)
{
    int count;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error || device < 0 || device >= count) return error ? error : cudaErrorInvalidDevice;
    current = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    *device = current;
    return cudaSuccess;
}

cudaError_t cudaGetLastError() { return status(); }

/* Of a failed launch: what the emulator has found. */
const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorLaunchFailure: return emu_first_error();
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return "invalid argument";
    }
}
