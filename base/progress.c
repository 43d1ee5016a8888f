#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json_log.h"
#include "base/plain.h"

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double clock_seconds(void) { return seconds_of(CLOCK_MONOTONIC); }
double cpu_seconds(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }
double cpu_seconds_thread(void) { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

const char *format_duration(double seconds, char *buffer, int bytes)
{
    const long whole = (long)(seconds + 0.5);
    if (seconds < 10) snprintf(buffer, (size_t)bytes, "%.1f s", seconds);
    else if (whole < 3600) snprintf(buffer, (size_t)bytes, "%ld:%02ld", whole / 60, whole % 60);
    else snprintf(buffer, (size_t)bytes, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return buffer;
}

bool progress_redraws(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") && !(no_color && *no_color);
}

void progress_clear_line(void)
{
    if (progress_redraws()) fputs("\r\033[K", stderr);
}

void progress_begin(Progress *p, const char *title, int64_t total, bool quiet)
{
    *p = (Progress){.total = total,
                    .shown = !quiet,
                    .terminal = progress_redraws(),
                    .logged = json_log_is_open(),
                    .started = clock_seconds()};
    snprintf(p->title, sizeof p->title, "%s", title);
    pthread_mutex_init(&p->lock, NULL);
}

static void draw(const Progress *p, const char *note, double now)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1], left[32], shown[256];
    const double share = p->total ? ((double)p->done + p->part) / (double)p->total : 1;
    for (int i = 0; i < WIDTH; i++) bar[i] = i < share * WIDTH ? '#' : '.';
    bar[WIDTH] = '\0';
    const double elapsed = now - p->started;
    if (share > 0) format_duration(elapsed / share - elapsed, left, sizeof left);
    snprintf(shown, sizeof shown, "%s", note ? note : "");
    plain_text(shown);
    progress_clear_line();
    fprintf(stderr, "%s [%s] %lld/%lld, %s left  %s%s", p->title, bar, (long long)p->done, (long long)p->total,
            share > 0 ? left : "?", shown, p->terminal ? "" : "\n");
    fflush(stderr);
}

static void log_progress(const Progress *p, const char *note)
{
    Text line = json_log_begin("progress");
    json_log_string(&line, "task", p->title);
    json_log_integer(&line, "done", p->done);
    json_log_integer(&line, "total", p->total);
    json_log_integer(&line, "failed", p->failed);
    json_log_string(&line, "item", note);
    json_log_end(&line);
}

static void advance(Progress *p, int64_t more, int64_t failed, double part, const char *note)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->done += more;
    p->failed += failed;
    p->part = part;
    if (p->logged && more) log_progress(p, note);
    const double now = clock_seconds();
    if (p->shown && now - p->drawn >= (p->terminal ? 0.1 : 30)) {
        /* In a log file the first line comes after a while: short work prints none. */
        if (p->terminal || p->drawn > 0) draw(p, note, now);
        p->drawn = now;
    }
    pthread_mutex_unlock(&p->lock);
}

void progress_step(Progress *p, int64_t more, const char *note) { advance(p, more, 0, 0, note); }
void progress_fail(Progress *p, const char *note) { advance(p, 1, 1, 0, note); }
void progress_part(Progress *p, double part, const char *note) { advance(p, 0, 0, part, note); }

void progress_end(Progress *p)
{
    char took[32];
    if (p->shown) {
        progress_clear_line();
        fprintf(stderr, "%s: %lld done", p->title, (long long)(p->done - p->failed));
        if (p->failed) fprintf(stderr, ", %lld failed,", (long long)p->failed);
        fprintf(stderr, " in %s\n", format_duration(clock_seconds() - p->started, took, sizeof took));
    }
    pthread_mutex_destroy(&p->lock);
}
