#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/program.h"
#include "base/simd_level.h"
#include "base/threads.h"

enum { KEY_QUIET = 0x1000, KEY_SEED, KEY_OVERWRITE, KEY_CONTINUE, KEY_DEVICE, KEY_PRECISION };

static const struct {
    unsigned bit;
    struct argp_option option;
} known[] = {
    {OPT_OUTPUT, {"output", 'o', "PATH", 0, "Where to write (required)", 1}},
    {OPT_THREADS,
     {"threads", 'j', "N", 0,
      "Number of threads (default: OMP_NUM_THREADS, else the processors that this process may use)", 1}},
    {OPT_DEVICE, {"device", KEY_DEVICE, "NAME", 0, "Device: cpu (default), cuda, or cuda:N for GPU N (from 0)", 1}},
    {OPT_PRECISION, {"precision", KEY_PRECISION, "NAME", 0, "Number format: fp32 (default) or bf16", 1}},
    {OPT_PLAN_PRECISION,
     {"precision", KEY_PRECISION, "NAME", 0, "Number format: fp32 or bf16 (default: the plan's, training.precision)",
      1}},
    {OPT_SEED, {"seed", KEY_SEED, "N", 0, "Seed of the random numbers: the same seed makes the same choices", 1}},
    {OPT_CONTINUE, {"continue", KEY_CONTINUE, NULL, 0, "Go on where an earlier run stopped", 1}},
    {OPT_OVERWRITE, {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace results that are there already", 1}},
    {OPT_QUIET, {"quiet", KEY_QUIET, NULL, 0, "Only warnings and errors", 1}},
};
enum { KNOWN = sizeof known / sizeof known[0] };

static bool is_device(const char *text)
{
    if (!strcmp(text, "cpu") || !strcmp(text, "cuda")) return true;
    return !strncmp(text, "cuda:", 5) && text[5] && strlen(text) <= 7 &&
           strspn(text + 5, "0123456789") == strlen(text) - 5;
}

static error_t parse_common(int key, char *text, struct argp_state *state)
{
    CommonOptions *o = state->input;
    Err e = {0};
    switch (key) {
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
    case KEY_PRECISION:
        if (strcmp(text, "fp32") && strcmp(text, "bf16"))
            argp_error(state, "--precision %s: expected fp32 or bf16", text);
        o->precision = text;
        return 0;
    case ARGP_KEY_END:
        if ((o->takes & OPT_OUTPUT) && !o->output) argp_error(state, "-o PATH is missing");
        if (simd_level_check(&e)) argp_error(state, "%s", e.text);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* argp hands a child its input through the parent's ARGP_KEY_INIT: this wraps the program's parser. */
typedef struct Parents {
    const struct argp *own;
    void *own_input;
    CommonOptions *common;
} Parents;

static error_t hand_on(int key, char *text, struct argp_state *state)
{
    (void)text;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    const Parents *parents = state->input;
    state->child_inputs[0] = parents->own_input;
    state->child_inputs[1] = parents->common;
    return 0;
}

static const char *engine; /* argp gives its version hook no input */

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    fprintf(stream, "%s (Swin-UMamba in C) %s\n", program_called(), PROGRAM_VERSION);
    if (engine) fprintf(stream, "%s\n", engine);
    fprintf(stream, "License: Apache-2.0\n");
}

/* Also called in programs without -j: they may use OpenMP too. */
static void set_threads(CommonOptions *common)
{
    const ThreadSetting s = threads_setting(common->threads);
    int bounded;
    common->threads = threads_choose(&s, &bounded);
    if (bounded)
        program_warn("%s requests %d threads, %d are used: %s", s.asked ? "-j" : "OMP_NUM_THREADS",
                     s.asked ? s.asked : s.by_default, common->threads,
                     s.limit == common->threads ? "OpenMP grants no more (OMP_THREAD_LIMIT, OMP_MAX_ACTIVE_LEVELS)"
                                                : "more than four threads per processor only slow each other down");
    threads_use(common->threads);
}

void program_parse(const struct argp *own, void *own_input, CommonOptions *common, int argc, char **argv)
{
    struct argp_option options[KNOWN + 1] = {{0}};
    int count = 0;
    for (int i = 0; i < KNOWN; i++)
        if (common->takes & known[i].bit) options[count++] = known[i].option;
    common->device = "cpu";
    common->precision = common->takes & OPT_PLAN_PRECISION ? NULL : "fp32";
    const struct argp common_argp = {.options = options, .parser = parse_common};
    const struct argp_child children[] = {{own, 0, NULL, 0}, {&common_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    const struct argp whole = {.parser = hand_on, .children = children};
    Parents parents = {own, own_input, common};
    engine = common->engine;
    argp_program_version_hook = print_version;
    argp_parse(&whole, argc, argv, 0, NULL, &parents);
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
