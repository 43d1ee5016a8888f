/* Ranks: the processes that train a network together, each on a part of every batch, and sums over them.
 *
 * A table of functions, made in each process. `rank`, from 0, is the number of this process. All ranks must call the
 * functions in the same order with the same counts, and get the same bits. A call waits for the others, and so can
 * hang if one of them has ended: what started the processes ends all when one fails (base/processes.h). One thread at a
 * time may use it. */
#ifndef NETWORK_DEVICE_RANKS_H
#define NETWORK_DEVICE_RANKS_H

#include "base/processes.h"
#include "network/device/device.h"

typedef struct Ranks Ranks;

/* Functions of type int return 0, or a negative code with e filled. They may be asynchronous, as all work on the device
 * that made the Ranks. */
struct Ranks {
    int rank, count;
    size_t bucket_bytes; /* of gradients that are best summed together */
    /* Replaces `values`, in device memory, by their sums, in the order of the device's work. Ranks: void, so that a
     * Reduction (network/graph/op.h) can call it. */
    int (*sum)(void *ranks, double *values, int64_t count, Err *e);
    /* The same for what the device's work so far writes. Overlaps with later work, which must not access `values` before
     * finish_sums: this makes later work wait for all sums that were begun. */
    int (*begin_sum)(Ranks *ranks, float *values, int64_t count, Err *e);
    int (*finish_sums)(Ranks *ranks, Err *e);
    /* Of host memory, which must not be accessed before finish_sums and the device's wait. */
    int (*sum_on_host)(Ranks *ranks, double *values, int64_t count, Err *e);
    void (*free)(Ranks *ranks, bool failed); /* failed: this process stops early; then the others are not waited for */
};

/* Ranks on GPUs of one machine, by NCCL (network/cuda/ranks_nccl.c). Rank 0 makes the id, and every rank passes the same
 * to ranks_cuda, which waits for all. The device must outlive the Ranks. A build without NCCL does not have these
 * functions: their addresses are NULL. Fail: ERR_UNSUPPORTED with NCCL's reason; ERR_NOMEM. */
enum { RANKS_ID_BYTES = 128 };
__attribute__((weak, visibility("hidden"))) int ranks_cuda_id(char id[RANKS_ID_BYTES], Err *e);
__attribute__((weak, visibility("hidden"))) int ranks_cuda(Ranks **ranks, const Device *device, int rank, int count,
                                                           const char id[RANKS_ID_BYTES], Err *e);

/* Ranks on CPUs, by MPI (mpi/ranks_mpi.c): of the processes of a world or a group of it (base/world.h), each of which must call this.
 * The process must outlive them. A build without MPI does not have this function. Fails: ERR_UNSUPPORTED with MPI's reason; ERR_NOMEM. */
__attribute__((weak, visibility("hidden"))) int ranks_mpi(Ranks **ranks, const Process *process, Err *e);

#endif
