#include "base/processes.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/program.h"
#include "base/progress.h"

enum { GRACE_SECONDS = 5 };

/* How a process has ended; in memory that all share. */
typedef struct Outcome {
    bool ended; /* work has returned */
    int code;
    Err error;
} Outcome;

typedef struct Group {
    int count, left;   /* left: that have not ended */
    pid_t *processes;  /* 0: has ended */
    Outcome *outcomes; /* shared */
    int first_failed;  /* but not interrupted; -1: none */
    double deadline;   /* when the others are killed; if one has failed */
    bool killed;       /* they have been */
} Group;

int process_share(const Process *p, void *bytes, size_t size, Err *e)
{
    errno = 0;
    for (int i = 1; p->rank == 0 && i < p->count; i++)
        if (write(p->pipe[1], bytes, size) != (ssize_t)size) return err_errno(e, errno, "a pipe could not be written");
    if (p->rank == 0 || read(p->pipe[0], bytes, size) == (ssize_t)size) return 0;
    return err_set(e, ERR_IO, "the first of %d processes has ended", p->count);
}

/* ---- in the processes ---- */

static void run_process(Group *g, Process *p, pid_t leader, const sigset_t *signals,
                        int (*work)(void *, const Process *, Err *), void *context)
{
    Outcome *outcome = &g->outcomes[p->rank];
    program_follow(leader);
    sigprocmask(SIG_SETMASK, signals, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != leader) _exit(1); /* it has ended before */
    close(p->pipe[p->rank ? 1 : 0]);   /* a read ends when rank 0 has ended */
    outcome->code = work(context, p, &outcome->error);
    if (!fflush(stdout) && !ferror(stdout)) outcome->ended = true;
    exit(outcome->code ? 1 : 0);
}

/* ---- in the calling process ---- */

static int start(Group *g, int (*work)(void *, const Process *, Err *), void *context, const sigset_t *signals, Err *e)
{
    Process p = {.count = g->count};
    const pid_t leader = getpid();
    int failed = pipe(p.pipe) ? err_errno(e, errno, "a pipe could not be made") : 0;
    if (failed) return failed;
    fflush(NULL); /* else each process would print what is buffered */
    for (; p.rank < p.count && !failed; p.rank++) {
        const pid_t process = fork();
        if (process == 0) run_process(g, &p, leader, signals, work, context);
        if (process < 0) failed = err_errno(e, errno, "process %d of %d could not be started", p.rank + 1, p.count);
        else g->processes[p.rank] = process, g->left++;
    }
    close(p.pipe[0]);
    close(p.pipe[1]);
    return failed;
}

static void kill_all(Group *g)
{
    g->killed = true;
    for (int i = 0; i < g->count; i++)
        if (g->processes[i]) kill(g->processes[i], SIGKILL);
}

static int rank_of(const Group *g, pid_t process)
{
    int rank = 0;
    while (rank < g->count && g->processes[rank] != process) rank++;
    return rank;
}

/* Sets the outcome of a process that did not tell it. */
static void note_end(Group *g, int rank, int status)
{
    Outcome *o = &g->outcomes[rank];
    if (WIFSIGNALED(status)) o->ended = false;
    if (WIFSIGNALED(status))
        o->code = err_set(&o->error, ERR_UNSUPPORTED, "process %d of %d was ended by signal %d (%s)%s", rank + 1,
                          g->count, WTERMSIG(status), strsignal(WTERMSIG(status)),
                          WTERMSIG(status) == SIGKILL ? ", as the system does if memory is short" : "");
    else if (!o->ended)
        o->code = err_set(&o->error, ERR_UNSUPPORTED, "process %d of %d ended with exit status %d", rank + 1, g->count,
                          WEXITSTATUS(status));
}

static void take_end(Group *g, pid_t process, int status)
{
    const int rank = rank_of(g, process);
    if (rank == g->count) return;
    g->processes[rank] = 0;
    g->left--;
    if (!g->killed && g->first_failed < 0) note_end(g, rank, status);
    const int code = g->outcomes[rank].code;
    if (code && code != ERR_INTERRUPTED && g->first_failed < 0) {
        g->first_failed = rank;
        g->deadline = clock_seconds() + GRACE_SECONDS;
    }
    /* Only rank 0 has something to finish. */
    if (!g->processes[0] && (g->outcomes[0].code || g->first_failed >= 0)) kill_all(g);
}

static void wait_for_all(Group *g)
{
    const struct timespec moment = {0, 20000000};
    while (g->left) {
        int status;
        const pid_t process = waitpid(-1, &status, g->first_failed < 0 ? 0 : WNOHANG);
        if (process > 0) take_end(g, process, status);
        else if (process < 0 && errno != EINTR) return;
        else if (clock_seconds() > g->deadline) kill_all(g);
        if (process == 0) nanosleep(&moment, NULL);
    }
}

/* The failure of all: the first that was no interruption. */
static int judge(const Group *g, Err *e)
{
    int rank = g->first_failed;
    for (int i = 0; i < g->count && rank < 0; i++)
        if (g->outcomes[i].code) rank = i;
    if (rank < 0) return 0;
    const Outcome *o = &g->outcomes[rank], *lead = &g->outcomes[0];
    if (e) *e = o->error;
    if (rank && o->ended && strcmp(o->error.text, lead->error.text))
        err_context(e, "process %d of %d", rank + 1, g->count);
    return o->code;
}

static int run_group(Group *g, int (*work)(void *, const Process *, Err *), void *context, Err *e)
{
    sigset_t stopping, before;
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGINT);
    sigaddset(&stopping, SIGTERM);
    sigaddset(&stopping, SIGHUP);
    sigprocmask(SIG_BLOCK, &stopping, &before); /* until those whom they are passed on to are known */
    const int failed = start(g, work, context, &before, e);
    if (failed) kill_all(g);
    program_lead(g->processes, g->count);
    sigprocmask(SIG_SETMASK, &before, NULL);
    wait_for_all(g);
    program_lead(NULL, 0);
    return failed ? failed : judge(g, e);
}

int processes_run(int count, int (*work)(void *context, const Process *process, Err *e), void *context, Err *e)
{
    const size_t bytes = (size_t)count * sizeof(Outcome);
    Group g = {.count = count, .first_failed = -1, .processes = mem_zalloc((size_t)count, sizeof(pid_t), e)};
    if (!g.processes) return ERR_NOMEM;
    g.outcomes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int code = g.outcomes == MAP_FAILED ? err_errno(e, errno, "shared memory") : run_group(&g, work, context, e);
    if (g.outcomes != MAP_FAILED) munmap(g.outcomes, bytes);
    mem_free(g.processes);
    return code;
}
