/* What every program shares: its description, common options, signals, messages, the last line.
 *
 * Used by mains only, and by trainer/training_show.c for two of them: these, options.c, progress.c and json_log.c are the only
 * files outside a main that print.
 *   int main(int argc, char **argv)
 *   {
 *       program_begin("train", true);
 *       program_parse(&program, &options, &options.common, argc, argv);
 *       return program_end(run(&options, &e), &e, options.common.quiet);
 *   }
 * Exit status: 0 done, 1 failed, 2 wrong usage, 128+n on signal n. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

#define PROGRAM_VERSION "0.1.0"
#define PROGRAM_DATE "2026-11-27" /* of this version, for man pages */

/* An option of nnU-Net's program for the same work, so that its users need not learn ours. `here` has the same meaning, and
 * takes its place; "": the values take the places of arguments. Without `here` the program ends with one line,
 * `answer`, which says what to type instead; but a value that is `only` is accepted, since there is no other one here. With
 * `holds` the option is accepted and the answer is a note: it holds always. */
typedef struct Habit {
    const char *option; /* as it is typed: "-step_size", "--disable_tta" */
    enum {
        HABIT_FLAG,
        HABIT_VALUE,
        HABIT_FOLDS,
        HABIT_WORDS
    } takes; /* FOLDS: numbers or all; WORDS: up to an option */
    const char *here, *answer, *only;
    bool holds;
} Habit;
#define SAME(OPTION, TAKES, HERE)                              \
    {                                                          \
        .option = OPTION, .takes = HABIT_##TAKES, .here = HERE \
    }
#define ANSWERED(OPTION, TAKES, TEXT)                            \
    {                                                            \
        .option = OPTION, .takes = HABIT_##TAKES, .answer = TEXT \
    }
#define ONLY(OPTION, TAKES, WORD, TEXT)                                        \
    {                                                                          \
        .option = OPTION, .takes = HABIT_##TAKES, .answer = TEXT, .only = WORD \
    }
#define HOLDS(OPTION, TAKES, TEXT)                                              \
    {                                                                           \
        .option = OPTION, .takes = HABIT_##TAKES, .answer = TEXT, .holds = true \
    }

/* What a program is called with. Parsing, --help, the man page and the completion of shells are made from it (base/help.h).
 * Texts are plain; a line that begins with blanks is shown as it is. {WORD} is replaced by what expand() appends. */
typedef struct Program {
    const char *summary;   /* "train one or several folds of a preprocessed dataset" */
    const char *arguments; /* "PREPROCESSED FOLDS"; a line for each form */
    const char *about;     /* what it does, in a few lines */
    const char *examples;  /* lines "ARGUMENTS\tWHAT IT DOES", the most usual one first */
    const char *notes;     /* behind the options; may be NULL */
    const char *more;      /* in place of the notes in --help-all and the man page; NULL: the notes */
    const char *see;       /* the programs to read about next: "predict evaluate" */
    bool shares;           /* several processes can share its work (base/world.h) */

    /* argp's; {0} at the end. The texts: what fits a line of --help, then after \v what only --help-all tells. An argument
     * "fp32|bf16" is one of these words, which is checked. */
    const struct argp_option *options;
    error_t (*parse)(int key, char *text, struct argp_state *state);
    const Habit *habits; /* {0} at the end; may be NULL */

    /* Appends what a word in braces means, or for an argument's name in capitals ("NETWORK") the words it may be, joined by
     * ", "; false: unknown. May be NULL. */
    bool (*expand)(Text *t, const char *word);
} Program;

enum { OPTION_RARE = 9 }; /* group of an argp_option that --help leaves out */

/* The options that several programs have; a program names those that it accepts (OPT_…). */
typedef struct CommonOptions {
    unsigned takes;        /* set before parsing: which of the options below this program has */
    int threads;           /* -j, --threads; after parsing what is used (base/threads.h) */
    bool threads_given;    /* by -j or OMP_NUM_THREADS; set by parsing */
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
    OPT_PLAN_PRECISION = 256, /* the same option; its default is in the plan */
    OPT_JSON_LOG = 512        /* --json-log (base/json_log.h) */
};

/* Parses argv with the program's own options and the common ones it takes; exits with status 2 and
 * a hint on wrong usage. p->parse has the input own_input. */
void program_parse(const Program *p, void *own_input, CommonOptions *common, int argc, char **argv);

/* Number of threads to use, at least 1 (base/threads.h); program_parse chose it and told OpenMP. */
int program_threads(const CommonOptions *common);

/* To be called first. Opens standard streams that were closed on /dev/null; names the program as it was called
 * (`name` where the caller gave none); notes the time; installs the handlers of SIGINT, SIGTERM and SIGHUP (but not
 * where SIGHUP is ignored: nohup). On a signal temporaries are removed, one line says so and how to go on
 * (program_interrupt_hint), and the process ends with 128+n. Of several processes that a launcher of MPI has started all but rank 0 print nothing. A program that is `graceful` and asks
 * program_interrupted() from time to time learns of the signal by that call instead, and ends with ERR_INTERRUPTED,
 * whose text program_end prints. A second signal ends it at once; so does a wait of five minutes in which it did
 * not ask. */
void program_begin(const char *name, bool graceful);
int program_interrupted(void); /* the signal's number, or 0 */

/* For a program that a signal ends as it should, when its work is done: program_end then tells of no signal. */
void program_signal_served(void);

/* What is kept after an interruption and how to continue, as "the cases that are done are kept; the same command
 * goes on". Borrowed until the program ends. */
void program_interrupt_hint(const char *text);

/* What a signal waits for; without this call it is "the present step". Borrowed until the program ends. */
void program_stops_after(const char *text);

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

/* A table or another result, to standard output; with --json-log as an event. */
void program_print(const char *text);

/* Reports e if code is not 0, and standard output if not all of it could be written; prints the closing line (version,
 * time, CPU time, peak memory, of processes it has waited for too) unless quiet; returns the exit status: 0, 1, or 128+n after a signal. */
int program_end(int code, const Err *e, bool quiet);

/* Its two parts, for base/world.c: the report, which returns the status, and what comes last. another: an interruption without a signal
 * to this process is that of another one. */
int program_report(int code, const Err *e, bool another);
int program_close(int status, bool quiet);

/* Parsers of option values; on a bad one they end the program through argp_error (status 2). */
long option_integer(struct argp_state *state, const char *name, const char *text, long low, long high);
double option_number(struct argp_state *state, const char *name, const char *text, double low, double high);
/* An amount of memory, in bytes: 8, 8G, 8GB and 8GiB are the same; so with K, M and T. At least 1 MiB. */
int64_t option_bytes(struct argp_state *state, const char *name, const char *text);

/* A value that a parser has refused: wrong usage, "NAME error"; without memory the program ends with status 1. */
void option_refuse(struct argp_state *state, const char *name, const Err *e);

/* Sets *value to text; an option that takes one value and is given twice is wrong usage. */
void option_once(struct argp_state *state, const char *name, const char *text, const char **value);
void option_size(struct argp_state *state, const char *name, const char *text, int64_t *sizes, int count); /* "HxW" */

#endif
