#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/file.h"
#include "base/json_log.h"
#include "base/launcher.h"
#include "base/memory.h"
#include "base/plain.h"
#include "base/progress.h"
#include "base/signal_line.h"
#include "base/text.h"
#include "base/wait_policy.h"

/* State of the signal handlers, set before they are installed. */
static const char *program_name = "program";
static const char *hint = "finished files are kept, unfinished ones are removed; start it again";
static const char *stops_after = "the present step";
static struct timespec started;
static bool stops_gracefully, redraws, told_of_lost_output;
static bool is_silent; /* another process of the same work prints */
static atomic_int signal_seen;
static atomic_bool is_polled, was_noticed; /* program_interrupted was called: at all; after the signal */
static atomic_flag ending = ATOMIC_FLAG_INIT;
static pid_t leader;     /* whose signals alone count; 0: everybody's */
static const pid_t *led; /* the processes to which signals are passed on */
static int led_count;

/* How long a program may take to notice a signal that asks it to stop by itself. */
enum { PATIENCE_SECONDS = 300 };

static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
enum { STOPPING = sizeof stopping / sizeof stopping[0] };

static const char *name_of(int number)
{
    return number == SIGINT ? "Ctrl-C" : number == SIGTERM ? "SIGTERM" : number == SIGHUP ? "SIGHUP" : "a signal";
}

static void end_at_once(int number)
{
    const char *const parts[] = {
        redraws ? "\r\033[K" : "", program_name, ": interrupted by ", name_of(number), "; ", hint, NULL};
    if (atomic_flag_test_and_set(&ending))
        for (;;) pause(); /* another thread is ending the process */
    file_unlink_temporaries();
    if (!leader && !is_silent) signal_line(parts);
    _exit(128 + number);
}

static void pass_on(int number)
{
    for (int i = 0; i < led_count; i++)
        if (led[i]) kill(led[i], number);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    const int saved = errno;
    (void)context;
    if (leader && number != SIGALRM && info->si_pid != leader) return;
    if (number != SIGALRM) pass_on(number);
    if (number == SIGALRM) {
        if (!atomic_load(&was_noticed)) end_at_once(atomic_load(&signal_seen));
    } else if (!stops_gracefully || !atomic_load(&is_polled) || atomic_load(&signal_seen)) {
        end_at_once(number);
    } else {
        const char *const parts[] = {
            redraws ? "\r\033[K" : "",   program_name, ": ", name_of(number), ": stopping after ", stops_after,
            "; once more stops at once", NULL};
        atomic_store(&signal_seen, number);
        if (!leader && !is_silent) signal_line(parts);
        if (!led_count) alarm(PATIENCE_SECONDS);
    }
    errno = saved;
}

int program_interrupted(void)
{
    const int number = atomic_load(&signal_seen);
    if (number) atomic_store(&was_noticed, true);
    else atomic_store(&is_polled, true);
    return number;
}

void program_signal_served(void)
{
    alarm(0);
    atomic_store(&signal_seen, 0);
}

void program_interrupt_hint(const char *text) { hint = text; }

void program_stops_after(const char *text) { stops_after = text; }

void program_lead(const pid_t *processes, int count)
{
    led = processes;
    led_count = count;
}

void program_follow(pid_t process)
{
    leader = process;
    crash_is_told_by_another();
}

static void install_handlers(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO}, before;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < STOPPING; i++) sigaddset(&action.sa_mask, stopping[i]);
    sigaddset(&action.sa_mask, SIGALRM);
    for (int i = 0; i < STOPPING; i++) {
        /* nohup: where SIGHUP is ignored, the program goes on when the terminal is closed. */
        if (stopping[i] == SIGHUP && !sigaction(SIGHUP, NULL, &before) && before.sa_handler == SIG_IGN) continue;
        sigaction(stopping[i], &action, NULL);
    }
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit then shows as a failed write */
}

/* Opens closed standard streams on /dev/null. Else a file that the program opens could get such a number, and
 * messages would be written into it. */
static void open_standard_streams(void)
{
    int fd;
    do fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) close(fd);
    for (int i = 0; fd < 0 && i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0) _exit(1); /* neither the stream nor /dev/null is open: no message can be printed */
}

/* Whether all output to stdout was written; prints an error once where it was not. */
static bool output_arrived(void)
{
    errno = 0;
    const bool lost = fflush(stdout) || ferror(stdout);
    if (lost && !told_of_lost_output)
        program_error("standard output: not all could be written%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    told_of_lost_output = lost;
    return !lost;
}

/* For what ends without program_end: --help and --version, and OpenMP's library, which calls exit where it gets no memory. */
static void finish_at_exit(void)
{
    if (!leader) file_unlink_temporaries();
    if (!told_of_lost_output && !output_arrived()) _exit(1);
}

/* In glibc the standard streams are variables. The descriptors stay: for a crash, and for the failure of this process. */
static void be_silent(void)
{
    FILE *nowhere = fopen("/dev/null", "w");
    is_silent = true;
    if (nowhere) stdout = stderr = nowhere;
}

void program_begin(const char *name, bool graceful)
{
    int rank;
    wait_policy_settled();
    open_standard_streams();
    if (launcher_count(&rank) > 1 && rank) be_silent();
    program_name = *program_invocation_short_name ? program_invocation_short_name : name;
    stops_gracefully = graceful;
    redraws = progress_redraws();
    clock_gettime(CLOCK_MONOTONIC, &started);
    install_handlers();
    if (launcher_count(&rank) == 1) crash_report(program_name, &hint); /* a launcher's MPI does this itself */
    argp_err_exit_status = 2;
    atexit(finish_at_exit);
}

const char *program_called(void) { return program_name; }

static void log_message(const char *kind, const char *text)
{
    if (!json_log_is_open()) return;
    Text line = json_log_begin("message");
    json_log_string(&line, "level", *kind == 'w' ? "warning" : *kind == 'e' ? "error" : "note");
    json_log_string(&line, "text", text);
    json_log_end(&line);
}

/* Further lines are indented: a name with a newline in it cannot look like another message. */
static void print_message(const char *kind, const char *text)
{
    int length;
    fprintf(stderr, "%s: %s", program_name, kind);
    for (const char *line = text, *next; *line; line = next) {
        next = text_next_line(line, &length);
        fprintf(stderr, "%s%.*s", line == text ? "" : *line == ' ' ? "\n" : "\n  ", length, line);
    }
    fputs("\n", stderr);
}

static void say(const char *kind, const char *format, va_list args)
{
    char short_of_memory[1024];
    va_list again;
    va_copy(again, args);
    char *line = text_format(NULL, format, args);
    if (!line) vsnprintf(short_of_memory, sizeof short_of_memory, format, again);
    va_end(again);
    plain_text(line ? line : short_of_memory);
    progress_clear_line();
    print_message(kind, line ? line : short_of_memory);
    log_message(kind, line ? line : short_of_memory);
    mem_free(line);
}

#define SAY(kind)                \
    do {                         \
        va_list args;            \
        va_start(args, format);  \
        say(kind, format, args); \
        va_end(args);            \
    } while (0)

void program_say(const char *format, ...) { SAY(""); }
void program_warn(const char *format, ...) { SAY("warning: "); }
void program_error(const char *format, ...) { SAY("error: "); }

void program_warn_lines(const char *text)
{
    int length;
    for (const char *line = text, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        program_warn("%.*s", length, line);
    }
}

static double cpu_of(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           1e-6 * (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

typedef struct Usage {
    double seconds, cpu_seconds, memory_mib;
} Usage;

/* Of this process, and of those that it has waited for. */
static Usage usage_so_far(void)
{
    struct timespec now;
    struct rusage own, others;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &others);
    const double mine = (double)mem_resident_most() / 1024, memory = fmax(mine, (double)others.ru_maxrss);
    return (Usage){(double)(now.tv_sec - started.tv_sec) + 1e-9 * (double)(now.tv_nsec - started.tv_nsec),
                   cpu_of(&own) + cpu_of(&others), memory / 1024};
}

/* Not in the log, whose last event has the same values. */
static void print_closing_line(void)
{
    const Usage u = usage_so_far();
    progress_clear_line();
    fprintf(stderr, "%s: version %s; %.1f s, CPU %.1f s, peak memory %.1f MiB\n", program_name, PROGRAM_VERSION,
            u.seconds, u.cpu_seconds, u.memory_mib);
}

static void log_end(int status)
{
    if (!json_log_is_open()) return;
    const Usage u = usage_so_far();
    Text line = json_log_begin("end");
    json_log_integer(&line, "status", status);
    json_log_string(&line, "version", PROGRAM_VERSION);
    json_log_number(&line, "seconds", u.seconds);
    json_log_number(&line, "cpu_seconds", u.cpu_seconds);
    json_log_number(&line, "peak_memory_mib", u.memory_mib);
    json_log_end(&line);
}

void program_print(const char *text)
{
    if (!json_log_is_open()) {
        plain_write(stdout, text);
        fflush(stdout); /* keeps the order of lines on stdout and stderr */
        return;
    }
    Text line = json_log_begin("table");
    json_log_string(&line, "text", text);
    json_log_end(&line);
}

int program_report(int code, const Err *e, bool another)
{
    if (code == ERR_INTERRUPTED && another && !atomic_load(&signal_seen)) atomic_store(&signal_seen, SIGTERM);
    const int interrupted = atomic_load(&signal_seen), status = interrupted ? 128 + interrupted : code ? 1 : 0;
    if (code == ERR_INTERRUPTED && interrupted) program_say("%s", e->code ? e->text : "interrupted");
    else if (code) program_error("%s", e->code ? e->text : "failed");
    else if (interrupted) program_say("%s came when all was done", name_of(interrupted));
    return status;
}

int program_close(int status, bool quiet)
{
    log_end(status);
    const bool arrived = output_arrived();
    if (!quiet) print_closing_line();
    return status || arrived ? status : 1;
}

int program_end(int code, const Err *e, bool quiet) { return program_close(program_report(code, e, false), quiet); }
