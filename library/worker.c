#include "library/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "base/sys.h"
#include "base/threads.h"

enum { STACK_BYTES = 8 << 20 }; /* as that of a program's first thread */

typedef struct Worker {
    int threads;
    int (*work)(void *context, Err *e);
    void *context;
    Err *e;
    int code;
} Worker;

static void *start(void *argument)
{
    Worker *w = argument;
    if (w->threads) threads_use(w->threads);
    w->code = w->work(w->context, w->e);
    return NULL;
}

/* Signals to the process are for its other threads. Those of a crash go to the thread that crashes: if they were blocked, they
 * would end the process without its handler (base/crash.h). */
static sigset_t signals_of_others(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) sigdelset(&set, crashes[i]);
    return set;
}

static int start_thread(pthread_t *thread, Worker *w)
{
    const sigset_t blocked = signals_of_others();
    pthread_attr_t attributes;
    sigset_t before;
    int failed = pthread_attr_init(&attributes);
    if (failed) return failed;
    failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (!failed) failed = pthread_sigmask(SIG_SETMASK, &blocked, &before);
    if (!failed) {
        failed = sys_thread(thread, &attributes, start, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return failed;
}

int worker_run(int threads, int (*work)(void *context, Err *e), void *context, Err *e)
{
    pthread_t thread;
    Worker w = {.threads = threads, .work = work, .context = context, .e = e};
    const int failed = start_thread(&thread, &w);
    if (failed) {
        Err reason;
        err_errno(&reason, failed, "a thread could not be started");
        return err_set(e, ERR_NOMEM, "%s: raise the limit of threads", reason.text);
    }
    pthread_join(thread, NULL);
    return w.code;
}
