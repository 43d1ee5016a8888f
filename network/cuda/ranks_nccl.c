/* Ranks on GPUs by NCCL, one process for each GPU. Sums of the device's work are on the default stream, as all of it.
 * Sums that were begun are on a stream of their own, so that they overlap with the backward pass. */
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <string.h>

#include "base/memory.h"
#include "network/cuda/recording.h"
#include "network/device/ranks.h"

enum {
    STAGED = 1024,          /* values that sum_on_host sums at a time */
    BUCKET_BYTES = 25 << 20 /* as PyTorch's DistributedDataParallel */
};

typedef struct NcclRanks {
    Ranks ranks;
    const Device *device;
    ncclComm_t communicator;
    cudaStream_t stream;
    cudaEvent_t event; /* orders the two streams */
    double *stage;     /* STAGED values in device memory */
} NcclRanks;

static int check(const NcclRanks *r, ncclResult_t result, const char *what, Err *e)
{
    if (!result) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s, GPU %d of %d: %s failed: %s (%s); NCCL_DEBUG=WARN tells more",
                   r->device->name, r->ranks.rank + 1, r->ranks.count, what, ncclGetErrorString(result),
                   ncclGetLastError(r->communicator));
}

static int check_cuda(const NcclRanks *r, cudaError_t error, const char *what, Err *e)
{
    return error ? err_set(e, ERR_UNSUPPORTED, "%s: %s failed: %s", r->device->name, what, cudaGetErrorString(error))
                 : 0;
}

/* In place. `begin` makes the calls of this thread go to the GPU. */
static int all_reduce(const NcclRanks *r, void *values, int64_t count, ncclDataType_t type, cudaStream_t stream, Err *e)
{
    r->device->begin(r->device, "sum over GPUs");
    return check(r, ncclAllReduce(values, values, (size_t)count, type, ncclSum, r->communicator, stream),
                 "a sum over GPUs", e);
}

static int sum(void *ranks, double *values, int64_t count, Err *e)
{
    return all_reduce(ranks, values, count, ncclDouble, gpu_stream(), e);
}

/* Later work on stream `second` waits for the present work on `first`. */
static int order(const NcclRanks *r, cudaStream_t first, cudaStream_t second, Err *e)
{
    r->device->begin(r->device, "order of streams");
    TRY(check_cuda(r, cudaEventRecord(r->event, first), "recording an event", e));
    return check_cuda(r, cudaStreamWaitEvent(second, r->event, 0), "waiting for an event", e);
}

static int begin_sum(Ranks *ranks, float *values, int64_t count, Err *e)
{
    const NcclRanks *r = (NcclRanks *)ranks;
    TRY(order(r, NULL, r->stream, e));
    return all_reduce(r, values, count, ncclFloat, r->stream, e);
}

static int finish_sums(Ranks *ranks, Err *e)
{
    const NcclRanks *r = (NcclRanks *)ranks;
    ncclResult_t state = ncclSuccess;
    TRY(order(r, r->stream, NULL, e));
    TRY(check(r, ncclCommGetAsyncError(r->communicator, &state), "asking for errors", e));
    return check(r, state, "a sum over GPUs", e);
}

static int sum_staged(const NcclRanks *r, double *values, size_t bytes, Err *e)
{
    const Device *d = r->device;
    TRY(d->copy(d, r->stage, values, bytes, COPY_TO_DEVICE, e));
    TRY(all_reduce(r, r->stage, (int64_t)(bytes / sizeof *values), ncclDouble, NULL, e));
    return d->copy(d, values, r->stage, bytes, COPY_TO_HOST, e);
}

static int sum_on_host(Ranks *ranks, double *values, int64_t count, Err *e)
{
    for (int64_t i = 0; i < count; i += STAGED) {
        const int64_t these = count - i < STAGED ? count - i : STAGED;
        TRY(sum_staged((NcclRanks *)ranks, values + i, (size_t)these * sizeof *values, e));
    }
    return 0;
}

static void free_ranks(Ranks *ranks, bool failed)
{
    NcclRanks *r = (NcclRanks *)ranks;
    r->device->begin(r->device, "end of the sums over GPUs");
    if (r->communicator) (failed ? ncclCommAbort : ncclCommDestroy)(r->communicator);
    if (r->stream) cudaStreamDestroy(r->stream);
    if (r->event) cudaEventDestroy(r->event);
    r->device->free(r->device, r->stage);
    mem_free(r);
}

static int connect(NcclRanks *r, const char id[RANKS_ID_BYTES], Err *e)
{
    ncclUniqueId unique;
    memcpy(unique.internal, id, sizeof unique.internal);
    r->stage = r->device->alloc(r->device, STAGED * sizeof *r->stage, e); /* chooses the GPU, too */
    if (!r->stage) return ERR_NOMEM;
    TRY(check_cuda(r, cudaStreamCreateWithFlags(&r->stream, cudaStreamNonBlocking), "a stream", e));
    TRY(check_cuda(r, cudaEventCreateWithFlags(&r->event, cudaEventDisableTiming), "an event", e));
    return check(r, ncclCommInitRank(&r->communicator, r->ranks.count, unique, r->ranks.rank), "connecting the GPUs",
                 e);
}

int ranks_cuda_id(char id[RANKS_ID_BYTES], Err *e)
{
    ncclUniqueId unique;
    _Static_assert(sizeof unique.internal == RANKS_ID_BYTES, "the size of NCCL's id");
    const ncclResult_t result = ncclGetUniqueId(&unique);
    if (result)
        return err_set(e, ERR_UNSUPPORTED, "connecting the GPUs failed: %s (%s)", ncclGetErrorString(result),
                       ncclGetLastError(NULL));
    memcpy(id, unique.internal, sizeof unique.internal);
    return 0;
}

int ranks_cuda(Ranks **ranks, const Device *device, int rank, int count, const char id[RANKS_ID_BYTES], Err *e)
{
    NcclRanks *r = mem_zalloc(1, sizeof *r, e);
    if (!r) return ERR_NOMEM;
    r->ranks = (Ranks){rank, count, BUCKET_BYTES, sum, begin_sum, finish_sums, sum_on_host, free_ranks};
    r->device = device;
    const int code = connect(r, id, e);
    if (code) free_ranks(&r->ranks, true);
    else *ranks = &r->ranks;
    return code;
}
