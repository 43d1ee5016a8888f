/* find_best_configuration: chooses the trained network, or pair of networks, with the best Dice on the validation cases. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "inference/configuration.h"
#include "inference/cross_validation.h"
#include "inference/model_folder.h"
#include "inference/model_source.h"
#include "plans/meaning.h"
#include "plans/splits.h"

enum { MOST_CANDIDATES = CONFIGURATION_MODELS * (CONFIGURATION_MODELS + 1) / 2 };

typedef struct Options {
    CommonOptions common;
    const char *results[CONFIGURATION_MODELS];
    int count;
    FoldList folds;
    const char *references;
    bool no_ensembles;
} Options;

enum { KEY_NO_ENSEMBLES = 0x100 };

static const struct argp_option option_list[] = {
    {"folds", 'f', "0,1,2", 0, "Folds to compare on (default: all validated ones)\vAlso 0-4", 0},
    {"ground-truth", 'g', "FOLDER", 0, "The label images\v (default: the paths in the folds' summary.json)", 0},
    {"no-ensembles", KEY_NO_ENSEMBLES, NULL, 0, "Compare single networks only, no pairs", 0},
    {0},
};

/* Of nnUNetv2_find_best_configuration. */
static const char results_are_folders[] =
    "the trained networks are named by their folders, each a -o of train: RESULTS RESULTS …";
static const Habit habits[] = {
    SAME("-f", FOLDS, "-f"),
    ANSWERED("-p", WORDS, results_are_folders),
    ANSWERED("-c", WORDS, results_are_folders),
    ANSWERED("-tr", WORDS, results_are_folders),
    SAME("-np", VALUE, "-j"),
    SAME("--disable_ensembling", FLAG, "--no-ensembles"),
    ANSWERED("--no_overwrite", FLAG, "nothing is kept of an earlier run but -o, which is replaced: leave it out"),
    {0},
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    Err e = {0};
    switch (key) {
    case 'f':
        if (fold_list_parse(&o->folds, text, &e)) option_refuse(state, "--folds", &e);
        if (fold_list_has(&o->folds, SPLITS_FOLD_ALL))
            argp_error(state, "--folds %s: the validation cases of fold all were trained on; choose other folds", text);
        return 0;
    case 'g': option_once(state, "-g", text, &o->references); return 0;
    case KEY_NO_ENSEMBLES: o->no_ensembles = true; return 0;
    case ARGP_KEY_ARG:
        if (o->count == CONFIGURATION_MODELS) argp_error(state, "more than %d results", CONFIGURATION_MODELS);
        o->results[o->count++] = text;
        return 0;
    case ARGP_KEY_END:
        if (!o->count) argp_error(state, "RESULTS is missing");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- candidates ---- */

typedef struct Entry {
    int results[2], member_count; /* indices */
    const CrossValidation *members[2];
    DiceScore score;
    double dice; /* foreground mean over the labels that have a mean in all entries */
} Entry;

typedef struct Search {
    const Options *o;
    DatasetInfo info;
    Structures structures;
    FoldList folds;
    CrossValidation validations[CONFIGURATION_MODELS];
    Entry *entries; /* single networks first */
    int entry_count;
} Search;

static Candidate candidate_of(const Search *s, const Entry *entry)
{
    return (Candidate){entry->members, entry->member_count, &s->info};
}

static void add_entry(Text *t, const Search *s, const Entry *entry, bool is_best)
{
    const char *first = s->o->results[entry->results[0]];
    const char *second = entry->member_count > 1 ? s->o->results[entry->results[1]] : "", *plus = *second ? " + " : "";
    const int width = text_columns(first) + text_columns(plus) + text_columns(second);
    text_add(t, "%s%s%s%*s %8.4f%s\n", first, plus, second, width < 60 ? 60 - width : 0, "", entry->dice,
             is_best ? "  <- best" : "");
}

static int score_entry(Search *s, int first, int second, Err *e)
{
    static const Postprocessing none = {0};
    Entry *entry = &s->entries[s->entry_count];
    *entry = (Entry){.results = {first, second}, .member_count = second < 0 ? 1 : 2};
    for (int i = 0; i < entry->member_count; i++) entry->members[i] = &s->validations[entry->results[i]];
    const Candidate c = candidate_of(s, entry);
    const LabelledCases cases = candidate_cases(&c);
    const int code = dice_score(&entry->score, &s->structures, &cases, &none, e);
    s->entry_count++;
    return code;
}

/* Warns about folds that exist but were not validated. */
static int warn_of_unvalidated(const char *results, const FoldList *validated, Err *e)
{
    FoldList all, left_out = {0};
    Text names = {0};
    TRY(fold_list_of_results(&all, results, e));
    int code = 0;
    for (int i = 0; i < all.count && !code; i++)
        if (all.numbers[i] != SPLITS_FOLD_ALL && !fold_list_has(validated, all.numbers[i]))
            code = fold_list_add(&left_out, all.numbers[i], e);
    if (left_out.count && !code) {
        fold_list_text(&left_out, &names);
        code = text_check(&names, e);
        if (!code) program_warn("%s: %s without validated cases: left out", results, names.data);
    }
    text_free(&names);
    fold_list_free(&left_out);
    fold_list_free(&all);
    return code;
}

static bool same_folds(const FoldList *a, const FoldList *b)
{
    return a->count == b->count && !memcmp(a->numbers, b->numbers, (size_t)a->count * sizeof *a->numbers);
}

static int refuse_folds(const Search *s, const char *other, const FoldList *others, Err *e)
{
    Text own = {0}, theirs = {0};
    fold_list_text(&s->folds, &own);
    fold_list_text(others, &theirs);
    int code = text_check(&own, e) || text_check(&theirs, e) ? ERR_NOMEM : 0;
    if (!code)
        code = err_set(e, ERR_VALUE,
                       "%s has validated %s, %s %s: networks are compared on the same folds; train the missing "
                       "folds, or choose folds that all have with -f",
                       s->o->results[0], own.data, other, theirs.data);
    text_free(&own);
    text_free(&theirs);
    return code;
}

/* The folds of --folds, or all that were validated, which must be the same in all results. */
static int choose_folds(Search *s, Err *e)
{
    const Options *o = s->o;
    if (o->folds.count) return fold_list_copy(&s->folds, &o->folds, e);
    TRY(cross_validation_folds(&s->folds, o->results[0], e));
    TRY(warn_of_unvalidated(o->results[0], &s->folds, e));
    for (int i = 1; i < o->count; i++) {
        FoldList others;
        TRY(cross_validation_folds(&others, o->results[i], e));
        int code = warn_of_unvalidated(o->results[i], &others, e);
        if (!code && !same_folds(&s->folds, &others)) code = refuse_folds(s, o->results[i], &others, e);
        fold_list_free(&others);
        TRY(code);
    }
    return 0;
}

/* Warns if predictions were made in different precisions, which may change the scores. */
static int warn_of_precisions(const Search *s, Err *e)
{
    Text folds = {0};
    bool has_probabilities = false;
    for (int i = 0; i < s->o->count; i++) has_probabilities |= s->validations[i].has_probabilities;
    const int code = cross_validation_precisions(&folds, s->validations, s->o->results, s->o->count, e);
    if (!code && folds.length)
        program_warn(
            "the validation cases were not all predicted in the same precision (%s), which affects the comparison "
            "too; predict all in one precision, fold by fold: train PREPROCESSED FOLDS -o RESULTS --val-only --precision bf16 "
            "(or fp32)%s",
            folds.data, has_probabilities ? " --save-probabilities" : "");
    text_free(&folds);
    return code;
}

/* Prints the folds and the number of cases that the choice is based on. */
static int tell_cases(const Search *s, Err *e)
{
    Text folds = {0};
    const int cases = s->validations[0].count;
    fold_list_text(&s->folds, &folds);
    const int code = text_check(&folds, e);
    if (!code && !s->o->common.quiet)
        program_say("compared by %s: %d case%s", folds.data, cases, cases == 1 ? "" : "s");
    text_free(&folds);
    return code;
}

static int read_validations(Search *s, Err *e)
{
    const Options *o = s->o;
    TRY(choose_folds(s, e));
    for (int i = 0; i < o->count; i++) {
        TRY(cross_validation_read(&s->validations[i], o->results[i], &s->folds, o->references, e));
        TRY(cross_validation_expect_same(&s->validations[0], &s->validations[i], o->results[0], o->results[i], e));
    }
    TRY(tell_cases(s, e));
    return warn_of_precisions(s, e);
}

/* Scores a pair. A pair that cannot be averaged, because of different orders of axes, is left out with a warning. */
static int score_pair(Search *s, int first, int second, Err *e)
{
    Err why = {0};
    const int code = score_entry(s, first, second, &why);
    if (!code) return 0;
    dice_score_free(&s->entries[--s->entry_count].score);
    if (code != ERR_SHAPE) return err_set(e, code, "%s", why.text);
    program_warn("%s + %s is left out of the pairs: %s", s->o->results[first], s->o->results[second], why.text);
    return 0;
}

static int score_all(Search *s, Err *e)
{
    const int count = s->o->count;
    for (int i = 0; i < count; i++) TRY(score_entry(s, i, -1, e));
    for (int i = 0; i < count && !s->o->no_ensembles; i++) {
        if (count > 1 && !s->validations[i].has_probabilities)
            program_warn("%s has no probabilities of the validation cases: left out of the pairs (train --val-only "
                         "--save-probabilities makes them)",
                         s->o->results[i]);
        for (int k = i + 1; k < count; k++)
            if (s->validations[i].has_probabilities && s->validations[k].has_probabilities) TRY(score_pair(s, i, k, e));
    }
    return 0;
}

/* A label that is in no reference, and in no prediction of some entry, has no mean there. It is left out of the means of
 * all entries, so that all are compared over the same labels. */
static void warn_of_left_out(const Search *s, int structure, bool everywhere)
{
    const char *name = s->structures.items[structure].name;
    if (everywhere) program_warn("label %s is in no validation case: it is left out of the means", name);
    else
        program_warn("label %s is in no reference of the validation cases, and only some networks predict it: it is "
                     "left out of the means",
                     name);
}

static int compare_all(Search *s, Err *e)
{
    const DiceScore **scores = mem_alloc((size_t)s->entry_count * sizeof *scores, e);
    if (!scores) return ERR_NOMEM;
    for (int i = 0; i < s->entry_count; i++) scores[i] = &s->entries[i].score;
    for (int i = 0; i < s->entry_count; i++) s->entries[i].dice = dice_score_mean(scores[i], scores, s->entry_count);
    for (int k = 0; k < s->structures.count; k++) {
        int with_mean = 0;
        for (int i = 0; i < s->entry_count; i++) with_mean += !isnan(scores[i]->mean[k]);
        if (with_mean < s->entry_count) warn_of_left_out(s, k, !with_mean);
    }
    mem_free(scores);
    if (!isnan(s->entries[0].dice)) return 0;
    return err_set(e, ERR_VALUE, "no label of dataset.json is in a validation case, so nothing can be compared");
}

/* The entry with the best score; of equal ones the first. */
static const Entry *best_of(const Search *s)
{
    const Entry *best = s->entries;
    for (int i = 1; i < s->entry_count; i++)
        if (s->entries[i].dice > best->dice) best = &s->entries[i];
    return best;
}

/* ---- the result ---- */

static void add_steps(Text *t, const Postprocessing *p)
{
    for (int i = 0; i < p->count; i++) {
        const PostprocessStep *step = &p->steps[i];
        text_add(t, "post-processing: only the largest component of label%s", step->label_count > 1 ? "s" : "");
        for (int k = 0; k < step->label_count; k++) text_add(t, "%s %d", k ? "," : "", step->labels[k]);
        text_add(t, "%s\n", step->label_count > 1 ? " together" : "");
    }
}

static int print_outcome(const Search *s, const Entry *best, const Configuration *c, Err *e)
{
    Text t = {0};
    text_add(&t, "%-60s %8s\n", "foreground mean Dice of the validation cases", "Dice");
    for (int i = 0; i < s->entry_count; i++) add_entry(&t, s, &s->entries[i], &s->entries[i] == best);
    add_steps(&t, &c->postprocessing);
    if (c->postprocessing.count) text_add(&t, "%-60s %8.4f\n", "with post-processing", c->dice);
    else text_add(&t, "post-processing: none helps\n");
    text_add(&t, "\npredict -i IMAGES -o OUT -m ");
    text_add_argument(&t, "%s", s->o->common.output);
    text_add(&t, "\n");
    const int code = text_check(&t, e);
    if (!code) program_print(t.data);
    text_free(&t);
    return code;
}

static int choose(Search *s, Err *e)
{
    Configuration c = {0};
    DiceScore score = {0};
    const Entry *best = best_of(s);
    const Candidate candidate = candidate_of(s, best);
    const LabelledCases cases = candidate_cases(&candidate);
    int code = postprocessing_choose(&c.postprocessing, &score, &s->structures, &cases, e);
    c.dice = score.foreground_mean;
    for (int i = 0; i < best->member_count && !code; i++)
        code = configuration_add(&c, s->o->results[best->results[i]], &s->folds, &best->members[i]->weights, e);
    for (int i = 0; i < s->o->count && !code; i++) code = names_add(&c.compared, s->o->results[i], e);
    if (!code) code = configuration_write(&c, s->o->common.output, e);
    if (!code) code = print_outcome(s, best, &c, e);
    configuration_free(&c);
    dice_score_free(&score);
    return code;
}

/* ---- checks before the comparison ---- */

/* An existing file is replaced only if it is an inference.yaml. */
static int expect_configuration(const char *path, Err *e)
{
    bool there;
    Configuration old;
    Err why;
    TRY(file_is_there(path, &there, e));
    if (!there) return 0;
    if (configuration_read(&old, path, &why))
        return err_set(e, why.code == ERR_NOMEM ? ERR_NOMEM : ERR_VALUE,
                       "-o %s: this file exists already and is not an inference.yaml: give another name (%s)", path,
                       why.text);
    configuration_free(&old);
    return 0;
}

static int check_output(const char *path, Err *e)
{
    OutFile probe;
    bool is_folder;
    TRY(file_is_folder(path, &is_folder, e));
    if (is_folder)
        return err_set(e, ERR_VALUE, "-o %s: this is a folder; expected the name of a file, as %s/inference.yaml", path,
                       path);
    TRY(expect_configuration(path, e));
    TRY(file_create(&probe, path, e));
    file_abort(&probe);
    return 0;
}

/* Fails for a path without dataset.json, which is not a results folder; the message names the one that was probably
 * meant. */
static int expect_results(const char *path, Err *e)
{
    bool there;
    ModelFolder meant;
    char *dataset = path_format(e, "%s/dataset.json", path);
    int code = file_is_there(dataset, &there, e);
    mem_free(dataset);
    if (code || there) return code;
    TRY(model_folder_find(&meant, path, e));
    if (meant.results && meant.is_other)
        code = err_set(e, ERR_VALUE, "%s is not the results folder: give %s", path, meant.results);
    else code = err_set(e, ERR_VALUE, "%s: expected the results folder of train, with dataset.json in it", path);
    model_folder_free(&meant);
    return code;
}

static int check_arguments(const Options *o, Err *e)
{
    TRY(check_output(o->common.output, e));
    for (int i = 0; i < o->count; i++) {
        TRY(expect_results(o->results[i], e));
        for (int k = 0; k < i; k++) {
            bool same;
            TRY(file_is_same(o->results[i], o->results[k], &same, e));
            if (same) return err_set(e, ERR_VALUE, "%s is given twice", o->results[i]);
        }
    }
    return meaning_expect_same_in(o->results, o->count, e);
}

static int run(const Options *o, Err *e)
{
    Search s = {.o = o};
    TRY(check_arguments(o, e));
    char *dataset = path_format(e, "%s/dataset.json", o->results[0]);
    int code = dataset ? dataset_info_read(&s.info, dataset, e) : ERR_NOMEM;
    mem_free(dataset);
    if (code) return code;
    s.entries = mem_zalloc(MOST_CANDIDATES, sizeof *s.entries, e);
    code = s.entries ? structures_from_dataset(&s.structures, &s.info, e) : ERR_NOMEM;
    if (!code) code = read_validations(&s, e);
    if (!code) code = score_all(&s, e);
    if (!code) code = compare_all(&s, e);
    if (!code) code = choose(&s, e);
    for (int i = 0; i < o->count; i++) cross_validation_free(&s.validations[i]);
    structures_free(&s.structures);
    fold_list_free(&s.folds);
    for (int i = 0; i < s.entry_count; i++) dice_score_free(&s.entries[i].score);
    mem_free(s.entries);
    dataset_info_free(&s.info);
    return code;
}

static const Program program = {
    .summary = "choose the best trained network or pair of networks",
    .arguments = "RESULTS...",
    .about =
        "Compares trained networks, and pairs of them, on the validation cases of their folds, and chooses the post-processing for "
        "the best. Writes the choice to the file given by -o (inference.yaml) and prints the predict command for it.",
    .examples = "results_a results_b -o inference.yaml\tTwo networks and their mean",
    .notes = "Pairs need the probabilities of the validation cases: train --save-probabilities.",
    .see = "train predict ensemble",
    .options = option_list,
    .parse = parse_option,
    .habits = habits};

int main(int argc, char **argv)
{
    Options o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET | OPT_JSON_LOG};
    Err e = {0};
    program_begin("find_best_configuration", false);
    program_parse(&program, &o, &o.common, argc, argv);
    program_threads(&o.common);
    int code = sandbox_enter(&(Sandbox){.file = o.common.output}, &o.common, NULL, &e);
    if (!code) code = run(&o, &e);
    fold_list_free(&o.folds);
    return program_end(code, &e, o.common.quiet);
}
