/* A progress bar on stderr: redrawn in place on a terminal, a line at intervals in a log file.
 *
 *   Progress p;
 *   progress_begin(&p, "preprocess", cases, quiet);
 *   … progress_step(&p, 1, "hippocampus_001");    // from any thread; progress_fail where it failed
 *   progress_end(&p);
 * Nothing is printed when quiet (but in the log of --json-log). Only mains create one; other functions are given a pointer. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
    char title[64];
    int64_t total, done; /* failed ones are among the done */
    int64_t failed;
    double part; /* done of the current item, 0 … 1 */
    bool shown, terminal;
    bool
        logged; /* each finished item is an event of --json-log (base/json_log.h); may be set to false after the begin */
    double started, drawn; /* seconds of the monotonic clock */
    pthread_mutex_t lock;
} Progress;

void progress_begin(Progress *p, const char *title, int64_t total, bool quiet);
void progress_step(Progress *p, int64_t more, const char *note); /* note may be NULL; p may be NULL */
/* An item is over, but it failed: the last line does not count it as done. p may be NULL. */
void progress_fail(Progress *p, const char *note);
/* The part of the current item that is done, for items that take long. */
void progress_part(Progress *p, double part, const char *note);
void progress_end(Progress *p);

/* Whether stderr is a terminal with escape codes, and neither TERM=dumb nor NO_COLOR is set. Else lines are printed
 * as into a log file. */
bool progress_redraws(void);

/* Clears a bar on the current terminal line, so that a message can be printed. */
void progress_clear_line(void);

double clock_seconds(void);      /* monotonic */
double cpu_seconds(void);        /* of all threads of the process */
double cpu_seconds_thread(void); /* of the calling thread */

/* "1:02:03", "4:05" or "3.2 s" into buffer. */
const char *format_duration(double seconds, char *buffer, int bytes);

#endif
