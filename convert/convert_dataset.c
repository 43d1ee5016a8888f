/* convert_dataset SOURCE IN OUT: a public dataset, as it is downloaded, becomes a raw dataset folder. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "convert/boundary.h"
#include "convert/conversion.h"

enum { SHRINK = 3, SHRINK_MOST = 16, KEY_BOUNDARY_WIDTH = 0x2000, KEY_SHRINK };

static const ConversionSource *const sources[] = {&source_amos_mri, &source_endovis17, &source_neurips_cell,
                                                  &source_msd,      &source_nnunet_v1, &source_instances};
enum { SOURCES = sizeof sources / sizeof sources[0] };

typedef struct Options {
    CommonOptions common;
    const char *arguments[3]; /* SOURCE IN OUT */
    int count;
    Conversion conversion;
} Options;

static bool expand(Text *t, const char *word)
{
    const bool names = !strcmp(word, "SOURCE");
    if (!names && strcmp(word, "sources")) return false;
    for (int i = 0; i < SOURCES; i++)
        if (names) text_add(t, "%s%s", i ? ", " : "", sources[i]->name);
        else text_add(t, "  %-14s%s\n", sources[i]->name, sources[i]->about);
    return true;
}

static const ConversionSource *find_source(struct argp_state *state, const char *name)
{
    char list[256];
    int length = 0;
    const char *names[SOURCES + 1] = {NULL};
    for (int i = 0; i < SOURCES; i++) {
        if (!strcmp(sources[i]->name, name)) return sources[i];
        names[i] = sources[i]->name;
        length += snprintf(list + length, sizeof list - (size_t)length, "%s%s", i ? ", " : "", names[i]);
    }
    argp_error(state, "%s is no source: expected one of %s; the nearest is %s", name, list, name_nearest(name, names));
    return NULL;
}

static void refuse_without_use(struct argp_state *state, const Conversion *c, unsigned takes, bool given,
                               const char *option)
{
    if (given && !(c->source->takes & takes)) argp_error(state, "%s has no use with %s", option, c->source->name);
}

static void finish(struct argp_state *state, Options *o)
{
    Conversion *c = &o->conversion;
    if (o->count != 3) argp_error(state, "expected SOURCE IN OUT");
    c->source = find_source(state, o->arguments[0]);
    c->in = o->arguments[1];
    c->out = o->arguments[2];
    refuse_without_use(state, c, CONVERT_BOUNDARY_WIDTH, c->boundary_width, "--boundary-width");
    refuse_without_use(state, c, CONVERT_SHRINK, c->shrink, "--shrink");
    if (!c->boundary_width) c->boundary_width = BOUNDARY_WIDTH;
    if (!c->shrink) c->shrink = SHRINK;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case KEY_BOUNDARY_WIDTH:
        o->conversion.boundary_width = (int)option_integer(state, "--boundary-width", text, 1, BOUNDARY_WIDEST);
        return 0;
    case KEY_SHRINK: o->conversion.shrink = (int)option_integer(state, "--shrink", text, 1, SHRINK_MOST); return 0;
    case ARGP_KEY_ARG:
        if (o->count == 3) argp_error(state, "too many arguments: expected SOURCE IN OUT");
        o->arguments[o->count++] = text;
        return 0;
    case ARGP_KEY_END: finish(state, o); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"boundary-width", KEY_BOUNDARY_WIDTH, "N", 0,
     "neurips-cell, instances: width of boundaries (default: 2)\vAn object's boundary is N pixels wide inside it, and N-1 "
     "outside",
     0},
    {"shrink", KEY_SHRINK, "N", 0,
     "endovis17: frames become 1/N as large (default: 3)\vIn height and width; 1: as they are", 0},
    {0},
};

/* Of nnUNetv2_convert_MSD_dataset. */
static const Habit habits[] = {
    SAME("-i", VALUE, ""),
    SAME("-np", VALUE, "-j"),
    ANSWERED("-overwrite_id", VALUE, "number and name are those of the folder OUT: call it Dataset005_Prostate or so"),
    {0},
};

static const Program program = {
    .summary = "make a raw dataset folder of a public dataset",
    .arguments = "SOURCE IN OUT",
    .about =
        "Makes a raw dataset folder OUT in nnU-Net's format of a public dataset, IN, as it is downloaded and unpacked.",
    .examples = "amos-mri amos22 Dataset702_AbdomenMR\tThe MRI of AMOS",
    .notes = "Sources:\n{sources}",
    .more =
        "Sources:\n{sources}\nOUT exists only if everything was converted. docs/reproduce.md has the downloads, and what follows.",
    .see = "plan_and_preprocess",
    .options = options,
    .parse = parse,
    .habits = habits,
    .expand = expand};

static void tell(const Conversion *c, bool quiet)
{
    int length;
    for (int i = 0; i < c->faults.count; i++) {
        const Fault *f = &c->faults.faults[i];
        if (f->severity == FAULT_ERROR) program_error("%s", f->text);
        else program_warn("%s", f->text);
    }
    for (const char *line = c->told.data, *next; !quiet && line && *line; line = next) {
        next = text_next_line(line, &length);
        program_say("%.*s", length, line);
    }
}

/* The command that follows, as it can be typed. */
static void tell_next(const Conversion *c)
{
    Text command = {0};
    text_add_argument(&command, "%s", c->out);
    text_add(&command, " -o PREPROCESSED");
    if (c->splits.count) {
        text_add(&command, " --splits ");
        text_add_argument(&command, "%s/splits_final.json", c->out);
    }
    if (command.data) program_say("done; next: plan_and_preprocess %s", command.data);
    text_free(&command);
}

static int run(Conversion *c, bool quiet, Err *e)
{
    Progress progress;
    int code = conversion_find(c, e);
    if (!code) {
        progress_begin(&progress, "convert", c->count, quiet);
        code = conversion_write(c, &progress, e);
        progress_end(&progress);
    }
    tell(c, quiet || code);
    if (!code && !quiet) tell_next(c);
    return code;
}

int main(int argc, char **argv)
{
    Options o = {.common = {.takes = OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_JSON_LOG}};
    Err e = {0};
    program_begin("convert_dataset", true);
    program_parse(&program, &o, &o.common, argc, argv);
    program_threads(&o.common);
    o.conversion.overwrite = o.common.overwrite;
    int code = sandbox_enter(&(Sandbox){.file = o.conversion.out}, &o.common, NULL, &e);
    if (!code) code = run(&o.conversion, o.common.quiet, &e);
    conversion_free(&o.conversion);
    return program_end(code, &e, o.common.quiet);
}
