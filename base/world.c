#include "base/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/launcher.h"
#include "base/text.h"
#include "base/threads.h"

static bool is_polled;   /* world_interrupted was called */
static World *the_world; /* for callbacks without a context; NULL: this process is alone */

enum { GRACE_SECONDS = 3 }; /* in which rank 0 may tell the same failure */

/* Processes with other arguments would write into each other's results. */
static int compare_arguments(const Process *world, int argc, char **argv, Err *e)
{
    Text all = {0};
    char own[HASH_BYTES], first[HASH_BYTES];
    for (int i = 1; i < argc; i++) text_add_bytes(&all, argv[i], strlen(argv[i]) + 1);
    TRY(text_check(&all, e));
    hash_bytes(own, all.data ? all.data : "", all.length);
    text_free(&all);
    memcpy(first, own, sizeof own);
    TRY(process_share(world, first, sizeof first, e));
    return strcmp(own, first)
               ? err_set(e, ERR_VALUE,
                         "the processes have different arguments, and would work together: several folds are "
                         "given as 0,1,2; independent programs are started by srun --mpi=none")
               : 0;
}

static int lesser(int a, int b) { return a < b ? a : b; }

/* The processors of this machine that the launcher may use: those of its process, or of Slurm's job. */
static int processors_launched_on(void)
{
    const char *of_job = getenv("SLURM_CPUS_ON_NODE");
    const int processors = lesser(threads_processors_of(getppid()), threads_quota(""));
    return of_job && atoi(of_job) > 0 ? lesser(processors, atoi(of_job)) : processors;
}

/* mpirun binds two processes to a core each, also where there are more, and several threads then share it. */
static void warn_of_binding(const World *w, const CommonOptions *o)
{
    static const char advice[] = "mpirun --bind-to none, or srun --cpus-per-task N, gives more";
    const int there = processors_launched_on();
    if (o->threads_given && o->threads > w->threads)
        program_warn("each process has %d threads on %d processor%s: give -j %d; %s", o->threads, w->threads,
                     w->threads > 1 ? "s" : "", w->threads, advice);
    else if (!o->threads_given && 2 * w->processors <= there)
        program_warn("the processes of this machine may run on %d of %d processors: %s", w->processors, there, advice);
}

/* A launcher may let several processes run on the same processors. */
static void share_threads(const World *w, CommonOptions *o)
{
    warn_of_binding(w, o);
    if (o->threads_given || w->threads >= o->threads) return;
    o->threads = w->threads;
    threads_use(o->threads);
}

int world_begin(const Process **world, CommonOptions *o, int argc, char **argv, Err *e)
{
    World *w = NULL;
    int rank;
    const int count = launcher_count(&rank);
    *world = NULL;
    if (count < 2) return 0;
    if (!world_mpi)
        return err_set(
            e, ERR_UNSUPPORTED,
            "%d processes were started to work together, and this build has no MPI: build it with make MPI=1, or "
            "start the program by itself",
            count);
    if (world_mpi(&w, e)) {
        if (rank)
            dprintf(STDERR_FILENO, "%s: error: process %d of %d: %s\n", program_called(), rank + 1, count, e->text);
        return e->code;
    }
    launcher_forget();
    the_world = w;
    *world = &w->process;
    share_threads(w, o);
    return compare_arguments(*world, argc, argv, e);
}

int world_group(const Process **group, const Process *world, int number, Err *e)
{
    return ((World *)world)->group(group, (World *)world, number, e);
}

void world_poll(void)
{
    if (is_polled) world_interrupted();
}

int world_interrupted(void)
{
    is_polled = true;
    const int own = program_interrupted();
    return the_world ? the_world->interrupted(the_world, own) : own;
}

/* Standard error of this process is silent (program_begin), but not the descriptor. */
static void tell_failure(const World *w, const Err *e)
{
    const Process *p = &w->process;
    dprintf(STDERR_FILENO, "%s: error: process %d of %d, on %s: %s\n", program_called(), p->rank + 1, p->count, w->host,
            e->code ? e->text : "failed");
}

void world_release(const Process *world)
{
    if (world) ((World *)world)->has_released = true;
}

int world_end(const Process *world, int code, const Err *e, bool quiet)
{
    if (!world) return program_end(code, e, quiet);
    World *w = (World *)world;
    const bool failed = code && code != ERR_INTERRUPTED, alone = w->has_released;
    if (failed && world->rank && !alone) sleep(GRACE_SECONDS);
    if (failed && world->rank) tell_failure(w, e);
    const int status = program_report(code, e, true);
    if (failed && !alone) w->end(w, true);
    w->wait(w);
    const int final = program_close(status, quiet);
    w->end(w, false);
    return final;
}
