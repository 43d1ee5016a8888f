#include "base/crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/signal_line.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
void crash_report(const char *name, const char *const *hint)
{
    (void)name;
    (void)hint;
}
void crash_is_told_by_another(void) {}
#else

/* Process-wide state, set before the handlers are installed. */
static const char *program_name, *line_start;
static const char *const *what_is_kept;
static bool told_by_another;
static atomic_flag ending = ATOMIC_FLAG_INIT;

static const struct {
    int number;
    const char *name;
} crashes[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}, {SIGFPE, "SIGFPE"}, {SIGABRT, "SIGABRT"}};
enum { CRASHES = sizeof crashes / sizeof crashes[0] };

static const char *name_of(int number)
{
    for (int i = 0; i < CRASHES; i++)
        if (crashes[i].number == number) return crashes[i].name;
    return "a signal";
}

static void end_by(int number)
{
    sigset_t it;
    sigemptyset(&it);
    sigaddset(&it, number);
    signal(number, SIG_DFL);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &it, NULL);
}

static void on_crash(int number)
{
    const char *const parts[] = {line_start,
                                 program_name,
                                 ": error: the program has crashed (",
                                 name_of(number),
                                 "): it has a fault, or there was so little memory that a library could not go "
                                 "on: close other programs, or give fewer threads (-j), a smaller batch or patch; ",
                                 *what_is_kept,
                                 NULL};
    if (atomic_flag_test_and_set(&ending))
        for (;;) pause(); /* another thread is ending the process */
    file_unlink_temporaries();
    if (told_by_another) end_by(number);
    signal_line(parts);
    _exit(1);
}

/* A stack of its own, because the crash may be a full stack. Of other threads than the first it is their own. */
static void use_stack(void)
{
    static char stack[1 << 16];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&own, NULL);
}

void crash_report(const char *name, const char *const *hint)
{
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    program_name = name;
    what_is_kept = hint;
    line_start = progress_redraws() ? "\r\033[K" : "";
    use_stack();
    for (int i = 0; i < CRASHES; i++) sigaction(crashes[i].number, &action, NULL);
}

void crash_is_told_by_another(void) { told_by_another = true; }
#endif
