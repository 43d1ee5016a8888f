/* ensemble: makes label images from the mean of the probabilities that several predictions saved. */
#include <stdio.h>

#include "base/file.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "inference/average_job.h"
#include "inference/configuration.h"

typedef struct Options {
    CommonOptions common;
    AverageJob job;
    const char *postprocessing;
} Options;

static const struct argp_option option_list[] = {
    {"dataset", 'd', "FILE", 0, "dataset.json (default: that of the first FOLDER)", 0},
    {"postprocessing", 'p', "FILE", 0, "Apply the post-processing of this inference.yaml", 0},
    {0},
};

/* Of nnUNetv2_ensemble. */
static const Habit habits[] = {
    SAME("-i", WORDS, ""),
    SAME("-np", VALUE, "-j"),
    ANSWERED("--save_npz", FLAG, "the mean probabilities are not written, only the labels: leave it out"),
    {0},
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'd': option_once(state, "-d", text, &o->job.dataset); return 0;
    case 'p': option_once(state, "-p", text, &o->postprocessing); return 0;
    case ARGP_KEY_ARG:
        if (o->job.folder_count == AVERAGE_MEMBERS) argp_error(state, "more than %d folders", AVERAGE_MEMBERS);
        o->job.folders[o->job.folder_count++] = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->job.folder_count)
            argp_error(state, "no FOLDER was given: expected folders that predict --save-probabilities wrote");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void report(void *context, const char *id, const Err *fault)
{
    (void)context;
    program_error("case %s: %s", id, fault->text);
}

/* A folder given twice has a double weight in the mean, which is mostly a mistake. */
static int warn_of_repeated(const AverageJob *job, Err *e)
{
    for (int i = 1; i < job->folder_count; i++)
        for (int k = 0; k < i; k++) {
            bool same;
            TRY(file_is_same(job->folders[i], job->folders[k], &same, e));
            if (same) program_warn("%s is given twice and has a double weight in the mean", job->folders[i]);
        }
    return 0;
}

static int run(Options *o, Err *e)
{
    Configuration c = {0};
    if (o->postprocessing) TRY(configuration_read(&c, o->postprocessing, e));
    o->job.output = o->common.output;
    o->job.overwrite = o->common.overwrite;
    o->job.quiet = o->common.quiet;
    o->job.report = report;
    o->job.postprocessing = &c.postprocessing;
    int code = warn_of_repeated(&o->job, e);
    if (!code) code = average_run(&o->job, e);
    if (!code && !o->job.case_count)
        code = err_set(e, ERR_VALUE, "%s: there are no probabilities; predict with --save-probabilities",
                       o->job.folders[0]);
    configuration_free(&c);
    if (o->job.kept && !o->common.quiet)
        program_say("%d of %d cases existed already and are kept (--overwrite replaces them)", o->job.kept,
                    o->job.case_count);
    return code;
}

static const Program program = {
    .summary = "average predictions of several models",
    .arguments = "FOLDER FOLDER...",
    .about =
        "Averages the probabilities that predict --save-probabilities wrote to each FOLDER and writes one label image per case to "
        "the folder given by -o.",
    .examples =
        "predictions_a predictions_b -o predictions\tThe mean of two models\n"
        "predictions_a predictions_b -o predictions -p inference.yaml\tWith the post-processing of find_best_configuration",
    .more = "The exit status is 1 if some case failed.",
    .see = "predict find_best_configuration",
    .options = option_list,
    .parse = parse_option,
    .habits = habits};

int main(int argc, char **argv)
{
    Options o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_JSON_LOG};
    Err e = {0};
    program_begin("ensemble", false);
    program_interrupt_hint("finished cases are kept: the same command continues with the others");
    program_parse(&program, &o, &o.common, argc, argv);
    int code = sandbox_enter(&(Sandbox){.folders = {o.common.output}}, &o.common, NULL, &e);
    if (!code) code = run(&o, &e);
    return program_end(code, &e, o.common.quiet);
}
