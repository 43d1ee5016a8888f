/* The World by MPI. */
#include "mpi/world_mpi.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/launcher.h"
#include "base/memory.h"
#include "base/threads.h"
#include "mpi/mpi_calls.h"

enum { TAG_INTERRUPTED = 1, TAG_MESSAGE };

static const char starting[] = "starting MPI", sharing[] = "sharing among the processes",
                  receiving[] = "receiving a message of a process";

/* ---- a Process ---- */

static int share(const Process *process, void *bytes, size_t size, Err *e)
{
    const MpiWorld *w = (const MpiWorld *)process;
    MPI_Request request;
    if (size > INT_MAX) return err_set(e, ERR_VALUE, "%zu bytes are too many to be shared", size);
    TRY(mpi_check(MPI_Ibcast(bytes, (int)size, MPI_BYTE, 0, w->communicator, &request), sharing, e));
    return mpi_wait_long(&request, sharing, e);
}

/* mpirun notices a process that ends; world_end tells a failure. */
static void do_nothing(const Process *process) { (void)process; }
static void tell_nothing(const Process *process, const Err *e) { (void)process, (void)e; }

static MpiWorld *new_world(Err *e)
{
    MpiWorld *w = mem_zalloc(1, sizeof *w, e);
    if (w) w->messages = MPI_COMM_NULL;
    if (w) w->world.process = (Process){.share = share, .beat = do_nothing, .failed = tell_nothing};
    return w;
}

/* ---- a World ---- */

static int group(const Process **part, World *world, int number, Err *e)
{
    const MpiWorld *all = (MpiWorld *)world;
    MpiWorld *w = new_world(e);
    if (!w) return ERR_NOMEM;
    ((MpiWorld *)world)->group = w;
    TRY(mpi_check(MPI_Comm_split(all->communicator, number, world->process.rank, &w->communicator),
                  "dividing the processes", e));
    Process *p = &w->world.process;
    MPI_Comm_rank(w->communicator, &p->rank);
    MPI_Comm_size(w->communicator, &p->count);
    p->rank_here = world->process.rank_here;
    p->count_here = world->process.count_here;
    *part = p;
    return 0;
}

/* The first process that notices a signal tells the others. The messages are small, so that MPI has them before any is received. */
static int interrupted(World *world, int own)
{
    MpiWorld *w = (MpiWorld *)world;
    int is_there = 0, number = 0;
    if (w->signal) return w->signal;
    MPI_Iprobe(MPI_ANY_SOURCE, TAG_INTERRUPTED, w->communicator, &is_there, MPI_STATUS_IGNORE);
    if (is_there) MPI_Recv(&number, 1, MPI_INT, MPI_ANY_SOURCE, TAG_INTERRUPTED, w->communicator, MPI_STATUS_IGNORE);
    for (int i = 0; own && !number && i < world->process.count; i++)
        if (i != world->process.rank) MPI_Send(&own, 1, MPI_INT, i, TAG_INTERRUPTED, w->communicator);
    return w->signal = own ? own : number;
}

static int post(World *world, int to, const void *bytes, size_t size, Err *e)
{
    if (size > INT_MAX) return err_set(e, ERR_VALUE, "a message of %zu bytes is too long", size);
    return mpi_check(MPI_Send(bytes, (int)size, MPI_BYTE, to, TAG_MESSAGE, ((MpiWorld *)world)->messages),
                     "a message to a process", e);
}

/* The message found is this thread's, also if several look for one. */
static int fetch(World *world, int *from, Text *message, Err *e)
{
    int is_there = 0, size = 0;
    MPI_Message found;
    MPI_Status status;
    TRY(mpi_check(MPI_Improbe(MPI_ANY_SOURCE, TAG_MESSAGE, ((MpiWorld *)world)->messages, &is_there, &found, &status),
                  receiving, e));
    if (!is_there) return 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    char *bytes = mem_alloc((size_t)size, e);
    if (!bytes) return ERR_NOMEM;
    int code = mpi_check(MPI_Mrecv(bytes, size, MPI_BYTE, &found, MPI_STATUS_IGNORE), receiving, e);
    if (!code) text_add_bytes(message, bytes, (size_t)size);
    if (!code) code = text_check(message, e);
    *from = status.MPI_SOURCE;
    mem_free(bytes);
    return code ? code : 1;
}

static void wait_for_all(World *world)
{
    MPI_Request request;
    if (MPI_Ibarrier(((MpiWorld *)world)->communicator, &request) == MPI_SUCCESS)
        mpi_wait_long(&request, "waiting for all", NULL);
}

static void free_world(MpiWorld *w)
{
    if (!w) return;
    free_world(w->group);
    MPI_Comm_free(&w->communicator);
    if (w->messages != MPI_COMM_NULL) MPI_Comm_free(&w->messages);
    mem_free(w);
}

static void end(World *world, bool failed)
{
    if (failed) {
        MPI_Abort(MPI_COMM_WORLD, 1);
        _exit(1);
    }
    free_world((MpiWorld *)world);
    MPI_Finalize();
}

/* ---- the begin ---- */

/* Each process of a machine tells where it may run. */
static int share_processors(World *w, MPI_Comm here, Err *e)
{
    int own[THREADS_PROCESSORS], users[THREADS_PROCESSORS];
    threads_mark(own);
    TRY(mpi_check(MPI_Allreduce(own, users, THREADS_PROCESSORS, MPI_INT, MPI_SUM, here), starting, e));
    w->threads = threads_part(own, users, w->process.count_here, threads_quota(""));
    for (int i = 0; i < THREADS_PROCESSORS; i++) w->processors += users[i] > 0;
    return 0;
}

static int find_neighbours(World *w, Err *e)
{
    MPI_Comm here;
    int length;
    Process *p = &w->process;
    TRY(mpi_check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, p->rank, MPI_INFO_NULL, &here), starting,
                  e));
    MPI_Comm_rank(here, &p->rank_here);
    MPI_Comm_size(here, &p->count_here);
    char host[MPI_MAX_PROCESSOR_NAME] = "";
    MPI_Get_processor_name(host, &length);
    snprintf(w->host, sizeof w->host, "%s", host);
    const int code = share_processors(w, here, e);
    MPI_Comm_free(&here);
    return code;
}

static int start(MpiWorld *w, Err *e)
{
    int provided, rank;
    const int launched = launcher_count(&rank);
    TRY(mpi_check(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided), starting, e));
    if (provided < MPI_THREAD_MULTIPLE)
        return err_set(e, ERR_UNSUPPORTED,
                       "this MPI was built without threads (MPI_THREAD_MULTIPLE): install another one");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &w->world.process.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &w->world.process.count);
    if (w->world.process.count != launched)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%d processes were started, and MPI knows of %d: start the program by the mpirun of the MPI that it was built with",
            launched, w->world.process.count);
    TRY(mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &w->communicator), starting, e));
    TRY(mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &w->messages), starting, e));
    return find_neighbours(&w->world, e);
}

int world_mpi(World **world, Err *e)
{
    MpiWorld *w = new_world(e);
    if (!w) return ERR_NOMEM;
    *world = &w->world;
    w->world.group = group;
    w->world.interrupted = interrupted;
    w->world.post = post;
    w->world.fetch = fetch;
    w->world.wait = wait_for_all;
    w->world.end = end;
    return start(w, e); /* what MPI has begun ends with the process */
}
