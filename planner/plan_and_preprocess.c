/* plan_and_preprocess: makes all files that training needs from a raw dataset. */
#include <stdio.h>
#include <string.h>

#include "base/crew.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/sandbox.h"
#include "planner/case_register.h"
#include "planner/contact_sheet.h"
#include "planner/fingerprint_extract.h"
#include "planner/fold_planner.h"
#include "planner/label_check.h"
#include "planner/orientations.h"
#include "planner/origins.h"
#include "planner/outputs.h"
#include "planner/plan_faults.h"
#include "planner/plan_maker.h"
#include "planner/planning_command.h"
#include "planner/planning_options.h"
#include "planner/planning_share.h"
#include "planner/preprocess_cases.h"
#include "planner/run_log.h"
#include "planner/same_images.h"
#include "plans/plan.h"

/* The state of a run. */
typedef struct PlannerRun {
    const PlanningCommand *options;
    int threads;
    const Process *world;       /* whose other processes serve; NULL: there are none */
    char name[PLAN_NAME_BYTES]; /* of the dataset: the name of its folder */
    FolderLock lock;            /* of the output folder */
    RunLog log;
    Dataset dataset;
    ReaderAxes axes; /* the order of axes in which images are read */
    Origins origins;
    MadeFrom made_from; /* of the fingerprint, and of contact sheets */
    Fingerprint fingerprint;
    PlanMaker maker;
    DatasetCases cases;
    FoldPlan folds;
    FaultList faults;
} PlannerRun;

/* ---- messages ---- */

typedef enum Kind { SAY, WARN, REPORT_ERROR } Kind;

static void print_line(Kind kind, const char *line, int length)
{
    if (kind == REPORT_ERROR) program_error("%.*s", length, line);
    else if (kind == WARN) program_warn("%.*s", length, line);
    else program_say("%.*s", length, line);
}

/* Writes every line of a text to the terminal and to the log; with --quiet only warnings and errors to the terminal. */
static void tell_text(PlannerRun *r, Kind kind, const char *text)
{
    static const char *const names[] = {"", "warning: ", "error: "};
    run_log_add(&r->log, names[kind], text);
    if (kind == SAY && r->options->common.quiet) return;
    int length;
    for (const char *line = text, *next; *line; line = next) {
        next = text_next_line(line, &length);
        print_line(kind, line, length);
    }
}

static void tell_lines(PlannerRun *r, Kind kind, const Text *text)
{
    if (text->length) tell_text(r, kind, text->data);
}

static void tell(PlannerRun *r, Kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void tell(PlannerRun *r, Kind kind, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_add_args(&text, format, args);
    va_end(args);
    tell_lines(r, kind, &text);
    text_free(&text);
}

/* ---- the steps ---- */

/* Prints the faults found so far; fails if one is an error. */
static int report_faults(PlannerRun *r, Err *e)
{
    const int errors = r->faults.errors;
    const int code = faults_expect_memory(&r->faults, e);
    for (int i = 0; i < r->faults.count; i++) {
        const Fault *fault = &r->faults.faults[i];
        tell_text(r, fault->severity == FAULT_ERROR ? REPORT_ERROR : WARN, fault->text);
    }
    faults_free(&r->faults);
    if (!errors || code) return code;
    return err_set(e, ERR_VALUE, "%s: %d error%s in the dataset: correct the dataset and start again",
                   r->options->dataset, errors, errors == 1 ? "" : "s");
}

/* Warnings from number `first` on. */
static int list_warnings(NameList *warnings, const FaultList *faults, int first, Err *e)
{
    for (int i = first; i < faults->count; i++)
        if (faults->faults[i].severity == FAULT_WARNING) TRY(names_add(warnings, faults->faults[i].text, e));
    return 0;
}

static int make_fingerprint(PlannerRun *r, NameList *warnings, Err *e)
{
    Progress progress;
    const int before = r->faults.count;
    progress_begin(&progress, "fingerprint", r->dataset.training.count, r->options->common.quiet);
    const int code =
        fingerprint_extract(&r->fingerprint, &r->dataset, r->axes, r->threads, r->world, &progress, &r->faults, e);
    progress_end(&progress);
    if (code) return code;
    TRY(list_warnings(warnings, &r->faults, before, e));
    TRY(report_faults(r, e));
    TRY(file_make_folders(r->options->common.output, e));
    return output_fingerprint(&r->fingerprint, warnings, &r->made_from, r->options->common.output, e);
}

static int read_origins(PlannerRun *r, Err *e)
{
    Progress progress;
    progress_begin(&progress, "compare files", r->dataset.training.count, r->options->common.quiet);
    const int code = origins_read(&r->origins, &r->dataset, r->threads, r->world, &progress, e);
    progress_end(&progress);
    return code;
}

static int take_or_make_fingerprint(PlannerRun *r, Err *e)
{
    const PlanningCommand *o = r->options;
    NameList then = {0}, now = {0};
    bool found = false;
    int code = 0;
    if (!o->common.overwrite &&
        !r->faults.errors) /* after an error all cases are read, so that one run reports all faults */
        code = output_fingerprint_reuse(&r->fingerprint, &then, &found, &r->made_from, o->common.output, e);
    for (int i = 0; found && i < then.count; i++) fault_add(&r->faults, FAULT_WARNING, "%s", then.names[i]);
    if (!code) code = found ? report_faults(r, e) : make_fingerprint(r, &now, e);
    names_free(&then);
    names_free(&now);
    return code;
}

/* Creates and locks the output folder, and checks that it can be written. */
static int take_folder(PlannerRun *r, Err *e)
{
    const char *folder = r->options->common.output;
    TRY(file_make_folders(folder, e));
    const int code = folder_lock(&r->lock, folder, e);
    if (code != ERR_VALUE) return code;
    return err_set(e, ERR_VALUE,
                   "%s is in use by another plan_and_preprocess, which writes it, or by train, which reads it: "
                   "wait, or give another folder",
                   folder);
}

/* Lists the cases and chooses the folds, before anything is computed. */
static int plan_folds(PlannerRun *r, Err *e)
{
    const PlanningCommand *o = r->options;
    FoldRequest request = o->folds;
    request.overwrite = o->common.overwrite;
    TRY(case_register_make(&r->cases, &r->dataset, o->common.output, e));
    TRY(fold_plan_make(&r->folds, &request, &r->cases, o->dataset, o->common.output, e));
    tell_lines(r, SAY, &r->folds.told);
    tell_lines(r, WARN, &r->folds.warnings);
    return 0;
}

/* Reads and checks all cases and computes the fingerprint; reuses an earlier one if the files have not changed. */
static int check_and_measure(PlannerRun *r, Err *e)
{
    const PlanningCommand *o = r->options;
    const double gpu_gb = (double)o->gpu.memory / (1 << 30);
    const PlanRequest request = {.dataset_name = r->name,
                                 .preprocessed = o->common.output,
                                 .network = o->network,
                                 .planner = o->planner,
                                 .override = o->override,
                                 .plans = o->plans,
                                 .memory_gb = o->gpu.device ? gpu_gb : o->memory_gb,
                                 .recipe = o->recipe,
                                 .minutes = o->minutes,
                                 .threads = r->threads,
                                 .overwrite = o->common.overwrite,
                                 .gpu = o->gpu.device ? &o->gpu : NULL,
                                 .precision = o->common.precision};
    TRY(dataset_open(&r->dataset, o->dataset, &r->faults, e));
    if (!r->dataset.training.count) TRY(report_faults(r, e));
    case_register_check(&r->faults, &r->dataset);
    TRY(output_refuse_raw(o->dataset, o->common.output, e));
    if (!o->common.overwrite) TRY(output_refuse_other(r->name, o->common.output, e));
    TRY(take_folder(r, e));
    TRY(plan_maker_open(&r->maker, &request, e));
    if (!r->faults.errors) TRY(plan_folds(r, e));
    TRY(plan_maker_axes(&r->maker, &r->axes, &r->dataset.info, e));
    TRY(read_origins(r, e));
    TRY(same_images_check(&r->faults, &r->origins, &r->dataset, e));
    origins_of_fingerprint(&r->made_from, &r->origins, &r->dataset, r->axes);
    return take_or_make_fingerprint(r, e);
}

static int draw_sheets(PlannerRun *r, const char *folder, Err *e)
{
    Progress progress;
    progress_begin(&progress, "contact sheets", r->dataset.training.count, r->options->common.quiet);
    const int code = contact_sheets(&r->dataset, &r->made_from, folder, r->threads, &progress, e);
    progress_end(&progress);
    if (!code) tell(r, SAY, "no error was found in the dataset; its pictures are in %s", folder);
    return code;
}

/* Draws contact sheets if --verify is given, or if existing ones show another state of the dataset. */
static int keep_sheets(PlannerRun *r, Err *e)
{
    bool stale = false;
    char *folder = path_format(e, "%s/verify", r->options->common.output);
    int code = folder ? contact_sheets_stale(&stale, &r->made_from, folder, e) : ERR_NOMEM;
    if (!code && stale)
        tell(r, SAY, "%s: these contact sheets show an earlier state of the dataset and are drawn again", folder);
    if (!code && (stale || r->options->verify)) code = draw_sheets(r, folder, e);
    mem_free(folder);
    return code;
}

static int warn_of_mixed_orientations(PlannerRun *r, Err *e)
{
    Text mixed = {0};
    orientations_add_mixed(&mixed, &r->fingerprint, &r->dataset, r->axes);
    const int code = text_check(&mixed, e);
    if (!code && mixed.length)
        tell(r, WARN, "the images have different orientations, also as input of the network: %s", mixed.data);
    text_free(&mixed);
    return code;
}

static int plan_dataset(PlannerRun *r, Err *e)
{
    const PlanningCommand *o = r->options;
    PlanMaker *m = &r->maker;
    if (o->minutes > 0)
        tell(r, SAY, "choosing how to train in %g minutes: training steps are timed, unless an earlier run timed them",
             o->minutes);
    TRY(plan_maker_make(m, &r->dataset, &r->fingerprint, e));
    TRY(warn_of_mixed_orientations(r, e));
    tell_lines(r, WARN, &m->warnings);
    plan_faults_statistics(&r->faults, &m->plan, &r->dataset.info);
    TRY(plan_faults_spacing(&r->faults, &m->plan, &r->fingerprint, &r->dataset, e));
    TRY(report_faults(r, e));
    if (o->explain && m->explained.length) program_print(m->explained.data);
    if (m->unused.length) tell(r, SAY, "keys of the plan that are not used:\n%s", m->unused.data);
    tell_lines(r, SAY, &m->told);
    const PlanConfiguration *c = &m->plan.configuration;
    tell(r, SAY, "plan: %s, patch %dx%d, batch %d, %g x %g mm", m->plan.network.name, c->patch_size[0],
         c->patch_size[1], c->batch_size, c->spacing_mm[0], c->spacing_mm[1]);
    if (*m->plan.training.reasons) tell(r, SAY, "training: %s", m->plan.training.reasons);
    return 0;
}

static int write_outputs(PlannerRun *r, Err *e)
{
    const char *folder = r->options->common.output;
    int code = plan_maker_write(&r->maker, e);
    if (!code) code = output_dataset_json(&r->dataset, folder, e);
    if (!code) code = output_references(&r->dataset, folder, e);
    return code ? code : fold_plan_write(&r->folds, folder, e);
}

static int check_labels(PlannerRun *r, Err *e)
{
    Text warnings = {0};
    char *folder = path_format(e, "%s/2d", r->options->common.output);
    const int code =
        folder ? label_check(&warnings, &r->dataset.info, &r->cases.present, &r->folds.splits, folder, e) : ERR_NOMEM;
    tell_lines(r, WARN, &warnings);
    text_free(&warnings);
    mem_free(folder);
    return code;
}

/* Writes the list of cases once all are preprocessed, and removes files of cases that are not in it. */
static int list_cases(PlannerRun *r, Err *e)
{
    const char *folder = r->options->common.output;
    NameList gone;
    Text told = {0};
    TRY(planning_options(&r->cases.options, &r->maker.request, r->options->memory_options.data, e));
    TRY(dataset_cases_write(&r->cases, folder, e));
    int code = case_register_clean(&gone, &r->cases, folder, e);
    if (!code && gone.count) {
        names_tell(&told, &gone);
        tell(r, SAY, "removed from %s, because they are no longer in the dataset: %s", folder,
             told.data ? told.data : "");
    }
    text_free(&told);
    names_free(&gone);
    return code;
}

static int preprocess_dataset(PlannerRun *r, Err *e)
{
    const PlanningCommand *o = r->options;
    Progress progress;
    char *folder = path_format(e, "%s/2d", o->common.output);
    int code = folder ? file_make_folders(folder, e) : ERR_NOMEM;
    if (!code) {
        PreprocessRun run = {&r->dataset, &r->origins, &r->maker.plan, folder, o->common.overwrite, 0};
        progress_begin(&progress, "preprocess", r->dataset.training.count, o->common.quiet);
        code = preprocess_cases(&run, r->threads, r->world, &progress, &r->faults, e);
        progress_end(&progress);
        if (!code && run.skipped) tell(r, SAY, "%d cases were up to date", run.skipped);
    }
    mem_free(folder);
    if (code) return code;
    const int errors = r->faults.errors;
    if (errors) return report_faults(r, e);
    faults_free(&r->faults); /* warnings, which were printed when the cases were read first */
    return 0;
}

/* The name of the dataset's folder, also if it is given as "." or "..". */
static int dataset_name(char name[PLAN_NAME_BYTES], const char *folder, Err *e)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    char *path = path_format(e, "%.*s", (int)length, folder);
    const char *base = path ? path_base(path) : "";
    if (*base == '.' && !base[strspn(base, ".")]) {
        mem_free(path);
        path = path_absolute(folder, e);
    }
    if (!path) return e->code;
    snprintf(name, PLAN_NAME_BYTES, "%s", path_base(path));
    mem_free(path);
    return 0;
}

static int run(PlannerRun *r, Err *e)
{
    TRY(dataset_name(r->name, r->options->dataset, e));
    TRY(check_and_measure(r, e));
    TRY(keep_sheets(r, e));
    TRY(plan_dataset(r, e));
    TRY(write_outputs(r, e));
    TRY(preprocess_dataset(r, e));
    TRY(check_labels(r, e));
    return list_cases(r, e);
}

/* Writes the log, if this run has locked the output folder. */
static int close_log(PlannerRun *r, int code, Err *e)
{
    Err unwritten = {0};
    if (code) run_log_add(&r->log, "error: ", e->text);
    const int logged = r->lock.fd >= 0 ? run_log_append(&r->log, r->options->common.output, &unwritten) : 0;
    run_log_free(&r->log);
    if (logged && !code) *e = unwritten;
    return code ? code : logged;
}

/* In rank 0, or alone. */
static int plan(PlannerRun *r, PlanningCommand *options, Err *e)
{
    int code = planning_command_device(options, e);
    if (!code) code = close_log(r, run(r, e), e);
    crew_dismiss(r->world);
    return code;
}

int main(int argc, char **argv)
{
    PlanningCommand options = {0};
    program_begin("plan_and_preprocess", false);
    program_interrupt_hint("finished cases are kept: the same command continues with the others");
    planning_command_parse(&options, argc, argv);
    const Process *world;
    Err e = {0};
    int code = world_begin(&world, &options.common, argc, argv, &e);
    if (!code) code = sandbox_enter(&(Sandbox){.folders = {options.common.output}}, &options.common, world, &e);
    PlannerRun r = {.options = &options, .lock = {-1}, .threads = program_threads(&options.common), .world = world};
    if (!code && world && world->rank)
        code = planning_share_serve(world, options.dataset, options.common.output, r.threads, &e);
    else if (!code) code = plan(&r, &options, &e);
    faults_free(&r.faults);
    fold_plan_free(&r.folds);
    dataset_cases_free(&r.cases);
    plan_maker_close(&r.maker);
    fingerprint_free(&r.fingerprint);
    made_from_free(&r.made_from);
    origins_free(&r.origins);
    dataset_close(&r.dataset);
    folder_unlock(&r.lock);
    planning_command_free(&options);
    return world_end(world, code, &e, options.common.quiet);
}
