/* What every program shares: common options, signals, messages, the last line.
 *
 * Used by mains only, and by trainer/training_show.c for two of them: these and progress.c are the only files outside a main that print.
 *   int main(int argc, char **argv)
 *   {
 *       program_begin("train");
 *       argp_parse(…);                       // with &program_argp(...) as a child
 *       return program_end(run(&options, &e), &e);
 *   }
 * Exit status: 0 done, 1 failed, 2 wrong usage, 128+n on signal n. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define PROGRAM_VERSION "0.1.0"

/* The options that several programs have; a program names those that it accepts (OPT_…). */
typedef struct CommonOptions {
    unsigned takes;        /* set before parsing: which of the options below this program has */
    int threads;           /* -j, --threads; after parsing what is used (base/threads.h) */
    bool quiet;            /* --quiet */
    bool overwrite;        /* --overwrite */
    bool resume;           /* --continue */
    uint64_t seed;         /* --seed, default as set before parsing */
    const char *output;    /* -o, --output; required where taken */
    const char *device;    /* --device: cpu, the default */
    const char *precision; /* --precision: fp32 (default) or bf16; of OPT_PLAN_PRECISION the default is NULL */
    const char *engine;    /* set before parsing: what computes, for --version; NULL: nothing to say. Borrowed */
} CommonOptions;

enum {
    OPT_OUTPUT = 1,
    OPT_THREADS = 2,
    OPT_QUIET = 4,
    OPT_SEED = 8,
    OPT_OVERWRITE = 16,
    OPT_CONTINUE = 32,
    OPT_DEVICE = 64,
    OPT_PRECISION = 128,
    OPT_PLAN_PRECISION = 256 /* the same option; its default is in the plan */
};

/* Parses argv with the program's own options and the common ones it takes; exits with status 2 and
 * a hint on wrong usage. `own` has input = own_input. */
void program_parse(const struct argp *own, void *own_input, CommonOptions *common, int argc, char **argv);

/* Number of threads to use, at least 1 (base/threads.h); program_parse chose it and told OpenMP. */
int program_threads(const CommonOptions *common);

/* To be called first. Opens standard streams that were closed on /dev/null; names the program as it was called
 * (`name` where the caller gave none); notes the time; installs the handlers of SIGINT, SIGTERM and SIGHUP (but not
 * where SIGHUP is ignored: nohup). On a signal temporaries are removed, one line says so and how to go on
 * (program_interrupt_hint), and the process ends with 128+n. A program that is `graceful` and asks
 * program_interrupted() from time to time learns of the signal by that call instead, and ends with ERR_INTERRUPTED,
 * whose text program_end prints. A second signal ends it at once; so does a wait of five minutes in which it did
 * not ask. */
void program_begin(const char *name, bool graceful);
int program_interrupted(void); /* the signal's number, or 0 */

/* What is kept after an interruption and how to continue, as "the cases that are done are kept; the same command
 * goes on". Borrowed until the program ends. */
void program_interrupt_hint(const char *text);

/* For base/processes.c. lead: signals are passed on to these processes (borrowed; 0: none), and those stop, not this one.
 * follow: from now on only the signals that process `leader` sends count, and nothing is printed on them. */
void program_lead(const pid_t *processes, int count);
void program_follow(pid_t leader);

const char *program_called(void); /* the program's name as it was called; borrowed */

/* "name: text" / "name: warning: text" to stderr, clear of a progress bar. */
void program_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void program_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void program_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void program_warn_lines(const char *text); /* a warning for each line; NULL: none */

/* Reports e if code is not 0, and standard output if not all of it could be written; prints the closing line (version,
 * time, CPU time, peak memory, of processes it has waited for too) unless quiet; returns the exit status: 0, 1, or 128+n after a signal. */
int program_end(int code, const Err *e, bool quiet);

/* Parsers of option values; on a bad one they end the program through argp_error (status 2). */
long option_integer(struct argp_state *state, const char *name, const char *text, long low, long high);
double option_number(struct argp_state *state, const char *name, const char *text, double low, double high);
/* An amount of memory, in bytes: 8, 8G, 8GB and 8GiB are the same; so with K, M and T. At least 1 MiB. */
int64_t option_bytes(struct argp_state *state, const char *name, const char *text);

/* Sets *value to text; an option that takes one value and is given twice is wrong usage. */
void option_once(struct argp_state *state, const char *name, const char *text, const char **value);
void option_size(struct argp_state *state, const char *name, const char *text, int64_t *sizes, int count); /* "HxW" */

#endif
