/* evaluate: compares predicted with reference segmentations, case by case. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "base/world.h"
#include "evaluation/all_cases.h"
#include "evaluation/compare.h"
#include "evaluation/outputs.h"
#include "evaluation/pairs.h"
#include "evaluation/paper_check.h"
#include "evaluation/report.h"
#include "evaluation/setup.h"
#include "evaluation/summary_files.h"
#include "evaluation/unfinished.h"

/* ---- options ---- */

enum {
    KEY_TOLERANCE = 0x2000,
    KEY_ONLY_OVERLAP,
    KEY_INSTANCES,
    KEY_INSTANCE_RULE,
    KEY_COUNT_BORDER,
    KEY_PAPER,
    KEY_COMPARE,
    KEY_IMAGES,
    KEY_NO_REPORT,
    KEY_ALLOW_MISSING
};

typedef struct Options {
    CommonOptions common;
    const char *arguments[COMPARE_MOST];
    int argument_count;
    const char *reference, *prediction; /* the first two arguments, unless --compare */
    bool compare;
    const char *dataset, *images;
    bool no_report, allow_missing;
    const char **tolerances; /* as given: "2" or "Liver=5"; owned */
    int tolerance_count;
    bool only_overlap;
    InstanceRules instances;
    bool has_rule;               /* --instance-rule was given */
    const char *instance_folder; /* NULL: looked for */
    Paper paper;
} Options;

static const struct argp_option option_table[] = {
    {"dataset", 'd', "FILE", 0,
     "dataset.json with the labels\v (default: the one in or above one of the folders, else every label of the references)",
     0},
    {"tolerance", KEY_TOLERANCE, "[LABEL=]MM", 0,
     "Tolerance of the surface Dice (default: 1 mm)\v, NSD, for all labels or for one by its name or value; may be repeated. In "
     "2D images without a spacing the default is 1 pixel",
     0},
    {"allow-missing", KEY_ALLOW_MISSING, NULL, 0,
     "References without a prediction are no error\v (exit status 0); they are named all the same", 0},
    {"only-overlap", KEY_ONLY_OVERLAP, NULL, 0, "No surface distances: nnU-Net's metrics only", 0},
    {"instances", KEY_INSTANCES, "FOLDER", OPTION_ARG_OPTIONAL,
     "Also score instances\v of three-class labels (1 interior, 2 boundary) against the instance maps in FOLDER (default: "
     "instancesTr beside labelsTr; without it the instances of the references' labels)",
     0},
    {"instance-rule", KEY_INSTANCE_RULE, "grow|components", 0,
     "How labels become instances (default: grow)\vgrow: components of the interior grown over the boundary; components: the "
     "interior alone, as in U-Mamba's evaluation",
     0},
    {"count-border", KEY_COUNT_BORDER, NULL, 0,
     "Keep instances at the border of an image\v, which touch its outer 2 pixels (default: they are left out, as in U-Mamba's "
     "evaluation)",
     0},
    {"paper", KEY_PAPER, "abdomen_mri|endoscopy", 0,
     "Also score as the paper does, into paper.csv\vThe Swin-UMamba paper; abdomen_mri has 13 organs, labels 1 to 13",
     0},
    {"images", KEY_IMAGES, "FOLDER", 0,
     "Images of the report (default: imagesTr)\vThe default is the folder beside labelsTr", 0},
    {"no-report", KEY_NO_REPORT, NULL, 0, "Do not write report.html", 0},
    {"compare", KEY_COMPARE, NULL, 0,
     "Compare evaluations with the first one\v, given as their output folders or summary.json files; -o FOLDER also writes "
     "comparison.csv",
     0},
    {0},
};

/* Of nnUNetv2_evaluate_folder and nnUNetv2_evaluate_simple. */
static const Habit habits[] = {
    SAME("-djfile", VALUE, "--dataset"),
    HOLDS("-pfile", VALUE, "not needed, since the files themselves tell how they are read"),
    SAME("-np", VALUE, "-j"),
    SAME("--chill", FLAG, "--allow-missing"),
    ANSWERED("-l", WORDS, "the labels are those of -d dataset.json, or of the references: leave it out"),
    ANSWERED("-il", VALUE, "the ignore label is named in dataset.json: give -d dataset.json"),
    {0},
};

/* Options without an effect are errors. */
static void check_effects(const Options *o, struct argp_state *state)
{
    const struct {
        bool wrong;
        const char *option, *why;
    } rules[] = {
        {o->compare && o->dataset, "--dataset", "--compare"},
        {o->compare && o->tolerance_count, "--tolerance", "--compare"},
        {o->compare && o->allow_missing, "--allow-missing", "--compare"},
        {o->compare && o->only_overlap, "--only-overlap", "--compare"},
        {o->compare && o->instances.wanted, "--instances", "--compare"},
        {o->compare && o->paper != PAPER_NONE, "--paper", "--compare"},
        {o->compare && o->images, "--images", "--compare"},
        {o->no_report && o->images, "--images", "--no-report"},
        {o->only_overlap && o->tolerance_count, "--tolerance", "--only-overlap"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].wrong) argp_error(state, "%s has no effect with %s", rules[i].option, rules[i].why);
    if (o->instances.wanted) return;
    if (o->instances.count_border) argp_error(state, "--count-border has no effect without --instances");
    if (o->has_rule) argp_error(state, "--instance-rule has no effect without --instances");
}

static void check_arguments(Options *o, struct argp_state *state)
{
    check_effects(o, state);
    if (o->compare) {
        if (o->argument_count < 2) argp_error(state, "--compare needs two evaluations or more");
        return;
    }
    if (o->argument_count != 2) argp_error(state, "GROUND_TRUTH and PREDICTIONS are needed, and no more");
    if (!*o->common.output) argp_error(state, "-o PATH is missing");
    if (path_ends_with(o->common.output, ".json"))
        argp_error(state, "-o %s: give the folder: summary.json is written into it, with other files",
                   o->common.output);
    o->reference = o->arguments[0];
    o->prediction = o->arguments[1];
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'd': option_once(state, "-d", text, &o->dataset); return 0;
    case KEY_ONLY_OVERLAP: o->only_overlap = true; return 0;
    case KEY_INSTANCES:
        o->instances.wanted = true;
        o->instance_folder = text;
        return 0;
    case KEY_INSTANCE_RULE:
        o->has_rule = true;
        o->instances.components = !strcmp(text, "components");
        return 0;
    case KEY_PAPER: o->paper = paper_by_name(text); return 0;
    case KEY_COUNT_BORDER: o->instances.count_border = true; return 0;
    case KEY_TOLERANCE: {
        const char *equals = strrchr(text, '=');
        option_number(state, "--tolerance", equals ? equals + 1 : text, 0, 1e6);
        o->tolerances[o->tolerance_count++] = text;
        return 0;
    }
    case KEY_IMAGES: option_once(state, "--images", text, &o->images); return 0;
    case KEY_NO_REPORT: o->no_report = true; return 0;
    case KEY_ALLOW_MISSING: o->allow_missing = true; return 0;
    case KEY_COMPARE: o->compare = true; return 0;
    case ARGP_KEY_ARG:
        if (o->argument_count == COMPARE_MOST) argp_error(state, "%s: at most %d arguments", text, COMPARE_MOST);
        o->arguments[o->argument_count++] = text;
        return 0;
    case ARGP_KEY_END: check_arguments(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- before the work ---- */

/* The inputs and results of an evaluation. */
typedef struct Work {
    const Options *o;
    const Process *world; /* NULL: this process is alone */
    Pairs pairs;
    Structures structures;
    char *dataset; /* the dataset.json that was found, or NULL; owned, as the next two */
    char *instances, *images;
    Summary summary;
    Text note;       /* of the summary */
    bool is_new;     /* the folder for it was not there before */
    bool is_written; /* this evaluation's summary was written */
} Work;

static const char *dataset_of(const Work *w) { return w->o->dataset ? w->o->dataset : w->dataset; }

static int choose_structures(Work *w, Err *e)
{
    DatasetInfo info = {0};
    const Options *o = w->o;
    if (!o->dataset) TRY(setup_find_dataset(&w->dataset, o->reference, o->prediction, e));
    const char *path = dataset_of(w);
    int code;
    if (path) {
        code = dataset_info_read(&info, path, e);
        if (!code) code = structures_from_dataset(&w->structures, &info, e);
        dataset_info_free(&info);
    } else {
        code = structures_from_references(&w->structures, &w->pairs, e);
    }
    if (!code && !o->common.quiet) program_say("labels: those of %s", path ? path : "the references");
    return code ? code : setup_tolerances(&w->structures, o->tolerances, o->tolerance_count, e);
}

static int choose_instances(Work *w, Err *e)
{
    const Options *o = w->o;
    if (!o->instances.wanted) return 0;
    TRY(setup_expect_instance_labels(&w->structures, dataset_of(w) ? dataset_of(w) : "the references", e));
    if (!o->instance_folder) TRY(setup_find_sibling(&w->instances, o->reference, "instances", e));
    const char *folder = o->instance_folder ? o->instance_folder : w->instances;
    const int code = folder ? pairs_add_instances(&w->pairs, folder, e) : 0;
    if (!code && !o->common.quiet)
        program_say("instances: those of %s", folder ? folder : "the references' labels, by the same rule");
    return code;
}

static int choose_images(Work *w, Err *e)
{
    const Options *o = w->o;
    if (o->no_report) return 0;
    if (!o->images) TRY(setup_find_sibling(&w->images, o->reference, "images", e));
    if (!o->images && !w->images && !o->common.quiet)
        program_say("report.html will show contours on black: no images were found (--images FOLDER)");
    return 0;
}

/* "a, b, c and 4 more" */
static void add_name(Text *names, const char *name, int index, int count)
{
    enum { SHOWN = 5 };
    if (index < SHOWN) text_add(names, "%s%s", index ? ", " : "", name);
    else if (index == SHOWN) text_add(names, " and %d more (all are in summary.yaml)", count - SHOWN);
}

static void say_missing(const Work *w)
{
    const Pairs *p = &w->pairs;
    Text names = {0};
    for (int i = 0; i < p->unpredicted_count; i++) add_name(&names, p->unpredicted[i], i, p->unpredicted_count);
    pairs_tell_alike(&names, p);
    if (p->unpredicted_count)
        (w->o->allow_missing ? program_warn
                             : program_error)("%d reference%s no prediction and %s left out of all means: %s",
                                              p->unpredicted_count, p->unpredicted_count == 1 ? " has" : "s have",
                                              p->unpredicted_count == 1 ? "is" : "are", names.data ? names.data : "");
    text_free(&names);
}

static int check_output(Work *w, Err *e)
{
    bool there;
    TRY(file_is_there(w->o->common.output, &there, e));
    w->is_new = !there;
    return outputs_check(w->o->common.output, e);
}

/* Checks everything that can be checked before a case is read. */
static int prepare(Work *w, Err *e)
{
    const Options *o = w->o;
    TRY(pairs_find(&w->pairs, o->reference, o->prediction, e));
    if (o->images) TRY(setup_expect_folder("--images", o->images, e));
    if (o->instance_folder) TRY(setup_expect_folder("--instances", o->instance_folder, e));
    if (!w->world || !w->world->rank) TRY(check_output(w, e));
    TRY(choose_structures(w, e));
    TRY(paper_expect_labels(o->paper, &w->structures, dataset_of(w), e));
    TRY(choose_instances(w, e));
    TRY(choose_images(w, e));
    say_missing(w);
    TRY(summary_new(&w->summary, &w->structures, &w->pairs, e));
    TRY(unfinished_note(&w->summary, o->prediction, e));
    w->summary.only_overlap = o->only_overlap;
    w->summary.has_instances = o->instances.wanted;
    w->summary.paper = o->paper;
    w->summary.references = o->reference;
    w->summary.predictions = o->prediction;
    w->summary.dataset = dataset_of(w);
    return 0;
}

/* ---- cases ---- */

/* The display of the cases that are over. */
typedef struct Display {
    const Work *work;
    Progress progress;
} Display;

static void show_case(void *context, int index, const Err *failed)
{
    Display *d = context;
    const char *id = d->work->pairs.items[index].id, *notes = d->work->summary.cases[index].notes.data;
    if (failed) program_error("%s", failed->text);
    else if (notes) program_warn("case %s: %s", id, notes);
    if (failed) progress_fail(&d->progress, id);
    else progress_step(&d->progress, 1, id);
}

/* Several at a time, and in all processes. */
static int evaluate_cases(Work *w, Err *e)
{
    const Options *o = w->o;
    const Rules rules = {&w->structures, o->only_overlap, o->instances, o->paper};
    const int threads = program_threads(&o->common), count = w->pairs.count;
    Display d = {.work = w};
    const AllCases all = {.world = w->world,
                          .summary = &w->summary,
                          .pairs = &w->pairs,
                          .rules = &rules,
                          .threads = threads > count ? count : threads, /* remaining threads are used within a case */
                          .over = show_case,
                          .context = &d};
    if (w->world && w->world->rank) return all_cases_serve(&all, e);
    progress_begin(&d.progress, "evaluate", count, o->common.quiet);
    const int code = all_cases_evaluate(&all, e);
    progress_end(&d.progress);
    return code;
}

/* ---- after the work ---- */

static void warn_of_absent(const Summary *s)
{
    Text names = {0};
    int named = 0;
    for (int i = 0; i < s->structures->count; i++)
        if (s->absent[i]) add_name(&names, s->structures->items[i].name, named++, s->absent_count);
    if (s->absent_count)
        program_warn("%d of %d labels %s in no case, neither in a reference nor in a prediction, and %s left out "
                     "of the means: %s",
                     s->absent_count, s->structures->count, s->absent_count == 1 ? "is" : "are",
                     s->absent_count == 1 ? "is" : "are", names.data ? names.data : "");
    text_free(&names);
}

static int note_paper(Work *w, Err *e)
{
    paper_add_note(&w->note, &w->summary);
    w->summary.note = w->note.data;
    if (w->note.length) program_warn("%s", w->note.data);
    return text_check(&w->note, e);
}

static int print_table(const Summary *s, Err *e)
{
    Text table = {0};
    summary_add_table(s, &table);
    const int code = text_check(&table, e);
    if (!code) program_print(table.data);
    text_free(&table);
    return code;
}

static int write_report(const Work *w, Err *e)
{
    const Options *o = w->o;
    char *path = path_format(e, "%s/report.html", o->common.output);
    const Report report = {&w->summary, &w->pairs, o->images ? o->images : w->images, o->reference, o->prediction};
    const int code = path ? report_write(&report, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* The exit status: bad cases, and references without a prediction unless they are allowed, are failures. */
static int judge(const Work *w, Err *e)
{
    const int failed = w->pairs.count - summary_done(&w->summary);
    const int missing = w->o->allow_missing ? 0 : w->pairs.unpredicted_count;
    Text text = {0};
    if (failed) text_add(&text, "%d of %d cases could not be evaluated (above)", failed, w->pairs.count);
    if (missing)
        text_add(&text, "%s%d of %d references ha%s no prediction (--allow-missing allows that)", failed ? "; " : "",
                 missing, missing + w->pairs.count - summary_extra(&w->summary), missing == 1 ? "s" : "ve");
    int code = text_check(&text, e);
    if (!code && text.length) code = err_set(e, ERR_VALUE, "%s", text.data);
    text_free(&text);
    return code;
}

/* All files are of one evaluation, also where two end at the same time. */
static int write_results(Work *w, Err *e)
{
    FolderLock lock;
    TRY(folder_lock_wait(&lock, w->o->common.output, LOCK_LONGEST, e));
    int code = outputs_write(&w->summary, w->o->common.output, e);
    w->is_written = !code;
    if (!code && summary_done(&w->summary)) code = print_table(&w->summary, e);
    if (!code && !w->o->no_report) code = write_report(w, e);
    folder_unlock(&lock);
    return code;
}

static int evaluate(Work *w, Err *e)
{
    Summary *s = &w->summary;
    TRY(prepare(w, e));
    TRY(evaluate_cases(w, e));
    if (w->world && w->world->rank) return 0;
    TRY(summary_means(s, w->o->common.seed, e));
    if (summary_done(s)) {
        warn_of_absent(s);
        TRY(note_paper(w, e));
    }
    TRY(write_results(w, e));
    return judge(w, e);
}

/* An evaluation that fails leaves an earlier summary in place: a warning says so. */
static void warn_of_earlier(const Work *w)
{
    bool there, is_folder;
    char *path = path_format(NULL, "%s/summary.json", w->o->common.output);
    if (path && !file_is_there(path, &there, NULL) && there && !file_is_folder(path, &is_folder, NULL) && !is_folder)
        program_warn("%s is of an earlier evaluation: this one has written none", path);
    mem_free(path);
}

static int run(const Options *o, const Process *world, Err *e)
{
    Work w = {.o = o, .world = world};
    const int code = evaluate(&w, e);
    if (world && world->rank) w.is_written = true; /* by rank 0 */
    if (code && w.is_new && !w.is_written) folder_remove_empty(o->common.output);
    else if (code && !w.is_written) warn_of_earlier(&w);
    text_free(&w.note);
    summary_free(&w.summary);
    structures_free(&w.structures);
    pairs_free(&w.pairs);
    mem_free(w.dataset);
    mem_free(w.instances);
    mem_free(w.images);
    return code;
}

static int run_compare(const Options *o, Err *e)
{
    Comparison c;
    Text table = {0};
    char *path = NULL;
    if (*o->common.output) TRY(outputs_check(o->common.output, e));
    TRY(comparison_read(&c, o->arguments, o->argument_count, e));
    program_warn_lines(c.notes.data);
    int code = comparison_add_table(&c, &table, e);
    if (!code) program_print(table.data);
    if (!code && *o->common.output) {
        path = path_format(e, "%s/comparison.csv", o->common.output);
        code = path ? comparison_write_csv(&c, path, e) : ERR_NOMEM;
    }
    mem_free(path);
    text_free(&table);
    comparison_free(&c);
    return code;
}

static const Program program = {
    .summary = "compare segmentations with references",
    .arguments = "GROUND_TRUTH PREDICTIONS\n--compare EVALUATION...",
    .about =
        "Compares the segmentations in PREDICTIONS with those of the same names in GROUND_TRUTH (two folders, or two files). Writes "
        "into OUT: summary.json, as nnU-Net does with surface distances added; summary.yaml, with 95 % intervals; per_case.csv; "
        "report.html. Prints a table.",
    .examples = "Dataset042_Liver/labelsTs predictions -o evaluation\tAll predictions of a folder\n"
                "--compare evaluation_a evaluation_b\tTwo evaluations of the same cases",
    .more = "The exit status is 1 if some case could not be evaluated or has no prediction.",
    .see = "predict train",
    .shares = true,
    .options = option_table,
    .parse = parse_option,
    .habits = habits};

int main(int argc, char **argv)
{
    Options options = {.common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_SEED | OPT_QUIET | OPT_JSON_LOG, .seed = 1}};
    options.common.output = ""; /* only required without --compare: see check_arguments */
    Err e = {0};
    program_begin("evaluate", false);
    options.tolerances = mem_alloc((size_t)argc * sizeof *options.tolerances, &e);
    if (!options.tolerances) return program_end(ERR_NOMEM, &e, false);
    program_parse(&program, &options, &options.common, argc, argv);
    const Process *world;
    int code = world_begin(&world, &options.common, argc, argv, &e);
    if (!code) code = sandbox_enter(&(Sandbox){.folders = {options.common.output}}, &options.common, world, &e);
    if (!code && !options.compare) code = run(&options, world, &e);
    else if (!code && !(world && world->rank)) code = run_compare(&options, &e);
    mem_free(options.tolerances);
    return world_end(world, code, &e, options.common.quiet);
}
