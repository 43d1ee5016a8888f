#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arguments.h"
#include "base/help.h"
#include "base/json_log.h"
#include "base/launcher.h"
#include "base/program.h"
#include "base/simd_level.h"
#include "base/threads.h"

enum {
    KEY_QUIET = 0x1000,
    KEY_SEED,
    KEY_OVERWRITE,
    KEY_CONTINUE,
    KEY_DEVICE,
    KEY_PRECISION,
    KEY_JSON_LOG,
    KEY_HELP_ALL,
    KEY_USAGE,
    KEY_MAN,
    KEY_COMPLETION
};

static const struct {
    unsigned bit;
    struct argp_option option;
} known[] = {
    {OPT_OUTPUT, {"output", 'o', "PATH", 0, "Where to write (required)", 0}},
    {OPT_THREADS,
     {"threads", 'j', "N", 0,
      "Threads (default: all processors)\vThe default is OMP_NUM_THREADS, else the processors that this process may use",
      0}},
    {OPT_DEVICE, {"device", KEY_DEVICE, "cpu|cuda[:N]", 0, "Device (default: cpu)\vcuda:N is GPU N, from 0", 0}},
    {OPT_PRECISION, {"precision", KEY_PRECISION, "fp32|bf16", 0, "Number format (default: fp32)", 0}},
    {OPT_PLAN_PRECISION,
     {"precision", KEY_PRECISION, "fp32|bf16", 0,
      "Number format (default: the plan's)\vThe plan's is training.precision", 0}},
    {OPT_SEED, {"seed", KEY_SEED, "N", 0, "Seed of the random numbers\vThe same seed makes the same choices", 0}},
    {OPT_CONTINUE, {"continue", KEY_CONTINUE, NULL, 0, "Go on where an earlier run stopped", 0}},
    {OPT_OVERWRITE, {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace results that are there already", 0}},
    {OPT_QUIET, {"quiet", KEY_QUIET, NULL, 0, "Only warnings and errors", 0}},
    {OPT_JSON_LOG,
     {"json-log", KEY_JSON_LOG, NULL, 0,
      "Also write each event as JSON to stdout\vOne object per line: progress, messages, tables, the end", 0}},
    {0, {"help", 'h', NULL, 0, "Print this list", 0}},
    {0, {"help-all", KEY_HELP_ALL, NULL, 0, "Print all options at length", OPTION_RARE}},
    {0, {"version", 'V', NULL, 0, "Print version and build features", 0}},
    {0, {"help", '?', NULL, OPTION_HIDDEN, NULL, 0}},
    {0, {"usage", KEY_USAGE, NULL, OPTION_HIDDEN, NULL, 0}},
    {0,
     {"completion", KEY_COMPLETION, HELP_SHELLS, 0,
      "Print what makes a shell complete these options\v, as in source <({called} --completion=bash). make install "
      "installs it",
      OPTION_RARE}},
    {0, {"help-man", KEY_MAN, NULL, OPTION_HIDDEN, NULL, 0}}, /* the man page, for make install */
};
enum { KNOWN = sizeof known / sizeof known[0] };

static bool is_device(const char *text)
{
    if (!strcmp(text, "cpu") || !strcmp(text, "cuda")) return true;
    return !strncmp(text, "cuda:", 5) && text[5] && strlen(text) <= 7 &&
           strspn(text + 5, "0123456789") == strlen(text) - 5;
}

typedef struct Parsing {
    const Help *help;
    void *own_input;
    CommonOptions *common;
} Parsing;

static int columns_of_terminal(void)
{
    enum { USUAL = 80, LEAST = 60, MOST = 120 };
    struct winsize size;
    const char *given = getenv("COLUMNS");
    int columns = given ? atoi(given) : 0;
    if (columns <= 0 && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size)) columns = size.ws_col;
    if (columns <= 0) columns = USUAL;
    return columns < LEAST ? LEAST : columns > MOST ? MOST : columns;
}

static void print_version(Text *t, const CommonOptions *common)
{
    text_add(t, "%s (Swin-UMamba in C) %s\n", program_called(), PROGRAM_VERSION);
    if (common->engine) text_add(t, "%s\n", common->engine);
    else text_add(t, "SIMD level %s\n", simd_level_name(simd_level()));
    text_add(t, "License: Apache-2.0\n");
}

static void end_without_memory(const char *text)
{
    program_error("%s", text);
    exit(1);
}

/* Prints what is asked for, and ends the program. */
static void print_and_end(int key, const char *shell, const Parsing *p)
{
    Text t = {0};
    switch (key) {
    case 'V': print_version(&t, p->common); break;
    case KEY_USAGE: help_usage(&t, p->help); break;
    case KEY_MAN: manual_page(&t, p->help); break;
    case KEY_COMPLETION: completion_script(&t, p->help, shell); break;
    default: help_text(&t, p->help, key == KEY_HELP_ALL, columns_of_terminal());
    }
    if (t.failed) end_without_memory("out of memory: the text could not be made");
    fputs(t.data, stdout);
    exit(0);
}

static error_t parse_common(int key, char *text, struct argp_state *state)
{
    const Parsing *parsing = state->input;
    CommonOptions *o = parsing->common;
    Err e = {0};
    switch (key) {
    case 'h':
    case '?':
    case 'V':
    case KEY_HELP_ALL:
    case KEY_USAGE:
    case KEY_MAN:
    case KEY_COMPLETION: print_and_end(key, text, parsing); return 0;
    case KEY_JSON_LOG: json_log_open(); return 0;
    case 'o':
        if (!*text) argp_error(state, "-o '': the path is empty; name where to write");
        if (o->output && *o->output) argp_error(state, "-o is given twice: %s and %s", o->output, text);
        o->output = text;
        return 0;
    case 'j': o->threads = (int)option_integer(state, "--threads", text, 1, 4096); return 0;
    case KEY_QUIET: o->quiet = true; return 0;
    case KEY_OVERWRITE: o->overwrite = true; return 0;
    case KEY_CONTINUE: o->resume = true; return 0;
    case KEY_SEED: o->seed = (uint64_t)option_integer(state, "--seed", text, 0, 0x7fffffffffffffff); return 0;
    case KEY_DEVICE:
        if (!is_device(text)) argp_error(state, "--device %s: expected cpu, cuda or cuda:N", text);
        o->device = text;
        return 0;
    case KEY_PRECISION: o->precision = text; return 0;
    case ARGP_KEY_END:
        if ((o->takes & OPT_OUTPUT) && !o->output) argp_error(state, "-o PATH is missing");
        if (simd_level_check(&e)) argp_error(state, "%s", e.text);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* argp hands a child its input through the parent's ARGP_KEY_INIT: this wraps the program's parser. */
static error_t hand_on(int key, char *text, struct argp_state *state)
{
    (void)text;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    Parsing *parsing = state->input;
    state->child_inputs[0] = parsing->own_input;
    state->child_inputs[1] = parsing;
    return 0;
}

/* Also called in programs without -j: they may use OpenMP too. */
static void set_threads(CommonOptions *common)
{
    const ThreadSetting s = threads_setting(common->threads);
    int bounded;
    common->threads_given = common->threads || getenv("OMP_NUM_THREADS");
    common->threads = threads_choose(&s, &bounded);
    if (bounded)
        program_warn("%s requests %d threads, %d are used: %s", s.asked ? "-j" : "OMP_NUM_THREADS",
                     s.asked ? s.asked : s.by_default, common->threads,
                     s.limit == common->threads ? "OpenMP grants no more (OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS)"
                                                : "more than four threads per processor only slow each other down");
    threads_use(common->threads);
}

/* Ends the program with one line on wrong usage. */
static void read_arguments(Arguments *words, const Help *h, int argc, char **argv, Text *notes)
{
    Err e = {0};
    if (!arguments_read(words, h, argc, argv, notes, &e)) return;
    if (e.code == ERR_NOMEM) end_without_memory(e.text);
    fprintf(stderr, "%s: %s\n", program_called(), e.text);
    exit(argp_err_exit_status);
}

/* Several would write into each other's results. */
static void expect_one_process(const Program *p)
{
    int rank;
    const int count = launcher_count(&rank);
    if (p->shares || count < 2) return;
    program_error(
        "%d processes were started to work together, but this program is one process: start it without mpirun", count);
    exit(argp_err_exit_status);
}

static void say_lines(const char *text)
{
    int length;
    for (const char *line = text, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        program_say("%.*s", length, line);
    }
}

void program_parse(const Program *p, void *own_input, CommonOptions *common, int argc, char **argv)
{
    enum { MOST = 64 };
    struct argp_option options[MOST + 1] = {{0}};
    int own = 0, count = 0;
    for (; p->options && p->options[own].name; own++) options[own] = p->options[own];
    for (int i = 0; i < KNOWN; i++)
        if (!known[i].bit || (common->takes & known[i].bit)) options[own + count++] = known[i].option;
    common->device = "cpu";
    common->precision = common->takes & OPT_PLAN_PRECISION ? NULL : "fp32";
    const struct argp own_argp = {.options = p->options, .parser = p->parse};
    const struct argp common_argp = {.options = options + own, .parser = parse_common};
    const struct argp_child children[] = {{&own_argp, 0, NULL, 0}, {&common_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    const struct argp whole = {.parser = hand_on, .children = children};
    const Help help = {p, options};
    Parsing parsing = {&help, own_input, common};
    Arguments words;
    Text notes = {0};
    expect_one_process(p);
    read_arguments(&words, &help, argc, argv, &notes);
    if (argp_parse(&whole, words.count, words.words, ARGP_NO_HELP, NULL, &parsing) == ENOMEM)
        end_without_memory("out of memory: the arguments could not be read");
    arguments_free(&words);
    if (!common->quiet) say_lines(notes.data);
    text_free(&notes);
    set_threads(common);
}

int program_threads(const CommonOptions *common) { return common->threads; }

long option_integer(struct argp_state *state, const char *name, const char *text, long low, long high)
{
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high)
        argp_error(state, "%s %s: expected a whole number from %ld to %ld", name, text, low, high);
    return value;
}

double option_number(struct argp_state *state, const char *name, const char *text, double low, double high)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= low && value <= high))
        argp_error(state, "%s %s: expected a number from %g to %g", name, text, low, high);
    return value;
}

void option_refuse(struct argp_state *state, const char *name, const Err *e)
{
    if (e->code == ERR_NOMEM) end_without_memory(e->text);
    argp_error(state, "%s %s", name, e->text);
}

void option_once(struct argp_state *state, const char *name, const char *text, const char **value)
{
    if (*value) argp_error(state, "%s is given twice: %s and %s", name, *value, text);
    *value = text;
}

int64_t option_bytes(struct argp_state *state, const char *name, const char *text)
{
    static const char units[] = "KMGT";
    static const char *const endings[] = {"", "B", "iB"};
    char *end;
    const double number = strtod(text, &end);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : units + 2;
    bool is_known = end != text && unit && !*end;
    for (int i = 0; i < 3 && unit && *end; i++) is_known = is_known || !strcasecmp(end + 1, endings[i]);
    const double bytes = is_known ? ldexp(number, 10 * (int)(unit - units + 1)) : 0;
    if (!(bytes >= 1 << 20 && bytes < 0x1p62))
        argp_error(state, "%s %s: expected an amount of memory of at least 1M, such as 8G (8 means the same) or 800M",
                   name, text);
    return (int64_t)bytes;
}

void option_size(struct argp_state *state, const char *name, const char *text, int64_t *sizes, int count)
{
    const char *at = text;
    for (int i = 0; i < count; i++) {
        char *end;
        errno = 0;
        const long long value = strtoll(at, &end, 10);
        const bool last = i == count - 1;
        if (errno || end == at || value < 1 || value > 1000000 || (last ? *end != '\0' : *end != 'x'))
            argp_error(state, "%s %s: expected %d whole numbers joined by x, as in %s", name, text, count,
                       count == 3 ? "32x256x256" : "320x320");
        sizes[i] = value;
        at = end + 1;
    }
}
