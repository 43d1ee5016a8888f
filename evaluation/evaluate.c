/* evaluate: compares predicted with reference segmentations, case by case. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/progress.h"
#include "data/image_io.h"
#include "evaluation/case.h"
#include "evaluation/compare.h"
#include "evaluation/pairs.h"
#include "evaluation/report.h"
#include "evaluation/summary_files.h"

/* ---- options ---- */

enum {
    KEY_TOLERANCE = 0x2000, KEY_ONLY_OVERLAP, KEY_INSTANCES, KEY_INSTANCE_RULE, KEY_COUNT_BORDER,
    KEY_PAPER, KEY_COMPARE, KEY_IMAGES, KEY_NO_REPORT,
    MAX_TOLERANCES = 64
};

typedef struct Options {
    CommonOptions common;
    const char *arguments[COMPARE_MOST];
    int argument_count;
    const char *reference, *prediction;       /* the first two, unless compare */
    bool compare;
    const char *dataset, *images;
    bool no_report;
    const char *tolerances[MAX_TOLERANCES];   /* as given: "2" or "Liver=5" */
    int tolerance_count;
    bool only_overlap;
    InstanceRules instances;
    const char *instance_folder;              /* NULL: looked for */
    Paper paper;
} Options;

static const struct argp_option option_table[] = {
    {"dataset", 'd', "FILE", 0,
     "dataset.json with the labels (default: the one in or above one of the folders, else every label of the "
     "references)", 0},
    {"tolerance", KEY_TOLERANCE, "[LABEL=]MM", 0,
     "Tolerance of the surface Dice NSD, for all labels or for one by its name or value; may be repeated "
     "(default: 1 mm, in 2D images 1 pixel)", 0},
    {"only-overlap", KEY_ONLY_OVERLAP, NULL, 0, "Leave the surface distances out: nnU-Net's metrics only", 0},
    {"instances", KEY_INSTANCES, "FOLDER", OPTION_ARG_OPTIONAL,
     "Also score the instances of three-class labels (1 interior, 2 boundary) against the instance maps in "
     "FOLDER (default: instancesTr beside labelsTr; without it the instances of the references' labels)", 0},
    {"instance-rule", KEY_INSTANCE_RULE, "NAME", 0,
     "How labels become instances: grow (default: components of the interior grown over the boundary) or "
     "components (as U-Mamba's evaluation)", 0},
    {"count-border", KEY_COUNT_BORDER, NULL, 0,
     "Keep instances that touch the outer 2 pixels of an image (default: leave them out, as U-Mamba)", 0},
    {"compare", KEY_COMPARE, NULL, 0,
     "Compare evaluations, given as their output folders or summary.json files, with the first; -o FOLDER "
     "also writes comparison.csv", 0},
    {"images", KEY_IMAGES, "FOLDER", 0,
     "Images to show in report.html (default: imagesTr beside labelsTr)", 0},
    {"no-report", KEY_NO_REPORT, NULL, 0, "Do not write report.html", 0},
    {"paper", KEY_PAPER, "NAME", 0,
     "Also score as the paper does, into paper.csv: abdomen_mri (13 organs, labels 1 to 13) or endoscopy", 0},
    {0},
};

static void check_arguments(Options *o, struct argp_state *state)
{
    if (o->compare) {
        if (o->argument_count < 2) argp_error(state, "--compare needs two evaluations or more");
        return;
    }
    if (o->argument_count != 2) argp_error(state, "GROUND_TRUTH and PREDICTIONS are needed, and no more");
    if (!*o->common.output) argp_error(state, "-o PATH is missing");
    o->reference = o->arguments[0];
    o->prediction = o->arguments[1];
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    switch (key) {
    case 'd': o->dataset = text; return 0;
    case KEY_ONLY_OVERLAP: o->only_overlap = true; return 0;
    case KEY_INSTANCES:
        o->instances.wanted = true;
        o->instance_folder = text;
        return 0;
    case KEY_INSTANCE_RULE:
        o->instances.components = !strcmp(text, "components");
        if (!o->instances.components && strcmp(text, "grow"))
            argp_error(state, "--instance-rule %s: expected grow or components", text);
        return 0;
    case KEY_PAPER:
        o->paper = paper_by_name(text);
        if (o->paper == PAPER_NONE) argp_error(state, "--paper %s: expected abdomen_mri or endoscopy", text);
        return 0;
    case KEY_COUNT_BORDER: o->instances.count_border = true; return 0;
    case KEY_TOLERANCE: {
        const char *equals = strrchr(text, '=');
        option_number(state, "--tolerance", equals ? equals + 1 : text, 0, 1e6);
        if (o->tolerance_count == MAX_TOLERANCES)
            argp_error(state, "--tolerance: at most %d times", MAX_TOLERANCES);
        o->tolerances[o->tolerance_count++] = text;
        return 0;
    }
    case KEY_IMAGES: o->images = text; return 0;
    case KEY_NO_REPORT: o->no_report = true; return 0;
    case KEY_COMPARE: o->compare = true; return 0;
    case ARGP_KEY_ARG:
        if (o->argument_count == COMPARE_MOST)
            argp_error(state, "%s: at most %d arguments", text, COMPARE_MOST);
        o->arguments[o->argument_count++] = text;
        return 0;
    case ARGP_KEY_END: check_arguments(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- labels and tolerances ---- */

/* The first dataset.json in or above the folders; NULL without one. Owned by the caller. */
static int find_dataset(char **found, const Options *o, Err *e)
{
    const char *const images[] = {o->prediction, o->reference};
    *found = NULL;
    for (int i = 0; i < 4; i++) {
        const char *at = images[i % 2];
        const int folder = file_is_folder(at) ? (int)strlen(at) : (int)(path_base(at) - at);
        char *path =
            path_format(e, "%.*s%s%sdataset.json", folder, at, folder ? "/" : "", i < 2 ? "" : "../");
        if (!path) return ERR_NOMEM;
        if (file_exists(path)) {
            *found = path;
            return 0;
        }
        mem_free(path);
    }
    return 0;
}

static int choose_structures(Structures *s, const Options *o, const Pairs *pairs, Err *e)
{
    char *found = NULL;
    DatasetInfo info = {0};
    if (!o->dataset) TRY(find_dataset(&found, o, e));
    const char *path = o->dataset ? o->dataset : found;
    int code;
    if (path) {
        code = dataset_info_read(&info, path, e);
        if (!code) code = structures_from_dataset(s, &info, e);
        dataset_info_free(&info);
    } else {
        code = structures_from_references(s, pairs, e);
    }
    if (!code && !o->common.quiet) program_say("labels: those of %s", path ? path : "the references");
    mem_free(found);
    return code;
}

/* Sets the tolerance of every structure that an option names; later options win. */
static int choose_tolerances(Structures *s, const Options *o, Err *e)
{
    for (int k = 0; k < o->tolerance_count; k++) {
        const char *text = o->tolerances[k], *equals = strrchr(text, '=');
        const size_t length = equals ? (size_t)(equals - text) : 0;
        bool used = !equals;
        for (int i = 0; i < s->count; i++) {
            const char *const names[] = {s->items[i].name, s->items[i].key};
            for (int n = 0; n < 2; n++) {
                if (equals && (strlen(names[n]) != length || memcmp(names[n], text, length))) continue;
                s->items[i].tolerance_mm = strtod(equals ? equals + 1 : text, NULL);
                used = true;
            }
        }
        if (!used) return err_set(e, ERR_VALUE, "--tolerance %s: there is no label of this name", text);
    }
    return 0;
}

/* labelsTr has its images in imagesTr beside it, its instance maps in instancesTr: the path with that word
 * if it is a folder, else NULL. */
static int find_sibling(char **found, const char *labels, const char *word, Err *e)
{
    static const char prefix[] = "labels";
    int end = (int)strlen(labels), base;
    *found = NULL;
    while (end > 1 && labels[end - 1] == '/') end--;
    for (base = end; base > 0 && labels[base - 1] != '/'; base--) continue;
    const int suffix = base + (int)strlen(prefix);
    if (suffix > end || memcmp(labels + base, prefix, strlen(prefix))) return 0;
    *found = path_format(e, "%.*s%s%.*s", base, labels, word, end - suffix, labels + suffix);
    if (!*found) return ERR_NOMEM;
    if (file_is_folder(*found)) return 0;
    mem_free(*found);
    *found = NULL;
    return 0;
}

static int choose_instances(Pairs *pairs, const Options *o, Err *e)
{
    char *found = NULL;
    if (!o->instances.wanted) return 0;
    if (!o->instance_folder) TRY(find_sibling(&found, o->reference, "instances", e));
    const char *folder = o->instance_folder ? o->instance_folder : found;
    const int code = folder ? pairs_add_instances(pairs, folder, e) : 0;
    if (!code && !o->common.quiet)
        program_say("instances: those of %s", folder ? folder : "the references' labels, by the same rule");
    mem_free(found);
    return code;
}

/* ---- cases ---- */

/* Lets so many cases in at a time that their memory stays within a budget; one always may. */
typedef struct Gate {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int64_t budget, left;   /* bytes */
} Gate;

static void gate_enter(Gate *g, int64_t bytes)
{
    pthread_mutex_lock(&g->lock);
    while (g->left < bytes) pthread_cond_wait(&g->freed, &g->lock);
    g->left -= bytes;
    pthread_mutex_unlock(&g->lock);
}

static void gate_leave(Gate *g, int64_t bytes)
{
    pthread_mutex_lock(&g->lock);
    g->left += bytes;
    pthread_cond_broadcast(&g->freed);
    pthread_mutex_unlock(&g->lock);
}

static void warn_of_unknown(const Pair *pair, const UnknownLabels *unknown)
{
    if (unknown->in_prediction)
        program_warn("case %s: %lld voxels of the prediction have a label that is not evaluated", pair->id,
                     (long long)unknown->in_prediction);
    if (unknown->in_reference)
        program_warn("case %s: %lld voxels of the reference have a label that is not evaluated", pair->id,
                     (long long)unknown->in_reference);
}

/* Evaluates all pairs, several at a time; returns how many failed. */
static int evaluate_cases(Summary *summary, const Pairs *pairs, const Rules *rules, int threads, bool quiet)
{
    const int64_t half_of_memory = sysconf(_SC_PHYS_PAGES) / 2 * sysconf(_SC_PAGESIZE);
    Gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, half_of_memory, half_of_memory};
    int failed = 0;
    Progress progress;
    progress_begin(&progress, "evaluate", pairs->count, quiet);
    if (threads > pairs->count) threads = pairs->count; /* what is left over works within a case */
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int c = 0; c < pairs->count; c++) {
        Err e = {0};
        UnknownLabels unknown;
        const int64_t wanted = case_bytes(&pairs->items[c], rules);
        const int64_t bytes = wanted < gate.budget ? wanted : gate.budget;
        gate_enter(&gate, bytes);
        const int code = case_evaluate(&summary->cases[c], &unknown, &pairs->items[c], rules, &e);
        gate_leave(&gate, bytes);
#pragma omp critical(messages)
        {
            if (code) program_error("%s", e.text);
            else warn_of_unknown(&pairs->items[c], &unknown);
            if (!code && summary->cases[c].notes.length)
                program_warn("case %s: %s", pairs->items[c].id, summary->cases[c].notes.data);
            failed += code != 0;
        }
        progress_step(&progress, 1, pairs->items[c].id);
    }
    progress_end(&progress);
    return failed;
}

/* ---- the program ---- */

static void report_unpredicted(const Pairs *pairs)
{
    enum { SHOWN = 5 };
    Text names = {0};
    for (int i = 0; i < pairs->unpredicted_count && i < SHOWN; i++)
        text_add(&names, "%s%s", i ? ", " : "", pairs->unpredicted[i]);
    if (pairs->unpredicted_count > SHOWN) text_add(&names, ", …");
    if (pairs->unpredicted_count)
        program_say("%d references have no prediction and are left out: %s", pairs->unpredicted_count,
                    names.data ? names.data : "");
    text_free(&names);
}

static int write_results(const Summary *s, const char *folder, Err *e)
{
    static const struct {
        const char *name;
        int (*write)(const Summary *, const char *, Err *);
    } files[] = {
        {"summary.json", summary_write_json}, {"summary.yaml", summary_write_yaml},
        {"per_case.csv", summary_write_csv}, {"instances.csv", summary_write_instance_csv},
        {"paper.csv", summary_write_paper_csv},
    };
    Text table = {0};
    int code = file_make_folders(folder, e);
    for (size_t i = 0; i < sizeof files / sizeof *files && !code; i++) {
        if (files[i].write == summary_write_instance_csv && !s->has_instances) continue;
        if (files[i].write == summary_write_paper_csv && s->paper == PAPER_NONE) continue;
        char *path = path_format(e, "%s/%s", folder, files[i].name);
        code = path ? files[i].write(s, path, e) : ERR_NOMEM;
        mem_free(path);
    }
    if (code) return code;
    summary_add_table(s, &table);
    code = text_check(&table, e);
    if (!code) fputs(table.data, stdout);
    text_free(&table);
    return code;
}

static int write_report(const Summary *s, const Pairs *pairs, const Options *o, Err *e)
{
    char *found = NULL, *path = path_format(e, "%s/report.html", o->common.output);
    int code = path ? 0 : ERR_NOMEM;
    if (!code && !o->images) code = find_sibling(&found, o->reference, "images", e);
    const Report report = {s, pairs, o->images ? o->images : found, o->reference, o->prediction};
    if (!code && !report.images && !o->common.quiet)
        program_say("report.html will show contours on black: no images are known (--images FOLDER)");
    if (!code) code = report_write(&report, path, e);
    mem_free(found);
    mem_free(path);
    return code;
}

static int run(const Options *o, Err *e)
{
    const int threads = program_threads(&o->common);
    Pairs pairs = {0};
    Structures structures = {0};
    Summary summary = {0};
    int code = pairs_find(&pairs, o->reference, o->prediction, e);
    if (!code) code = choose_structures(&structures, o, &pairs, e);
    if (code) goto done;
    if (!o->common.quiet) report_unpredicted(&pairs);
    code = choose_tolerances(&structures, o, e);
    if (!code) code = choose_instances(&pairs, o, e);
    if (!code) code = summary_new(&summary, &structures, &pairs, e);
    if (code) goto done;
    summary.only_overlap = o->only_overlap;
    summary.has_instances = o->instances.wanted;
    summary.paper = o->paper;
    const Rules rules = {&structures, o->only_overlap, o->instances, o->paper};
    const int failed = evaluate_cases(&summary, &pairs, &rules, threads, o->common.quiet);
    code = failed == pairs.count ? 0 : summary_means(&summary, o->common.seed, e);
    if (!code && failed < pairs.count) code = write_results(&summary, o->common.output, e);
    if (!code && failed < pairs.count && !o->no_report) code = write_report(&summary, &pairs, o, e);
    if (!code && failed)
        code = err_set(e, ERR_VALUE, "%d of %d cases could not be evaluated (above)", failed, pairs.count);
done:
    summary_free(&summary);
    structures_free(&structures);
    pairs_free(&pairs);
    return code;
}

static int run_compare(const Options *o, Err *e)
{
    Comparison c;
    Text table = {0};
    char *path = NULL;
    TRY(comparison_read(&c, o->arguments, o->argument_count, e));
    if (c.left_out) program_warn("%d cases are not in all evaluations and left out", c.left_out);
    int code = comparison_add_table(&c, &table, e);
    if (!code) fputs(table.data, stdout);
    if (!code && *o->common.output) {
        code = file_make_folders(o->common.output, e);
        if (!code) path = path_format(e, "%s/comparison.csv", o->common.output);
        if (!code) code = path ? comparison_write_csv(&c, path, e) : ERR_NOMEM;
    }
    mem_free(path);
    text_free(&table);
    comparison_free(&c);
    return code;
}

int main(int argc, char **argv)
{
    static const struct argp own = {
        .options = option_table, .parser = parse_option,
        .args_doc = "GROUND_TRUTH PREDICTIONS\n--compare EVALUATION...",
        .doc = "Compares the segmentations in PREDICTIONS with those of the same names in GROUND_TRUTH (two "
               "folders, or two files). Writes into OUT: summary.json, as nnU-Net does with surface "
               "distances beside; summary.yaml, with 95 % intervals; per_case.csv; report.html. Prints a "
               "table."
               "\vExit status: 0 done, 1 some case could not be evaluated, 2 wrong usage."};
    Options options = {.common = {.takes = OPT_OUTPUT | OPT_THREADS | OPT_SEED | OPT_QUIET, .seed = 1}};
    options.common.output = ""; /* only needed to evaluate: check_arguments */
    Err e = {0};
    program_begin("evaluate", false);
    program_parse(&own, &options, &options.common, argc, argv);
    const int code = options.compare ? run_compare(&options, &e) : run(&options, &e);
    return program_end(code, &e, options.common.quiet);
}
