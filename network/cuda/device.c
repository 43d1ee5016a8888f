/* The Device of an NVIDIA GPU (network/device/device.h), on the CUDA runtime. All work is on the default stream of the
 * GPU, so that it is done in the order of the calls; uploads are on a stream of their own. Work that is recorded is on
 * another (recording.h).
 *
 * Launches return no errors of their own: `end` asks the runtime whether the last one was possible. A fault inside a
 * kernel is found when something waits for it; then the GPU can no longer be used by this process. */
#include <cuda_runtime_api.h>
#include <stdio.h>

#include "network/cuda/finite.h"
#include "network/cuda/recording.h"
#include "network/device/device.h"

enum { GPUS = 20, ALIGNMENT = 256 };

static const Device gpus[GPUS];
static int number_of(const Device *d) { return (int)(d - gpus); }

/* Makes the calls of this thread that follow go to the GPU. */
static int use(const Device *d, Err *e)
{
    const cudaError_t error = cudaSetDevice(number_of(d));
    return error ? err_set(e, ERR_UNSUPPORTED, "%s cannot be used: %s", d->name, cudaGetErrorString(error)) : 0;
}

static int check(const Device *d, cudaError_t error, const char *what, Err *e)
{
    if (!error) return 0;
    const ErrCode code = error == cudaErrorMemoryAllocation ? ERR_NOMEM : ERR_UNSUPPORTED;
    return err_set(e, code, "%s: %s failed: %s", d->name, what, cudaGetErrorString(error));
}

static int memory_of(const Device *d, DeviceMemory *m, Err *e)
{
    TRY(use(d, e));
    return check(d, cudaMemGetInfo(&m->available, &m->total), "asking for its memory", e);
}

static bool supports(const Device *d, DType precision)
{
    (void)d;
    return precision == DTYPE_F32 || precision == DTYPE_BF16;
}

static void *alloc(const Device *d, size_t bytes, Err *e)
{
    void *memory = NULL;
    if (use(d, e)) return NULL;
    const cudaError_t error = cudaMalloc(&memory, bytes ? bytes : 1);
    if (!error) return memory;
    err_set(e, ERR_NOMEM, "%s: %zu MB of GPU memory could not be allocated: %s", d->name, bytes >> 20,
            cudaGetErrorString(error));
    cudaGetLastError(); /* it is told; later calls shall not report it again */
    return NULL;
}

static void free_memory(const Device *d, void *memory)
{
    if (!use(d, NULL)) cudaFree(memory);
}

static void *alloc_host(const Device *d, size_t bytes, Err *e)
{
    void *memory = NULL;
    if (use(d, e) || check(d, cudaMallocHost(&memory, bytes ? bytes : 1), "an allocation of pinned memory", e))
        return NULL;
    return memory;
}

static void free_host(const Device *d, void *memory)
{
    if (memory && !use(d, NULL)) cudaFreeHost(memory);
}

static int copy(const Device *d, void *to, const void *from, size_t bytes, DeviceCopy direction, Err *e)
{
    static const enum cudaMemcpyKind kinds[] = {
        [COPY_TO_DEVICE] = cudaMemcpyHostToDevice,
        [COPY_TO_HOST] = cudaMemcpyDeviceToHost,
        [COPY_ON_DEVICE] = cudaMemcpyDeviceToDevice,
    };
    TRY(use(d, e));
    return to == from ? 0 : check(d, cudaMemcpyAsync(to, from, bytes, kinds[direction], gpu_stream()), "a copy", e);
}

/* Of each GPU that has had an upload; kept until the process ends. */
static struct {
    cudaStream_t stream;
    cudaEvent_t event; /* after the last upload */
} uploads[GPUS];

static int begin_uploads(const Device *d, Err *e)
{
    const int gpu = number_of(d);
    if (uploads[gpu].event) return 0;
    if (!uploads[gpu].stream)
        TRY(check(d, cudaStreamCreateWithFlags(&uploads[gpu].stream, cudaStreamNonBlocking), "a stream", e));
    return check(d, cudaEventCreateWithFlags(&uploads[gpu].event, cudaEventDisableTiming), "an event", e);
}

static int upload(const Device *d, void *to, const void *from, size_t bytes, Err *e)
{
    TRY(use(d, e));
    TRY(begin_uploads(d, e));
    return check(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, uploads[number_of(d)].stream), "an upload",
                 e);
}

static int join_uploads(const Device *d, Err *e)
{
    const int gpu = number_of(d);
    TRY(use(d, e));
    if (!uploads[gpu].event) return 0;
    TRY(check(d, cudaEventRecord(uploads[gpu].event, uploads[gpu].stream), "recording an event", e));
    return check(d, cudaStreamWaitEvent(NULL, uploads[gpu].event, 0), "waiting for an event", e);
}

static int clear(const Device *d, void *memory, size_t bytes, Err *e)
{
    TRY(use(d, e));
    return check(d, cudaMemsetAsync(memory, 0, bytes, gpu_stream()), "clearing memory", e);
}

static int wait_for(const Device *d, Err *e)
{
    TRY(use(d, e));
    return check(d, cudaStreamSynchronize(gpu_stream()), "a kernel", e);
}

/* Of each GPU, once used; kept until the process ends. */
static cudaEvent_t marks[GPUS][DEVICE_MARKS];

static int mark(const Device *d, int number, Err *e)
{
    cudaEvent_t *event = &marks[number_of(d)][number];
    TRY(use(d, e));
    if (!*event) TRY(check(d, cudaEventCreateWithFlags(event, cudaEventDisableTiming), "an event", e));
    return check(d, cudaEventRecord(*event, NULL), "recording an event", e);
}

static int wait_mark(const Device *d, int number, Err *e)
{
    TRY(use(d, e));
    return check(d, cudaEventSynchronize(marks[number_of(d)][number]), "a kernel", e);
}

static int all_finite(const Device *d, const DeviceRows *rows, bool *finite, Err *e)
{
    int found = 0;
    *finite = true;
    if (rows->dtype == DTYPE_I16 || !rows->rows || !rows->columns) return 0;
    int *const flag = alloc(d, sizeof *flag, e);
    if (!flag) return ERR_NOMEM;
    int failed = clear(d, flag, sizeof *flag, e);
    if (!failed) {
        gpu_find_not_finite(rows, flag);
        failed = check(d, cudaGetLastError(), "a launch", e);
    }
    if (!failed) failed = copy(d, &found, flag, sizeof found, COPY_TO_HOST, e);
    if (!failed) failed = wait_for(d, e);
    free_memory(d, flag);
    *finite = !found;
    return failed;
}

static void begin(const Device *d, const char *work)
{
    (void)work;
    use(d, NULL);
}

static int end(const Device *d, Err *e) { return check(d, cudaGetLastError(), "a launch", e); }

/* Of the emulated GPU (tests/cuda/runtime.cc). A real one is told nothing: there they are NULL. */
__attribute__((weak, visibility("hidden"))) void emu_limit(const Device *d, const DeviceRegion *regions, int count);
__attribute__((weak, visibility("hidden"))) void emu_retire(const Device *d, const void *memory, size_t bytes);

#define GPU(name_)                                                                                                  \
    {                                                                                                               \
        .kind = DEVICE_CUDA, .name = name_, .alignment = ALIGNMENT, .memory = memory_of, .supports = supports,      \
        .alloc = alloc, .free = free_memory, .alloc_host = alloc_host, .free_host = free_host, .copy = copy,        \
        .upload = upload, .join_uploads = join_uploads, .clear = clear, .all_finite = all_finite, .wait = wait_for, \
        .mark = mark, .wait_mark = wait_mark, .begin = begin, .end = end, .limit = emu_limit, .retire = emu_retire, \
        .repeat = gpu_repeat, .forget = gpu_forget                                                                  \
    }
#define TEN_GPUS(d)                                                                                     \
    GPU("cuda:" d "0"), GPU("cuda:" d "1"), GPU("cuda:" d "2"), GPU("cuda:" d "3"), GPU("cuda:" d "4"), \
        GPU("cuda:" d "5"), GPU("cuda:" d "6"), GPU("cuda:" d "7"), GPU("cuda:" d "8"), GPU("cuda:" d "9")

static const Device gpus[GPUS] = {TEN_GPUS(""), TEN_GPUS("1")};

const Device *device_cuda(int number, Err *e)
{
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaErrorInsufficientDriver)
        err_set(e, ERR_UNSUPPORTED,
                "device cuda:%d: no NVIDIA driver, or one that is older than this build's CUDA (nvidia-smi tells its "
                "version); use cpu",
                number);
    else if (error && error != cudaErrorNoDevice)
        err_set(e, ERR_UNSUPPORTED, "device cuda:%d: %s; use cpu", number, cudaGetErrorString(error));
    else if (!count) err_set(e, ERR_UNSUPPORTED, "device cuda:%d: this machine has no NVIDIA GPU; use cpu", number);
    else if (number && count == 1) err_set(e, ERR_UNSUPPORTED, "device cuda:%d: this machine has only cuda:0", number);
    else if (number >= count || number >= GPUS)
        err_set(e, ERR_UNSUPPORTED, "device cuda:%d: this machine has %d GPUs, the last is cuda:%d", number, count,
                count - 1);
    else return &gpus[number];
    return NULL;
}
