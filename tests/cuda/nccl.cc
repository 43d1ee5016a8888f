/* A double of NCCL: ranks are processes, which meet in shared memory. Each call is checked, compared with the other ranks',
 * and its accesses are told to the watch: so a bucket that is summed too early, or used too early, is a race. */
#include <nccl.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "emu_internal.h"

enum { MOST_RANKS = 8, PART = 1 << 16, PATIENCE = 60 /* seconds; NCCL waits for ever */ };

/* What a rank has called. */
struct Call {
    uint64_t number, count;
    int type;
};

/* The memory that the ranks share. */
struct Board {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int ranks, joined, left; /* left: ranks that have ended their communicator */
    bool has_joined[MOST_RANKS];
    int gpus[MOST_RANKS];
    int arrived, round; /* of a meeting of all */
    Call calls[MOST_RANKS];
    char values[MOST_RANKS][PART]; /* of a part of the arrays */
};

struct ncclComm {
    Board *board;
    int rank, ranks, gpu;
    uint64_t calls;
    bool ended;
};

static ncclResult_t wrong(const char *call, const char *what)
{
    emu_report("%s: %s", call, what);
    return ncclInvalidArgument;
}

/* ---- meeting ---- */

static Board *map(int fd)
{
    void *p = mmap(NULL, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : (Board *)p;
}

/* The id is a path by which the other processes reach the memory. It goes when the processes do. */
ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    const int fd = memfd_create("nccl", 0);
    Board *b = fd < 0 || ftruncate(fd, sizeof(Board)) ? NULL : map(fd);
    if (!b) return ncclSystemError;
    pthread_mutexattr_t shared;
    pthread_condattr_t clock;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&b->lock, &shared);
    pthread_condattr_init(&clock);
    pthread_condattr_setpshared(&clock, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&b->changed, &clock);
    snprintf(id->internal, sizeof id->internal, "/proc/%d/fd/%d", (int)getpid(), fd);
    return ncclSuccess;
}

/* Waits, with the lock held, until there is nothing to wait for; false: for too long, or a rank has left. */
template <class F> static bool wait_while(Board *b, F more)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    int error = 0;
    while (more() && !b->left && !error) error = pthread_cond_timedwait(&b->changed, &b->lock, &until);
    return !more();
}

static bool meet(ncclComm *c)
{
    Board *b = c->board;
    pthread_mutex_lock(&b->lock);
    const int round = b->round;
    if (++b->arrived == c->ranks) {
        b->arrived = 0;
        b->round++;
        pthread_cond_broadcast(&b->changed);
    }
    const bool met = wait_while(b, [&] { return b->round == round; });
    pthread_mutex_unlock(&b->lock);
    if (!met) emu_report("ncclAllReduce: rank %d waits for a rank that has left or does not call", c->rank);
    return met;
}

static bool join(ncclComm *c)
{
    Board *b = c->board;
    pthread_mutex_lock(&b->lock);
    bool fits = !b->has_joined[c->rank] && (!b->joined || b->ranks == c->ranks);
    if (!fits) emu_report("ncclCommInitRank: rank %d of %d does not fit to the other ranks", c->rank, c->ranks);
    for (int i = 0; i < MOST_RANKS && fits; i++)
        if (b->has_joined[i] && b->gpus[i] == c->gpu) {
            emu_report("ncclCommInitRank: ranks %d and %d have the same GPU", i, c->rank);
            fits = false;
        }
    b->ranks = c->ranks;
    b->gpus[c->rank] = c->gpu;
    b->has_joined[c->rank] = true;
    b->joined++;
    if (!fits) b->left++;
    pthread_cond_broadcast(&b->changed);
    fits = fits && wait_while(b, [&] { return b->joined < c->ranks; });
    pthread_mutex_unlock(&b->lock);
    return fits;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank)
{
    if (ranks < 1 || ranks > MOST_RANKS || rank < 0 || rank >= ranks)
        return wrong("ncclCommInitRank", "there is no such rank");
    const int fd = open(id.internal, O_RDWR);
    if (fd < 0) return wrong("ncclCommInitRank", "the id is not that of a living process");
    *comm = new ncclComm{map(fd), rank, ranks, 0, 0, false};
    close(fd);
    cudaGetDevice(&(*comm)->gpu);
    return join(*comm) ? ncclSuccess : ncclInvalidUsage;
}

/* It stays in memory, for calls that come too late. */
static ncclResult_t end(ncclComm *c, const char *call)
{
    if (!c || c->ended) return wrong(call, "the communicator has ended");
    c->ended = true;
    pthread_mutex_lock(&c->board->lock);
    c->board->left++;
    pthread_cond_broadcast(&c->board->changed);
    pthread_mutex_unlock(&c->board->lock);
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t c) { return end(c, "ncclCommDestroy"); }
ncclResult_t ncclCommAbort(ncclComm_t c) { return end(c, "ncclCommAbort"); }

/* ---- sums ---- */

struct Sum {
    ncclComm *comm;
    const char *from;
    char *to;
    Call call;
};

static size_t size_of(int type) { return type == ncclDouble ? sizeof(double) : sizeof(float); }

template <class T> static void add_ranks(const Board *b, int ranks, size_t count, void *to)
{
    for (size_t i = 0; i < count; i++) {
        T sum = 0;
        for (int r = 0; r < ranks; r++) sum += ((const T *)b->values[r])[i];
        ((T *)to)[i] = sum;
    }
}

static bool add_part(const Sum *s, size_t offset, size_t bytes)
{
    Board *b = s->comm->board;
    memcpy(b->values[s->comm->rank], s->from + offset, bytes);
    if (!meet(s->comm)) return false;
    const size_t count = bytes / size_of(s->call.type);
    if (s->call.type == ncclDouble) add_ranks<double>(b, s->comm->ranks, count, s->to + offset);
    else add_ranks<float>(b, s->comm->ranks, count, s->to + offset);
    return meet(s->comm);
}

static bool calls_agree(const Sum *s)
{
    Board *b = s->comm->board;
    b->calls[s->comm->rank] = s->call;
    if (!meet(s->comm)) return false;
    bool agree = true;
    for (int r = 0; r < s->comm->ranks; r++) {
        const Call *other = &b->calls[r];
        if (other->number == s->call.number && other->count == s->call.count && other->type == s->call.type) continue;
        emu_report(
            "ncclAllReduce: rank %d sums %zu values of type %d (call %zu), rank %d sums %zu of type %d (call %zu)",
            s->comm->rank, (size_t)s->call.count, s->call.type, (size_t)s->call.number, r, (size_t)other->count,
            other->type, (size_t)other->number);
        agree = false;
    }
    return meet(s->comm) && agree;
}

static void run_sum(const Sum *s)
{
    const size_t bytes = s->call.count * size_of(s->call.type);
    bool fine =
        s->from == s->to ? emu_update(s->to, bytes) : emu_touch(s->from, bytes, false) && emu_touch(s->to, bytes, true);
    fine = fine && calls_agree(s);
    for (size_t i = 0; fine && i < bytes; i += PART) fine = add_part(s, i, std::min<size_t>(bytes - i, PART));
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c,
                           cudaStream_t stream)
{
    int gpu = 0;
    const size_t bytes = count * size_of(type);
    cudaGetDevice(&gpu);
    if (!c || c->ended) return wrong("ncclAllReduce", "the communicator has ended");
    if (type != ncclFloat && type != ncclDouble) return wrong("ncclAllReduce", "a type that the double does not sum");
    if (op != ncclSum) return wrong("ncclAllReduce", "it is no sum");
    if (gpu != c->gpu) return wrong("ncclAllReduce", "another GPU than the communicator's is current");
    if (!emu_find_allocation(from) || !emu_find_allocation(to))
        return wrong("ncclAllReduce", "the values are not in device memory");
    if ((uintptr_t)from % size_of(type) || (uintptr_t)to % size_of(type))
        return wrong("ncclAllReduce", "the values are not aligned");
    if (from != to && (const char *)from < (char *)to + bytes && (char *)to < (const char *)from + bytes)
        return wrong("ncclAllReduce", "the result overlaps the values");
    const Sum sum = {c, (const char *)from, (char *)to, {c->calls++, count, type}};
    emu_enqueue(stream, [=] { run_sum(&sum); });
    return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *error)
{
    if (!c || c->ended) return wrong("ncclCommGetAsyncError", "the communicator has ended");
    *error = ncclSuccess;
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) { return result ? "invalid usage" : "no error"; }
const char *ncclGetLastError(ncclComm_t) { return emu_failed() ? emu_first_error() : ""; }
