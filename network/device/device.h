/* Device: the processor that runs a network, and its memory.
 *
 * A Device is a const table of functions, shared by all threads. It must exist longer than every Executor, Parameters
 * and Optimizer that uses it. Work on a device is executed in the order of the calls. It may be asynchronous: `wait`
 * blocks until all of it is done. The CPU is synchronous and shares the host's memory, so nothing is copied for it.
 * Only work on the device and `copy` may access device memory; the host may do so only if shares_memory is set. */
#ifndef NETWORK_DEVICE_DEVICE_H
#define NETWORK_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

/* The kinds of devices. For each, an op has a list of implementations (network/graph/op.h), and each optimizer an
 * update function. DEVICES is their number. */
typedef enum DeviceKind { DEVICE_CPU, DEVICE_CUDA, DEVICES } DeviceKind;

typedef enum DeviceCopy { COPY_TO_DEVICE, COPY_TO_HOST, COPY_ON_DEVICE } DeviceCopy;

/* A matrix of values of one type. Row r starts at element r · pitch; its `columns` elements are dense. */
typedef struct DeviceRows {
    const void *data;
    DType dtype;
    int64_t rows, columns, pitch;
} DeviceRows;

/* A part of device memory: `rows` rows of `row` bytes, `pitch` bytes apart. */
typedef struct DeviceRegion {
    const void *start;
    size_t row, pitch;
    int64_t rows;
    bool written; /* may be written, too */
} DeviceRegion;

/* Memory of a device in bytes, and how much of it could be allocated now. */
typedef struct DeviceMemory {
    size_t total, available;
} DeviceMemory;

/* What driver and libraries take of a GPU's memory beside what is allocated there: the context with the code of kernels;
 * later the code and the handles of cuDNN and cuBLASLt. Assumed, not measured. */
#define GPU_CONTEXT_BYTES ((size_t)512 << 20)
#define GPU_LIBRARY_BYTES ((size_t)512 << 20)

/* The number of marks in a device's work. */
enum { DEVICE_MARKS = 2 };

typedef struct Device Device;

/* Work for a device that is the same whenever it is issued: the same calls with the same values and addresses. */
typedef struct DeviceWork {
    int (*issue)(void *context, Err *e); /* 0, or a negative code with e filled */
    void *context;
} DeviceWork;

/* How a device repeats one DeviceWork with less effort of the host. */
typedef struct Recording Recording;

/* Functions of type int return 0, or a negative code with e filled. Each of them may report the failure of earlier
 * asynchronous work. */
struct Device {
    DeviceKind kind;
    const char *name;   /* the value of --device */
    size_t alignment;   /* bytes, a power of 2; of allocated memory and of every block in an executor's arena */
    bool shares_memory; /* device memory is host memory: the host may access it after wait */

    int (*memory)(const Device *, DeviceMemory *, Err *e);     /* NULL: it is the host's, whose limit is not known */
    bool (*supports)(const Device *, DType precision);         /* whether activations may have this type */
    void *(*alloc)(const Device *, size_t bytes, Err *e);      /* device memory, not initialised; NULL on failure */
    void (*free)(const Device *, void *memory);                /* NULL is fine */
    void *(*alloc_host)(const Device *, size_t bytes, Err *e); /* pinned host memory, for fast copies */
    void (*free_host)(const Device *, void *memory);           /* NULL is fine */
    /* The caller must not change or free the host memory of a copy until wait. */
    int (*copy)(const Device *, void *to, const void *from, size_t bytes, DeviceCopy direction, Err *e);
    /* Copies from pinned host memory beside the work in order. Work that follows join_uploads waits for all uploads before
     * it; until that work is done, `from` must not change. NULL: the device shares the host's memory. */
    int (*upload)(const Device *, void *to, const void *from, size_t bytes, Err *e);
    int (*join_uploads)(const Device *, Err *e);
    int (*clear)(const Device *, void *memory, size_t bytes, Err *e);                /* sets all bytes to 0 */
    int (*all_finite)(const Device *, const DeviceRows *rows, bool *finite, Err *e); /* synchronous; int16: true */
    int (*wait)(const Device *, Err *e);
    /* mark: sets mark number 0 … DEVICE_MARKS - 1 after the work so far. wait_mark: waits for the work before it, while later
     * work goes on. Host memory of copies before the mark may be used then. */
    int (*mark)(const Device *, int number, Err *e);
    int (*wait_mark)(const Device *, int number, Err *e);
    /* Called before and after a unit of work, named `work`: one pass of a node, or a step of the optimizer. end reports
     * whether the work could be launched. */
    void (*begin)(const Device *, const char *work);
    int (*end)(const Device *, Err *e);
    /* limit: work that is issued from now on accesses only these regions; regions NULL: any memory again. retire: work from now on
     * reads nothing there before it is written again. A device that checks it reports what does not keep to it: the emulated
     * GPU. Both NULL: it is not checked. */
    void (*limit)(const Device *, const DeviceRegion *regions, int count);
    void (*retire)(const Device *, const void *memory, size_t bytes);
    /* Issues the work, or does what it issued before. *recording is NULL at first, and belongs to this work; forget frees it,
     * before any memory that the work uses. What issue does on the host is not repeated. Fails: as issue. Both NULL: the
     * device records nothing. */
    int (*repeat)(const Device *, const DeviceWork *work, Recording **recording, Err *e);
    void (*forget)(const Device *, Recording *recording); /* NULL is fine */
};

const Device *device_cpu(void);

/* The GPU of that number (network/cuda/device.c). A build without CUDA does not have this function: its address is NULL.
 * Fails, NULL: ERR_UNSUPPORTED without a driver or such a GPU. */
__attribute__((weak, visibility("hidden"))) const Device *device_cuda(int number, Err *e);

/* The device with the name given to --device: cpu, cuda or cuda:N. Fails, NULL: ERR_VALUE for another name,
 * ERR_UNSUPPORTED without CUDA in this build, and as device_cuda. */
const Device *device_named(const char *name, Err *e);

/* The device of one of several processes on a machine: cuda:N names the GPU of rank 0, the next ranks have the next GPUs;
 * all have the CPU. Fails: as device_named. */
const Device *device_of_rank(const char *name, int rank, Err *e);

/* Refuses work that would not fit in the memory that the device has available: ERR_NOMEM, with both sizes. bytes: what the
 * work will allocate. work: what it is, "training with a batch of 12". remedy: what to do, "choose a smaller batch". A device
 * whose memory is not known refuses nothing. Fails also: as the device's memory. */
int device_expect_room(const Device *d, size_t bytes, const char *work, const char *remedy, Err *e);

#endif
