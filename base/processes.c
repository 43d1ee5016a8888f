#include "base/processes.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
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
#include "base/sys.h"

enum { GRACE_SECONDS = 5 };
static const double MOMENT = 0.02; /* seconds between two looks at the processes */

/* How a process has ended. */
typedef struct Outcome {
    bool ended;      /* work has returned */
    Err error;       /* code 0: none */
    atomic_int turn; /* the order in which failures were told; 0: it was not told */
} Outcome;

/* In memory that all share. */
typedef struct Outcomes {
    atomic_int told;   /* failures */
    atomic_uint beats; /* of all */
    Outcome of[];
} Outcomes;

/* A Process that was forked. */
typedef struct Forked {
    Process process;
    int pipe[2]; /* from rank 0 to the others */
    Outcomes *outcomes;
} Forked;

typedef struct Group {
    int count, left;          /* left: that have not ended */
    pid_t *processes;         /* 0: has ended */
    Outcomes *outcomes;       /* shared */
    bool failed;              /* one has, not by an interruption */
    double deadline;          /* when the others are killed, if one has failed */
    bool killed;              /* they have been */
    const Patience *patience; /* NULL: without an end */
    unsigned beats;           /* seen so far */
    double silence;           /* seconds since the last one */
} Group;

int process_share(const Process *p, void *bytes, size_t size, Err *e) { return p->share(p, bytes, size, e); }
void process_beat(const Process *p) { p->beat(p); }
void process_failed(const Process *p, const Err *e) { p->failed(p, e); }

/* ---- in the processes ---- */

/* What is shared has less than PIPE_BUF bytes: so each process reads the whole of one copy. */
static int share(const Process *p, void *bytes, size_t size, Err *e)
{
    const Forked *f = (const Forked *)p;
    for (int i = 1; p->rank == 0 && i < p->count; i++)
        if (sys_write(f->pipe[1], bytes, size) != (ssize_t)size)
            return err_errno(e, errno, "a pipe to another process could not be written");
    const ssize_t count = p->rank ? sys_read(f->pipe[0], bytes, size) : (ssize_t)size;
    if (count < 0) return err_errno(e, errno, "the pipe of the first process could not be read");
    return count == (ssize_t)size ? 0 : err_set(e, ERR_IO, "the first of %d processes has ended", p->count);
}

static void tell_failure(const Process *p, const Err *e)
{
    Outcomes *all = ((const Forked *)p)->outcomes;
    Outcome *o = &all->of[p->rank];
    if (o->turn) return;
    o->error = *e;
    o->turn = 1 + atomic_fetch_add(&all->told, 1);
}

static void beat(const Process *p) { atomic_fetch_add(&((const Forked *)p)->outcomes->beats, 1); }

static void run_process(Group *g, Forked *f, pid_t leader, const sigset_t *signals,
                        int (*work)(void *, const Process *, Err *), void *context)
{
    const Process *p = &f->process;
    Outcome *outcome = &g->outcomes->of[p->rank];
    Err e = {ERR_NONE, ""};
    program_follow(leader);
    sigprocmask(SIG_SETMASK, signals, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != leader) _exit(1); /* it has ended before */
    close(f->pipe[p->rank ? 1 : 0]);   /* a read ends when rank 0 has ended */
    const int code = work(context, p, &e);
    if (code && !e.code) err_set(&e, (ErrCode)code, "failed");
    if (code) process_failed(p, &e);
    if (!fflush(stdout) && !ferror(stdout)) outcome->ended = true;
    exit(code ? 1 : 0);
}

/* ---- in the calling process ---- */

static int start(Group *g, int (*work)(void *, const Process *, Err *), void *context, const sigset_t *signals, Err *e)
{
    Forked f = {
        .process = {.count = g->count, .count_here = g->count, .share = share, .beat = beat, .failed = tell_failure},
        .outcomes = g->outcomes};
    Process *const p = &f.process;
    const pid_t leader = getpid();
    int failed = sys_pipe(f.pipe) ? err_errno(e, errno, "a pipe could not be made") : 0;
    if (failed) return failed;
    fflush(NULL); /* else each process would print what is buffered */
    for (; p->rank < p->count && !failed; p->rank++) {
        p->rank_here = p->rank;
        const pid_t process = fork();
        if (process == 0) run_process(g, &f, leader, signals, work, context);
        if (process < 0) failed = err_errno(e, errno, "process %d of %d could not be started", p->rank + 1, p->count);
        else g->processes[p->rank] = process, g->left++;
    }
    close(f.pipe[0]);
    close(f.pipe[1]);
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
static void note_end(const Group *g, int rank, int status)
{
    Outcome *o = &g->outcomes->of[rank];
    if (WIFSIGNALED(status))
        err_set(&o->error, ERR_UNSUPPORTED, "process %d of %d was ended by signal %d (%s)%s", rank + 1, g->count,
                WTERMSIG(status), strsignal(WTERMSIG(status)),
                WTERMSIG(status) == SIGKILL ? ", as the system does if memory is short" : "");
    else if (!o->ended && !o->turn)
        err_set(&o->error, ERR_UNSUPPORTED, "process %d of %d ended with exit status %d", rank + 1, g->count,
                WEXITSTATUS(status));
    if (WIFSIGNALED(status)) o->turn = 0;
}

static void take_end(Group *g, pid_t process, int status)
{
    const int rank = rank_of(g, process);
    if (rank == g->count) return;
    g->processes[rank] = 0;
    g->left--;
    if (!g->killed) note_end(g, rank, status);
}

/* The failure of a process so far. */
static ErrCode failure_of(const Group *g, int rank)
{
    const Outcome *o = &g->outcomes->of[rank];
    return o->turn || !g->processes[rank] ? o->error.code : ERR_NONE;
}

/* After a failure the others are killed: when rank 0, which alone has something to finish, has ended, or at the deadline. */
static void end_after_failure(Group *g)
{
    for (int i = 0; i < g->count && !g->failed; i++)
        if (failure_of(g, i) && failure_of(g, i) != ERR_INTERRUPTED) {
            g->failed = true;
            g->deadline = clock_seconds() + GRACE_SECONDS;
        }
    const bool lost = !g->processes[0] && failure_of(g, 0);
    if (lost || (g->failed && (!g->processes[0] || clock_seconds() > g->deadline))) kill_all(g);
}

/* Sleeps, and adds to the silence: no clock is read, so that a time in which all were stopped does not count. */
static void sleep_moment(Group *g)
{
    const struct timespec moment = {0, (long)(1e9 * MOMENT)};
    const unsigned beats = atomic_load(&g->outcomes->beats);
    nanosleep(&moment, NULL);
    g->silence = beats == g->beats ? g->silence + MOMENT : 0;
    g->beats = beats;
}

/* Rank 0 alone waits for no other. */
static void end_after_silence(Group *g)
{
    const int others = g->left - (g->processes[0] != 0);
    if (!g->patience || g->killed || !others) return;
    const double most = g->patience->seconds * (g->beats ? 1 : PATIENCE_AT_FIRST);
    if (g->silence <= most) return;
    kill_all(g);
    Outcome *o = g->outcomes->of;
    err_set(&o->error, ERR_UNSUPPORTED,
            "none of the %d processes has gone on for %g seconds: one of them hangs, or its GPU or disk; %s", g->count,
            most, g->patience->hint);
    o->turn = 0;
}

/* Looks from time to time, since a process may tell a failure and then not come to its end, or hang. */
static void wait_for_all(Group *g)
{
    while (g->left) {
        int status;
        const pid_t process = waitpid(-1, &status, WNOHANG);
        if (process < 0 && errno != EINTR) return;
        if (process > 0) take_end(g, process, status);
        else sleep_moment(g);
        end_after_failure(g);
        end_after_silence(g);
    }
}

/* An interruption comes last, since it is no failure. */
static int turn_of(const Outcome *o) { return o->error.code == ERR_INTERRUPTED ? INT_MAX : o->turn; }

/* The failure of all: a process that was killed, or the first that failed; others may have failed because of it. */
static int judge(const Group *g, Err *e)
{
    const Outcome *all = g->outcomes->of, *first = NULL;
    for (int i = 0; i < g->count; i++)
        if (all[i].error.code && (!first || turn_of(&all[i]) < turn_of(first))) first = &all[i];
    if (!first) return 0;
    if (e) *e = first->error;
    if (first != all && first->turn && strcmp(first->error.text, all->error.text))
        err_context(e, "process %d of %d", (int)(first - all) + 1, g->count);
    return first->error.code;
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

int processes_run(int count, int (*work)(void *context, const Process *process, Err *e), void *context,
                  const Patience *patience, Err *e)
{
    const size_t bytes = sizeof(Outcomes) + (size_t)count * sizeof(Outcome);
    Group g = {.count = count, .patience = patience, .processes = mem_zalloc((size_t)count, sizeof(pid_t), e)};
    if (!g.processes) return ERR_NOMEM;
    g.outcomes = sys_map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    const int code = g.outcomes == MAP_FAILED ? err_errno(e, errno, "shared memory") : run_group(&g, work, context, e);
    if (g.outcomes != MAP_FAILED) munmap(g.outcomes, bytes);
    mem_free(g.processes);
    return code;
}
