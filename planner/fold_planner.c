#include "planner/fold_planner.h"

#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "planner/case_groups.h"
#include "plans/splits_file.h"

enum { FOLDS_WARNED = 3 };

/* The input of the choice, and its result. */
typedef struct Maker {
    FoldPlan *p;
    const FoldRequest *r;
    const DatasetCases *cases;
    const char *dataset, *preprocessed;
    SplitsFile there; /* the file in the preprocessed folder */
    char *own;        /* a file of splits in the dataset's folder; NULL: none */
} Maker;

void fold_plan_free(FoldPlan *p)
{
    splits_free(&p->splits);
    made_from_free(&p->made_from);
    mem_free(p->path);
    mem_free(p->groups);
    text_free(&p->told);
    text_free(&p->warnings);
    *p = (FoldPlan){0};
}

static int set_path(Maker *m, const char *path, Err *e)
{
    m->p->path = mem_strdup(path, e);
    return m->p->path ? 0 : ERR_NOMEM;
}

static void take_there(Maker *m)
{
    m->p->splits = m->there.splits;
    m->there.splits = (Splits){0};
    m->p->path = m->there.path;
    m->there.path = NULL;
}

/* ---- splits made by the user */

/* Adds warnings about the first few folds, and about cases that are in no fold. */
static int warn_of_folds(Maker *m, Err *e)
{
    FoldPlan *p = m->p;
    NameList lacking;
    int warned = 0;
    for (int fold = 0; fold < p->splits.count; fold++) {
        Text notes = {0};
        Split split;
        int code = splits_fold(&split, &p->splits, m->cases, fold, &notes, e);
        if (!code) split_free(&split);
        int length;
        for (const char *line = warned < FOLDS_WARNED ? notes.data : NULL, *next; line && *line; line = next) {
            next = text_next_line(line, &length);
            text_add(&p->warnings, "%s: fold %d: %.*s\n", p->path, fold, length, line);
        }
        warned += notes.length > 0;
        text_free(&notes);
        if (code) return err_context(e, "%s: fold %d", p->path, fold);
    }
    if (warned > FOLDS_WARNED)
        text_add(&p->warnings, "%s: there are such warnings for %d more folds\n", p->path, warned - FOLDS_WARNED);
    for (int fold = 0; fold < p->splits.count; fold++)
        if (!p->splits.folds[fold].val_count)
            text_add(&p->warnings, "%s: fold %d has no validation case, and train needs one\n", p->path, fold);
    const int code = splits_lacking(&lacking, &p->splits, &m->cases->present, e);
    if (!code && lacking.count) {
        text_add(&p->warnings, "%s: these cases are in no fold: ", p->path);
        names_tell(&p->warnings, &lacking);
        text_add(&p->warnings, "; add them to the file, or draw new folds with --new-splits\n");
    }
    names_free(&lacking);
    return code;
}

static int refuse_drawing_options(const Maker *m, const char *path, Err *e)
{
    if (!m->r->folds && !m->r->groups) return 0;
    return err_set(e, ERR_VALUE,
                   "%s already defines the folds, so %s has no effect: remove that file, or leave the option "
                   "out",
                   path, m->r->groups ? "--groups" : "--folds");
}

/* Copies the folds of a file to splits_final.yaml, unless that was done before. */
static int take_file(Maker *m, const char *path, Err *e)
{
    FoldPlan *p = m->p;
    char hash[HASH_BYTES];
    TRY(hash_file(hash, path, e));
    TRY(set_path(m, path, e));
    TRY(splits_read(&p->splits, path, e));
    const char *before = m->there.planned ? made_from_find(&m->there.made_from, "file") : NULL;
    p->write = !before || strcmp(before, hash) || !splits_equal(&p->splits, &m->there.splits);
    made_from_add(&p->made_from, "made_by", "file");
    made_from_add(&p->made_from, "source", "%s", path);
    made_from_add(&p->made_from, "file", "%s", hash);
    text_add(&p->told, "splits: from %s, %d fold%s%s\n", path, p->splits.count, p->splits.count == 1 ? "" : "s",
             p->write && m->there.path ? "; the earlier ones are replaced" : "");
    return warn_of_folds(m, e);
}

static int take_requested(Maker *m, Err *e)
{
    if (m->there.path && !m->there.planned) {
        Splits asked;
        TRY(splits_read(&asked, m->r->file, e));
        const bool same = splits_equal(&asked, &m->there.splits);
        splits_free(&asked);
        const bool may_replace = m->r->overwrite && !path_ends_with(m->there.path, ".json");
        if (!same && !may_replace)
            return err_set(e, ERR_VALUE,
                           "%s exists and has other folds than --splits %s: remove the file, or leave out the "
                           "option",
                           m->there.path, m->r->file);
    }
    return take_file(m, m->r->file, e);
}

static int keep_own(Maker *m, Err *e)
{
    TRY(refuse_drawing_options(m, m->there.path, e));
    take_there(m);
    text_add(&m->p->told, "splits: from your file %s, %d fold%s\n", m->p->path, m->p->splits.count,
             m->p->splits.count == 1 ? "" : "s");
    if (m->there.passed_over)
        text_add(&m->p->told, "splits: %s, drawn before, is no longer used\n", m->there.passed_over);
    if (m->own) {
        Splits other;
        TRY(splits_read(&other, m->own, e));
        if (!splits_equal(&other, &m->p->splits))
            text_add(&m->p->warnings, "%s has other folds and is not used, because %s exists\n", m->own, m->p->path);
        splits_free(&other);
    }
    return warn_of_folds(m, e);
}

/* ---- drawn folds */

static int read_groups(Maker *m, CaseGroups *groups, const char *path, Err *e)
{
    Text notes = {0};
    int code = case_groups_read(groups, path, &m->cases->present, &notes, e);
    if (!code && notes.length) text_add(&m->p->warnings, "%s", notes.data);
    text_free(&notes);
    m->p->groups = code ? NULL : mem_strdup(path, e);
    return code || m->p->groups ? code : ERR_NOMEM;
}

static int draw(Maker *m, Err *e)
{
    FoldPlan *p = m->p;
    const NameList *present = &m->cases->present;
    const char *const *names = (const char *const *)present->names;
    const int folds = m->r->folds ? m->r->folds : SPLITS_FOLDS;
    if (!m->r->folds && !m->r->groups && !m->there.path && present->count < folds) {
        text_add(&p->told,
                 "%d cases are too few for %d folds: no splits_final.yaml; train with fold \"all\", or give "
                 "--folds %d\n",
                 present->count, folds, present->count > 2 ? present->count : 2);
        return 0;
    }
    if (m->r->groups) {
        CaseGroups groups;
        TRY(read_groups(m, &groups, m->r->groups, e));
        const int code =
            splits_make_grouped(&p->splits, names, (const char *const *)groups.of, present->count, folds, e);
        case_groups_free(&groups);
        if (code) return err_context(e, "%s", m->r->groups);
    } else {
        TRY(splits_make(&p->splits, names, present->count, folds, e));
    }
    p->path = path_format(e, "%s/splits_final.yaml", m->preprocessed);
    if (!p->path) return ERR_NOMEM;
    p->write = true;
    made_from_add(&p->made_from, "made_by", "%s", m->r->groups ? "groups" : "nnU-Net's rule");
    if (m->r->groups) made_from_add_file(&p->made_from, "groups", m->r->groups);
    text_add(&p->told, "splits: %d folds %s%s%s\n", folds, m->r->groups ? "by the groups of " : "by nnU-Net's rule",
             m->r->groups ? m->r->groups : "", m->there.path ? "; the earlier ones are replaced" : "");
    return 0;
}

/* Fails if --folds or --groups ask for other folds than the existing ones. */
static int refuse_other_folds(const Maker *m, Err *e)
{
    if (m->r->folds && m->r->folds != m->there.splits.count)
        return err_set(e, ERR_VALUE,
                       "%s: %d folds were drawn before; for --folds %d give --new-splits too, which draws new "
                       "folds",
                       m->there.path, m->there.splits.count, m->r->folds);
    if (!m->r->groups || made_from_find(&m->there.made_from, "groups")) return 0;
    return err_set(e, ERR_VALUE,
                   "%s: these folds were not drawn by groups; for --groups give --new-splits too, which draws new "
                   "folds",
                   m->there.path);
}

static void tell_changes(Maker *m, const NameList *left, const NameList *joined)
{
    Text *told = &m->p->told;
    if (left->count) {
        text_add(told, "splits: removed from the folds, because they are no longer in the dataset: ");
        names_tell(told, left);
        text_add(told, "\n");
    }
    if (!joined->count) return;
    text_add(told, "splits: new in the dataset, added to the folds, which are kept otherwise: ");
    names_tell(told, joined);
    text_add(told, "\n");
}

static int fold_that_validates(const Splits *splits, const char *name)
{
    for (int fold = 0; fold < splits->count; fold++)
        for (int i = 0; i < splits->folds[fold].val_count; i++)
            if (!strcmp(splits->folds[fold].val[i], name)) return fold;
    return -1;
}

/* Fails if two cases of one group are validated in different folds: the table of groups has changed since. */
static int refuse_torn_groups(const Maker *m, const CaseGroups *groups, Err *e)
{
    const NameList *present = &m->cases->present;
    for (int i = 0; i < groups->count; i++)
        for (int k = 0; k < i; k++) {
            if (strcmp(groups->of[i], groups->of[k])) continue;
            const int a = fold_that_validates(&m->p->splits, present->names[i]),
                      b = fold_that_validates(&m->p->splits, present->names[k]);
            if (a != b)
                return err_set(e, ERR_VALUE,
                               "%s: %s and %s are both in the group %s, but validated in folds %d and %d of %s: "
                               "draw new folds with --new-splits",
                               m->p->groups, present->names[k], present->names[i], groups->of[i], b, a, m->p->path);
        }
    return 0;
}

/* Keeps the folds, except for cases that were removed from the dataset or added to it. */
static int update_drawn(Maker *m, Err *e)
{
    FoldPlan *p = m->p;
    NameList left = {0}, joined = {0};
    CaseGroups groups = {0};
    TRY(refuse_other_folds(m, e));
    const bool grouped = made_from_find(&m->there.made_from, "groups");
    take_there(m);
    text_add(&p->told, "splits: %d folds, as drawn before\n", p->splits.count);
    int code = 0;
    if (grouped) {
        char *kept = path_format(e, "%s/splits_groups.csv", m->preprocessed);
        code = kept ? read_groups(m, &groups, m->r->groups ? m->r->groups : kept, e) : ERR_NOMEM;
        if (code && kept && !m->r->groups)
            err_context(e, "the folds were drawn by groups, and the kept table of groups "
                           "cannot be used any longer: give --groups FILE");
        mem_free(kept);
    }
    if (!code) code = splits_update(&p->splits, &m->cases->present, (const char *const *)groups.of, &left, &joined, e);
    if (!code && grouped) code = refuse_torn_groups(m, &groups, e);
    if (!code) tell_changes(m, &left, &joined);
    p->write = left.count || joined.count;
    made_from_add(&p->made_from, "made_by", "%s", grouped ? "groups" : "nnU-Net's rule");
    if (p->groups && !code) made_from_add_file(&p->made_from, "groups", p->groups);
    for (int fold = 0; fold < p->splits.count && !code; fold++)
        if (!p->splits.folds[fold].val_count)
            text_add(&p->warnings, "%s: fold %d has no validation case any more: draw new folds with --new-splits\n",
                     p->path, fold);
    case_groups_free(&groups);
    names_free(&left);
    names_free(&joined);
    return code;
}

static int keep_taken(Maker *m, Err *e)
{
    const char *source = made_from_find(&m->there.made_from, "source");
    TRY(refuse_drawing_options(m, m->there.path, e));
    text_add(&m->p->told, "splits: as taken from %s before\n", source ? source : "a file");
    take_there(m);
    return warn_of_folds(m, e);
}

/* ---- the choice */

static int refuse_new_beside_json(const Maker *m, Err *e)
{
    return err_set(e, ERR_VALUE, "%s is your own file and would still be used: remove it before --new-splits",
                   m->there.path);
}

static int choose(Maker *m, Err *e)
{
    const FoldRequest *r = m->r;
    const SplitsFile *there = &m->there;
    const bool is_own = there->path && !there->planned;
    if (r->file) return take_requested(m, e);
    if (is_own && r->draw_anew && path_ends_with(there->path, ".json")) return refuse_new_beside_json(m, e);
    if (is_own && !r->draw_anew) return keep_own(m, e);
    if (m->own) {
        TRY(refuse_drawing_options(m, m->own, e));
        return take_file(m, m->own, e);
    }
    if (!there->path || r->draw_anew) return draw(m, e);
    const char *made_by = made_from_find(&there->made_from, "made_by");
    return made_by && !strcmp(made_by, "file") ? keep_taken(m, e) : update_drawn(m, e);
}

/* Finds splits_final.json or .yaml in the dataset's folder. */
static int find_own(Maker *m, Err *e)
{
    char *json = path_format(e, "%s/splits_final.json", m->dataset),
         *yaml = path_format(e, "%s/splits_final.yaml", m->dataset);
    Splits a = {0}, b = {0};
    bool has_json, has_yaml;
    int code = file_is_there(json, &has_json, e);
    if (!code) code = file_is_there(yaml, &has_yaml, e);
    if (!code && has_json && has_yaml) {
        code = splits_read(&a, json, e);
        if (!code) code = splits_read(&b, yaml, e);
        if (!code && !splits_equal(&a, &b))
            code = err_set(e, ERR_VALUE, "%s and %s both exist and differ: remove one of them", json, path_base(yaml));
        splits_free(&a);
        splits_free(&b);
    }
    m->own = !code && has_json ? json : !code && has_yaml ? yaml : NULL;
    if (m->own != json) mem_free(json);
    if (m->own != yaml) mem_free(yaml);
    return code;
}

int fold_plan_make(FoldPlan *p, const FoldRequest *r, const DatasetCases *cases, const char *dataset,
                   const char *preprocessed, Err *e)
{
    *p = (FoldPlan){0};
    Maker m = {.p = p, .r = r, .cases = cases, .dataset = dataset, .preprocessed = preprocessed};
    int code = splits_file_find(&m.there, preprocessed, e);
    if (!code) code = find_own(&m, e);
    if (!code && !r->file) code = splits_passed_over(&p->warnings, dataset, e);
    if (!code && !r->file) code = splits_passed_over(&p->warnings, preprocessed, e);
    if (!code) code = choose(&m, e);
    if (!code) code = made_from_check(&p->made_from, e);
    if (!code) code = text_check(&p->told, e);
    if (!code) code = text_check(&p->warnings, e);
    mem_free(m.own);
    splits_file_free(&m.there);
    if (code) fold_plan_free(p);
    return code;
}

static int keep_groups(const char *from, const char *preprocessed, Err *e)
{
    char *bytes = NULL, *to = path_format(e, "%s/splits_groups.csv", preprocessed);
    size_t length;
    int code = to ? file_get(from, &bytes, &length, e) : ERR_NOMEM;
    if (!code) code = file_put(to, bytes, length, e);
    mem_free(bytes);
    mem_free(to);
    return code;
}

int fold_plan_write(FoldPlan *p, const char *preprocessed, Err *e)
{
    if (p->groups) TRY(keep_groups(p->groups, preprocessed, e));
    return p->write ? splits_file_write(&p->splits, &p->made_from, preprocessed, e) : 0;
}
