/* find_best_configuration: which trained network, or pair of them, segments the validation cases best. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "inference/configuration.h"
#include "inference/cross_validation.h"
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
    {"folds", 'f', "0,1,2", 0, "Folds to compare on (default: all that the first RESULTS has validated)", 0},
    {"ground-truth", 'g', "FOLDER", 0, "The label images (default: where the folds' summary.json say)", 0},
    {"no-ensembles", KEY_NO_ENSEMBLES, NULL, 0, "Leave pairs of networks out", 0},
    {0},
};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    Options *o = state->input;
    Err e = {0};
    switch (key) {
    case 'f':
        if (fold_list_parse(&o->folds, text, &e)) argp_error(state, "--folds %s", e.text);
        if (fold_list_has(&o->folds, SPLITS_FOLD_ALL))
            argp_error(state, "--folds %s: what fold all validates on was trained on; name other folds", text);
        return 0;
    case 'g': o->references = text; return 0;
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
    int results[2], member_count;   /* indices */
    const CrossValidation *members[2];
    DiceScore score;
} Entry;

typedef struct Search {
    const Options *o;
    DatasetInfo info;
    Structures structures;
    FoldList folds;
    CrossValidation validations[CONFIGURATION_MODELS];
    Entry *entries;                 /* single networks first */
    int entry_count;
} Search;

static Candidate candidate_of(const Search *s, const Entry *entry)
{
    return (Candidate){entry->members, entry->member_count, &s->info};
}

static const char *entry_name(const Search *s, const Entry *entry, char *name, size_t bytes)
{
    const bool pair = entry->member_count > 1;
    snprintf(name, bytes, "%s%s%s", s->o->results[entry->results[0]], pair ? " + " : "",
             pair ? s->o->results[entry->results[1]] : "");
    return name;
}

static int score_entry(Search *s, int first, int second, Err *e)
{
    static const Postprocessing none = {0};
    Entry *entry = &s->entries[s->entry_count];
    *entry = (Entry){.results = {first, second}, .member_count = second < 0 ? 1 : 2};
    for (int i = 0; i < entry->member_count; i++) entry->members[i] = &s->validations[entry->results[i]];
    const Candidate c = candidate_of(s, entry);
    const LabelledCases cases = candidate_cases(&c);
    TRY(dice_score(&entry->score, &s->structures, &cases, &none, e));
    s->entry_count++;
    return 0;
}

static int read_validations(Search *s, Err *e)
{
    const Options *o = s->o;
    if (o->folds.count) TRY(fold_list_copy(&s->folds, &o->folds, e));
    else TRY(cross_validation_folds(&s->folds, o->results[0], e));
    for (int i = 0; i < o->count; i++) {
        TRY(cross_validation_read(&s->validations[i], o->results[i], &s->folds, o->references, e));
        TRY(cross_validation_expect_same(&s->validations[0], &s->validations[i], o->results[0], o->results[i],
                                         e));
    }
    return 0;
}

static int score_all(Search *s, Err *e)
{
    const int count = s->o->count;
    for (int i = 0; i < count; i++) TRY(score_entry(s, i, -1, e));
    for (int i = 0; i < count && !s->o->no_ensembles; i++) {
        if (count > 1 && !s->validations[i].has_probabilities)
            program_warn(
                "%s has no probabilities of the validation cases: left out of the pairs (train --val-only "
                "--save-probabilities makes them)",
                s->o->results[i]);
        for (int k = i + 1; k < count; k++)
            if (s->validations[i].has_probabilities && s->validations[k].has_probabilities)
                TRY(score_entry(s, i, k, e));
    }
    return 0;
}

/* The first of the best; a mean that is not a number is worst. */
static const Entry *best_of(const Search *s)
{
    const Entry *best = s->entries;
    for (int i = 1; i < s->entry_count; i++) {
        const double dice = s->entries[i].score.foreground_mean, so_far = best->score.foreground_mean;
        if (dice > so_far || (isnan(so_far) && !isnan(dice))) best = &s->entries[i];
    }
    return best;
}

/* ---- the outcome ---- */

static void print_outcome(const Search *s, const Entry *best, const Configuration *c)
{
    char name[1024];
    printf("%-60s %8s\n", "foreground mean Dice of the validation cases", "Dice");
    for (int i = 0; i < s->entry_count; i++) {
        const Entry *entry = &s->entries[i];
        printf("%-60s %8.4f%s\n", entry_name(s, entry, name, sizeof name), entry->score.foreground_mean,
               entry == best ? "  <- best" : "");
    }
    for (int i = 0; i < c->postprocessing.count; i++) {
        const PostprocessStep *step = &c->postprocessing.steps[i];
        printf("post-processing: only the largest component of label%s", step->label_count > 1 ? "s" : "");
        for (int k = 0; k < step->label_count; k++) printf("%s %d", k ? "," : "", step->labels[k]);
        printf("%s\n", step->label_count > 1 ? " together" : "");
    }
    if (c->postprocessing.count) printf("%-60s %8.4f\n", "with post-processing", c->dice);
    else printf("post-processing: none helps\n");
    printf("\npredict -i IMAGES -o OUT -m %s\n", s->o->common.output);
}

static int choose(Search *s, Err *e)
{
    Configuration c = {0};
    DiceScore score;
    const Entry *best = best_of(s);
    const Candidate candidate = candidate_of(s, best);
    const LabelledCases cases = candidate_cases(&candidate);
    int code = postprocessing_choose(&c.postprocessing, &score, &s->structures, &cases, e);
    c.dice = score.foreground_mean;
    for (int i = 0; i < best->member_count && !code; i++)
        code = configuration_add(&c, s->o->results[best->results[i]], &s->folds, e);
    if (!code) code = configuration_write(&c, s->o->common.output, e);
    if (!code) print_outcome(s, best, &c);
    configuration_free(&c);
    return code;
}

static int run(const Options *o, Err *e)
{
    Search s = {.o = o};
    char *dataset = path_format(e, "%s/dataset.json", o->results[0]);
    int code = dataset ? dataset_info_read(&s.info, dataset, e) : ERR_NOMEM;
    mem_free(dataset);
    if (code) return code;
    s.entries = mem_zalloc(MOST_CANDIDATES, sizeof *s.entries, e);
    code = s.entries ? structures_from_dataset(&s.structures, &s.info, e) : ERR_NOMEM;
    if (!code) code = read_validations(&s, e);
    if (!code) code = score_all(&s, e);
    if (!code) code = choose(&s, e);
    for (int i = 0; i < o->count; i++) cross_validation_free(&s.validations[i]);
    structures_free(&s.structures);
    fold_list_free(&s.folds);
    mem_free(s.entries);
    dataset_info_free(&s.info);
    return code;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = option_list,
        .parser = parse_option,
        .args_doc = "RESULTS…",
        .doc =
            "Compares trained networks, and pairs of them, on the validation cases of their folds; decides "
            "on "
            "post-processing for the best; writes what to do to the inference.yaml given by -o and prints "
            "the "
            "command that does it.\vPairs need the validation's probabilities: train --save-probabilities."};
    Options o = {.common.takes = OPT_OUTPUT | OPT_THREADS | OPT_QUIET};
    Err e = {0};
    program_begin("find_best_configuration", false);
    program_parse(&argp, &o, &o.common, argc, argv);
    program_threads(&o.common);
    const int code = run(&o, &e);
    fold_list_free(&o.folds);
    return program_end(code, &e, o.common.quiet);
}
