/* compare_networks: trains, predicts and evaluates several networks on one dataset, and compares them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/program.h"
#include "bench/comparison.h"
#include "bench/comparison_data.h"
#include "bench/comparison_table.h"
#include "inference/folds.h"
#include "plans/plan_help.h"
#include "plans/splits.h"

typedef struct Options {
    CommonOptions common;
    ComparisonSettings settings;
    const NetworkKind *networks[COMPARISON_MOST];
    int network_count;
    const char *reference; /* name of a row; NULL: the first */
    char fold[FOLD_NAME_BYTES];
} Options;

enum {
    KEY_CPU_MINUTES = 0x100,
    KEY_EPOCHS,
    KEY_FOLD,
    KEY_TEST,
    KEY_PRETRAINED,
    KEY_REFERENCE,
    KEY_OVERRIDE,
    KEY_SPLITS
};

static const struct argp_option option_list[] = {
    {"cpu-minutes", KEY_CPU_MINUTES, "N", 0, "Train each network for about this CPU time\v of all threads together", 0},
    {"epochs", KEY_EPOCHS, "N", 0, "Train each network for so many epochs instead", 0},
    {"reference", KEY_REFERENCE, "ROW", 0,
     "The row that the others are tested against\v: NETWORK or NETWORK+pretrained (default: the first)", 0},
    {"pretrained", KEY_PRETRAINED, "FILE", 0,
     "Also train from these weights: more rows\v, one for each network that has an encoder for them", 0},
    {"fold", KEY_FOLD, "FOLD", 0, "Fold to train (default: 0)", 0},
    {"test", KEY_TEST, NULL, 0,
     "Predict imagesTs and compare with labelsTs\v of the dataset (default: the validation cases of the fold)", 0},
    {"override", KEY_OVERRIDE, "[NETWORK=]PLAN.yaml", 0,
     "Plan keys\v that replace the planned ones, for all networks or for one, which then takes no other; may be repeated",
     0},
    {"splits", KEY_SPLITS, "FILE", 0, "Use these folds, as plan_and_preprocess does", 0},
    {0},
};

/* ---- options ---- */

/* The place in the table of networks; ends the program if there is no such network. */
static int network_index(struct argp_state *state, const char *name)
{
    Err unknown = {0};
    for (int i = 0; network_kinds()[i]; i++)
        if (!strcmp(network_kinds()[i]->name, name)) return i;
    network_unknown(name, &unknown);
    argp_error(state, "%s", unknown.text);
    return 0;
}

static bool is_compared(const Options *o, const NetworkKind *kind)
{
    for (int i = 0; i < o->network_count; i++)
        if (o->networks[i] == kind) return true;
    return false;
}

static void take_network(Options *o, const char *name, struct argp_state *state)
{
    const NetworkKind *kind = network_kinds()[network_index(state, name)];
    if (is_compared(o, kind)) argp_error(state, "the network %s is given twice", name);
    o->networks[o->network_count++] = kind;
}

static void take_override(Options *o, char *text, struct argp_state *state)
{
    char *equals = strchr(text, '=');
    const char *slash = strchr(text, '/');
    ComparisonSettings *s = &o->settings;
    if (!equals || (slash && slash < equals)) { /* "./a=b.yaml" is a path */
        option_once(state, "--override", text, &s->override);
        return;
    }
    *equals = '\0';
    option_once(state, "--override of one network", equals + 1, &s->override_of[network_index(state, text)]);
}

static void take_fold(Options *o, const char *text, struct argp_state *state)
{
    const bool all = !strcmp(text, "all");
    o->settings.fold =
        fold_name(o->fold, all ? SPLITS_FOLD_ALL : (int)option_integer(state, "--fold", text, 0, SPLITS_FOLD_MOST));
}

static void check_overrides(const Options *o, struct argp_state *state)
{
    const char *const *override_of = o->settings.override_of;
    for (int i = 0; network_kinds()[i]; i++)
        if (override_of[i] && !is_compared(o, network_kinds()[i]))
            argp_error(state, "--override %s=%s has no effect: the network is not compared", network_kinds()[i]->name,
                       override_of[i]);
}

static void check_options(Options *o, struct argp_state *state)
{
    const ComparisonSettings *s = &o->settings;
    bool has_encoder = false;
    if (!s->dataset) argp_error(state, "DATASET, the folder of the raw dataset, is missing");
    if (!o->network_count)
        for (int i = 0; network_kinds()[i]; i++) o->networks[o->network_count++] = network_kinds()[i];
    check_overrides(o, state);
    if (!s->cpu_minutes == !s->epochs) argp_error(state, "give either --cpu-minutes or --epochs");
    if (!strcmp(s->fold, "all") && !s->of_test)
        argp_error(state, "--fold all has no validation cases of its own: give --test");
    for (int i = 0; i < o->network_count; i++) has_encoder |= o->networks[i]->encoder.prefix != NULL;
    if (s->pretrained && !has_encoder)
        argp_error(state, "--pretrained has no effect: none of the networks has an encoder for it");
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    ComparisonSettings *s = &o->settings;
    switch (key) {
    case KEY_CPU_MINUTES: s->cpu_minutes = option_number(state, "--cpu-minutes", text, 0.01, 1e6); return 0;
    case KEY_EPOCHS: s->epochs = (int)option_integer(state, "--epochs", text, 1, 1000000); return 0;
    case KEY_FOLD: take_fold(o, text, state); return 0;
    case KEY_TEST: s->of_test = true; return 0;
    case KEY_PRETRAINED: option_once(state, "--pretrained", text, &s->pretrained); return 0;
    case KEY_REFERENCE: option_once(state, "--reference", text, &o->reference); return 0;
    case KEY_OVERRIDE: take_override(o, text, state); return 0;
    case KEY_SPLITS: option_once(state, "--splits", text, &s->splits); return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num) take_network(o, text, state);
        else s->dataset = text;
        return 0;
    case ARGP_KEY_END: check_options(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- rows ---- */

typedef struct Rows {
    ComparisonRow list[COMPARISON_MOST];
    int count, reference;
} Rows;

static void free_rows(Rows *rows)
{
    for (int i = 0; i < rows->count; i++) comparison_row_free(&rows->list[i]);
}

static int add_row(Rows *rows, const Options *o, const NetworkKind *kind, bool pretrained, Err *e)
{
    if (rows->count == COMPARISON_MOST) return err_set(e, ERR_VALUE, "more than %d rows", COMPARISON_MOST);
    return comparison_row_new(&rows->list[rows->count++], &o->settings, kind, pretrained, e);
}

static int find_reference(Rows *rows, const Options *o, Err *e)
{
    for (int i = 0; i < rows->count && o->reference; i++) {
        rows->reference = i;
        if (!strcmp(comparison_row_name(&rows->list[i]), o->reference)) return 0;
    }
    rows->reference = 0;
    return o->reference ? err_set(e, ERR_VALUE, "--reference %s: there is no such row", o->reference) : 0;
}

static int make_rows(Rows *rows, const Options *o, Err *e)
{
    for (int i = 0; i < o->network_count; i++) {
        TRY(add_row(rows, o, o->networks[i], false, e));
        if (o->settings.pretrained && o->networks[i]->encoder.prefix) TRY(add_row(rows, o, o->networks[i], true, e));
    }
    return find_reference(rows, o, e);
}

/* ---- the run ---- */

static void tell(const ComparisonRow *row, const char *program, const char *command)
{
    (void)program;
    program_say("%s: %s", comparison_row_name(row), command);
}

static int check_test_set(const ComparisonSettings *s, Err *e)
{
    static const char *const parts[] = {"imagesTs", "labelsTs"};
    int code = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !code; i++) {
        char *folder = path_format(e, "%s/%s", s->dataset, parts[i]);
        bool is_folder;
        code = file_is_folder(folder, &is_folder, e);
        if (!code && !is_folder)
            code =
                err_set(e, ERR_VALUE, "%s is no folder: --test needs imagesTs, and labelsTs to evaluate with", folder);
        mem_free(folder);
    }
    return code;
}

static int check_dataset(const ComparisonSettings *s, Err *e)
{
    bool there;
    char *path = path_format(e, "%s/dataset.json", s->dataset);
    int code = file_is_there(path, &there, e);
    if (!code && !there) {
        code = err_set(e, ERR_VALUE, "%s does not exist: expected the folder of a raw dataset", path);
        path_hint(e, path);
    }
    mem_free(path);
    return !code && s->of_test ? check_test_set(s, e) : code;
}

/* All programs that are started inherit the lock: so a comparison that was killed is not run twice at a time. */
static int lock_output(FolderLock *lock, const char *folder, Err *e)
{
    TRY(file_make_folders(folder, e));
    const int code = folder_lock(lock, folder, e);
    if (code == ERR_VALUE)
        return err_set(
            e, code, "%s is in use by another compare_networks, or by a program that it started: wait for it", folder);
    if (!code) fcntl(lock->fd, F_SETFD, 0);
    return code;
}

static int judge(const Rows *rows, const ComparisonSettings *s, Err *e)
{
    int failed = 0;
    for (int i = 0; i < rows->count; i++) {
        const ComparisonRow *row = &rows->list[i];
        if (!row->failed) continue;
        failed++;
        program_error("%s: %s failed: %s", comparison_row_name(row), row->failed, row->command.data);
    }
    if (!failed) return 0;
    return err_set(e, ERR_VALUE, "%d of %d rows failed (above); %s tries them again", failed, rows->count,
                   comparison_again(s));
}

/* "Dataset004_Hippocampus, fold 0, fp32, 10 CPU minutes of training each" */
static void add_caption(Text *out, const ComparisonSettings *s, const char *dataset)
{
    text_add(out, "%s, fold %s%s, %s, ", path_base(dataset), s->fold, s->of_test ? ", test set" : "", s->precision);
    if (s->epochs) text_add(out, "%d epochs of training each", s->epochs);
    else text_add(out, "%g CPU minutes of training each", s->cpu_minutes);
}

static void warn_of_reference(const Rows *rows, const ComparisonTable *t)
{
    if (rows->list[rows->reference].failed)
        program_warn("the reference %s failed: the table's tests are against %s",
                     comparison_row_name(&rows->list[rows->reference]), t->comparison.names[t->comparison.reference]);
}

static int print_table(const ComparisonTable *t, Err *e)
{
    Text table = {0};
    comparison_table_markdown(t, &table);
    const int code = text_check(&table, e);
    if (!code) program_print(table.data);
    text_free(&table);
    return code;
}

static int make_table(const Rows *rows, const Options *o, Err *e)
{
    ComparisonTable t;
    Text caption = {0};
    char *dataset = path_absolute(o->settings.dataset, e);
    if (!dataset) return e->code;
    TRY(comparison_table_make(&t, rows->list, rows->count, rows->reference, o->settings.fold, e));
    add_caption(&caption, &o->settings, dataset);
    int code = text_check(&caption, e);
    t.caption = caption.data;
    if (!code) code = comparison_table_write(&t, o->settings.output, e);
    if (!code) code = print_table(&t, e);
    if (!code) warn_of_reference(rows, &t);
    if (!code) program_warn_lines(t.comparison.notes.data);
    if (!code && !o->common.quiet) program_say("the table is in %s/comparison.md, .tex and .html", o->settings.output);
    comparison_table_free(&t);
    text_free(&caption);
    mem_free(dataset);
    return code;
}

static int run_rows(Rows *rows, const Options *o, Err *e)
{
    int finished = 0;
    for (int i = 0; i < rows->count; i++) TRY(comparison_check_row(&rows->list[i], &o->settings, e));
    for (int i = 0; i < rows->count && o->settings.overwrite; i++) TRY(comparison_put_aside(&rows->list[i], e));
    for (int i = 0; i < rows->count; i++) {
        ComparisonRow *row = &rows->list[i];
        TRY(comparison_run_row(row, &o->settings, tell, e));
        if (row->failed) program_error("%s: %s failed; the others go on", comparison_row_name(row), row->failed);
        finished += !row->failed;
    }
    if (finished) TRY(make_table(rows, o, e));
    return judge(rows, &o->settings, e);
}

static int run(Options *o, Err *e)
{
    Rows rows = {0};
    FolderLock lock = {-1};
    ComparisonSettings *s = &o->settings;
    program_interrupted(); /* from here on signals are passed on to the program that runs */
    TRY(check_dataset(s, e));
    int code = make_rows(&rows, o, e);
    if (!code) code = lock_output(&lock, s->output, e);
    if (!code) code = comparison_data_read(&s->data, s->dataset, s->of_test, s->threads, s->quiet, e);
    if (!code) code = run_rows(&rows, o, e);
    made_from_free(&s->data);
    folder_unlock(&lock);
    free_rows(&rows);
    return code;
}

static const Program program = {
    .summary = "train and compare networks on a dataset",
    .arguments = "DATASET [NETWORK]...",
    .about =
        "Trains, predicts and evaluates networks on a dataset with about equal CPU time or equal epochs, and writes a table: "
        "comparison.md, .tex and .html in the folder given by -o. Each network keeps its authors' training. An interrupted or killed "
        "comparison continues with the same command, without --overwrite.",
    .examples = "Dataset042_Liver -o comparison --cpu-minutes 60\tAll networks, an hour each",
    .notes = "Networks (default: all): {NETWORK}.",
    .see = "plan_and_preprocess train predict evaluate",
    .options = option_list,
    .parse = parse_option,
    .expand = plan_help};

int main(int argc, char **argv)
{
    Options o = {.settings = {.fold = "0", .interrupted = program_interrupted},
                 .common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_OVERWRITE | OPT_PRECISION | OPT_JSON_LOG};
    Err e = {0};
    program_begin("compare_networks", true);
    program_interrupt_hint("what is done is kept: the same command, without --overwrite, continues");
    program_parse(&program, &o, &o.common, argc, argv);
    setenv("OMP_WAIT_POLICY", "passive",
           0); /* for the programs: threads that spin would use CPU time of the networks */
    o.settings.output = o.common.output;
    o.settings.precision = o.common.precision;
    o.settings.threads = program_threads(&o.common);
    o.settings.overwrite = o.common.overwrite;
    o.settings.quiet = o.common.quiet;
    const int code = run(&o, &e);
    return program_end(code, &e, o.common.quiet);
}
