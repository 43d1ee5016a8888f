/* Ranks by MPI: processes that train together on CPUs. MPI goes on with a sum only while a process calls it: a thread does so for the
 * sums that overlap with other work. */
#include <limits.h>
#include <pthread.h>
#include <time.h>

#include "base/memory.h"
#include "base/sys.h"
#include "mpi/mpi_calls.h"
#include "mpi/world_mpi.h"
#include "network/device/ranks.h"

enum {
    BUCKET_BYTES = 1 << 20,
    PENDING = 64 /* sums that are begun at a time */
};

typedef struct MpiRanks {
    Ranks ranks;
    MPI_Comm waited, begun; /* MPI matches the sums of the processes by their order: the two kinds are apart */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t changed;
    MPI_Request pending[PENDING];
    int count;
    int result; /* of what the thread has found done: MPI forgets a sum that has failed */
    bool ends;
} MpiRanks;

static const char summing[] = "a sum over processes";

/* ---- sums that overlap with other work ---- */

/* Of the thread, which takes a part of the processor from the work: a shorter one does not make sums faster (docs/clusters.md). */
static void rest(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

/* A failure is reported by finish. */
static void *go_on(void *context)
{
    MpiRanks *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->ends) {
        int done = 1;
        if (r->count) r->result = MPI_Testall(r->count, r->pending, &done, MPI_STATUSES_IGNORE);
        done = done || r->result != MPI_SUCCESS;
        if (done) {
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        rest();
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* With the lock. */
static int finish(MpiRanks *r, Err *e)
{
    const int count = r->count, result = r->result;
    r->count = 0;
    r->result = MPI_SUCCESS;
    TRY(mpi_check(result, summing, e));
    return mpi_wait(r->pending, count, summing, e);
}

/* With the lock. */
static int begin(MpiRanks *r, void *values, int64_t count, MPI_Datatype type, Err *e)
{
    if (r->count == PENDING) TRY(finish(r, e));
    TRY(mpi_check(MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, type, MPI_SUM, r->begun, &r->pending[r->count]),
                  summing, e));
    r->count++;
    pthread_cond_signal(&r->changed);
    return 0;
}

static int begin_locked(Ranks *ranks, void *values, int64_t count, MPI_Datatype type, Err *e)
{
    MpiRanks *r = (MpiRanks *)ranks;
    pthread_mutex_lock(&r->lock);
    const int code = begin(r, values, count, type, e);
    pthread_mutex_unlock(&r->lock);
    return code;
}

static int begin_sum(Ranks *ranks, float *values, int64_t count, Err *e)
{
    return begin_locked(ranks, values, count, MPI_FLOAT, e);
}

static int sum_on_host(Ranks *ranks, double *values, int64_t count, Err *e)
{
    return begin_locked(ranks, values, count, MPI_DOUBLE, e);
}

static int finish_sums(Ranks *ranks, Err *e)
{
    MpiRanks *r = (MpiRanks *)ranks;
    pthread_mutex_lock(&r->lock);
    const int code = finish(r, e);
    pthread_mutex_unlock(&r->lock);
    return code;
}

/* ---- a sum that is waited for ---- */

static int sum(void *ranks, double *values, int64_t count, Err *e)
{
    const MpiRanks *r = ranks;
    MPI_Request request;
    TRY(mpi_check(MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_DOUBLE, MPI_SUM, r->waited, &request), summing,
                  e));
    return mpi_wait(&request, 1, summing, e);
}

/* ---- begin and end ---- */

/* After a failure a sum may never end: MPI's objects are then left to the end of the process. */
static void free_ranks(Ranks *ranks, bool failed)
{
    MpiRanks *r = (MpiRanks *)ranks;
    pthread_mutex_lock(&r->lock);
    r->ends = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (r->has_thread) pthread_join(r->thread, NULL);
    if (!failed) {
        MPI_Comm_free(&r->waited);
        MPI_Comm_free(&r->begun);
    }
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

/* Open MPI adds numbers of two processes at one of them and sends the sum back: over a slow link that takes twice as long as sending both at
 * once. Its variable is for all sums of this process from now on: they are those of one group. A user's choice stays. */
static void choose_algorithm(int processes)
{
    enum { NOT_CHOSEN = 0, RECURSIVE_DOUBLING = 4 };
    int provided, variable, values, value;
    MPI_T_cvar_handle handle;
    if (processes != 2 || MPI_T_init_thread(MPI_THREAD_MULTIPLE, &provided) != MPI_SUCCESS) return;
    if (MPI_T_cvar_get_index("coll_libnbc_iallreduce_algorithm", &variable) == MPI_SUCCESS &&
        MPI_T_cvar_handle_alloc(variable, NULL, &handle, &values) == MPI_SUCCESS) {
        if (MPI_T_cvar_read(handle, &value) == MPI_SUCCESS && value == NOT_CHOSEN)
            MPI_T_cvar_write(handle, &(int){RECURSIVE_DOUBLING});
        MPI_T_cvar_handle_free(&handle);
    }
    MPI_T_finalize();
}

static int start(MpiRanks *r, MPI_Comm all, Err *e)
{
    choose_algorithm(r->ranks.count);
    TRY(mpi_check(MPI_Comm_dup(all, &r->waited), "connecting the processes", e));
    TRY(mpi_check(MPI_Comm_dup(all, &r->begun), "connecting the processes", e));
    const int failed = sys_thread(&r->thread, NULL, go_on, r);
    if (failed) return err_errno(e, failed, "no thread for the sums over processes");
    r->has_thread = true;
    return 0;
}

int ranks_mpi(Ranks **ranks, const Process *process, Err *e)
{
    MpiRanks *r = mem_zalloc(1, sizeof *r, e);
    if (!r) return ERR_NOMEM;
    r->ranks =
        (Ranks){process->rank, process->count, BUCKET_BYTES, sum, begin_sum, finish_sums, sum_on_host, free_ranks};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    const int code = start(r, ((const MpiWorld *)process)->communicator, e);
    if (code) free_ranks(&r->ranks, true);
    else *ranks = &r->ranks;
    return code;
}
