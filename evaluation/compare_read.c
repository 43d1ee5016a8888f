/* Reads the evaluations that are compared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "data/image_io.h"
#include "evaluation/compare.h"
#include "formats/yaml.h"

typedef struct Entry {
    char *id;            /* owned */
    const DocNode *node; /* of metric_per_case */
} Entry;

typedef struct Evaluation {
    Doc summary;    /* summary.json */
    Doc details;    /* summary.yaml; without a root where there is none */
    Entry *entries; /* by id */
    int count;
} Evaluation;

static void evaluation_free(Evaluation *v)
{
    for (int i = 0; i < v->count; i++) mem_free(v->entries[i].id);
    mem_free(v->entries);
    doc_free(&v->summary);
    doc_free(&v->details);
}

/* ---- one evaluation ---- */

/* The case's id: the prediction's file name without its ending. Owned by the caller. */
static char *case_id(const DocNode *one, Err *e)
{
    const DocNode *file = doc_find(one, "prediction_file");
    const char *name = file && file->text ? path_base(file->text) : "";
    const char *ending = image_ending(name);
    return path_format(e, "%.*s", ending ? (int)(ending - name) : (int)strlen(name), name);
}

static int by_id(const void *a, const void *b) { return strcmp(((const Entry *)a)->id, ((const Entry *)b)->id); }

static int list_entries(Evaluation *v, const DocNode *cases, const char *path, Err *e)
{
    v->entries = mem_zalloc((size_t)cases->count, sizeof *v->entries, e);
    if (!v->entries) return ERR_NOMEM;
    for (const DocNode *one = cases->first; one; one = one->next) {
        char *id = case_id(one, e);
        if (!id) return ERR_NOMEM;
        v->entries[v->count++] = (Entry){id, one};
    }
    qsort(v->entries, (size_t)v->count, sizeof *v->entries, by_id);
    for (int i = 1; i < v->count; i++)
        if (!by_id(&v->entries[i - 1], &v->entries[i]))
            return err_set(e, ERR_VALUE, "%s: case %s occurs twice", path, v->entries[i].id);
    return 0;
}

static int read_details(Evaluation *v, const char *summary, Err *e)
{
    bool there;
    const int folder = (int)(path_base(summary) - summary);
    if (strcmp(path_base(summary), "summary.json")) return 0;
    char *path = path_format(e, "%.*ssummary.yaml", folder, summary);
    int code = file_is_there(path, &there, e);
    if (!code && there) code = doc_read(&v->details, path, e);
    mem_free(path);
    return code;
}

static int evaluation_read(Evaluation *v, const char *path, Err *e)
{
    bool there;
    bool is_folder;
    TRY(folder_is_there(path, &is_folder, e));
    char *summary = is_folder ? path_format(e, "%s/summary.json", path) : mem_strdup(path, e);
    int code = file_is_there(summary, &there, e);
    if (!code && !there) {
        code = err_set(e, ERR_VALUE,
                       "%s does not exist: expected an output folder of evaluate (its -o), or a summary.json", summary);
        path_hint(e, path);
    }
    if (!code) code = doc_read(&v->summary, summary, e);
    const DocNode *cases = code ? NULL : doc_find(v->summary.root, "metric_per_case");
    if (!code && (!cases || cases->kind != DOC_SEQUENCE || !cases->count))
        code = doc_error(v->summary.root, e, "no cases under metric_per_case: expected a summary.json");
    if (!code && !doc_find(v->summary.root, "mean"))
        code = doc_error(v->summary.root, e, "no 'mean': expected a summary.json");
    if (!code) code = list_entries(v, cases, path, e);
    if (!code) code = read_details(v, summary, e);
    mem_free(summary);
    return code;
}

static const Entry *find_entry(const Evaluation *v, const char *id)
{
    const Entry wanted = {(char *)id, NULL};
    return v->count ? bsearch(&wanted, v->entries, (size_t)v->count, sizeof wanted, by_id) : NULL;
}

/* The value of a key. *hint is its position in the last mapping: if all have the same order of keys, no search is
 * needed. */
static const DocNode *find_near(const DocNode *mapping, const char *key, const DocNode **hint)
{
    const DocNode *found = *hint && !strcmp((*hint)->key, key) ? *hint : doc_find(mapping, key);
    *hint = found ? found->next : NULL;
    return found;
}

/* ---- common cases and labels ---- */

/* "…: a, b and 7 more" */
typedef struct LeftOut {
    Text names;
    int count;
} LeftOut;

static void leave_out(LeftOut *l, const char *name, const char *lacks)
{
    enum { NAMED = 20 };
    if (l->count++ < NAMED) text_add(&l->names, "%s%s (not in %s)", l->count > 1 ? ", " : "", name, lacks);
}

static void note_left_out(Comparison *c, LeftOut *l, const char *one, const char *several)
{
    if (l->count) {
        enum { NAMED = 20 };
        text_add(&c->notes, "%d %s not in all evaluations and left out: %s", l->count, l->count == 1 ? one : several,
                 l->names.data ? l->names.data : "");
        if (l->count > NAMED) text_add(&c->notes, " and %d more", l->count - NAMED);
        text_add(&c->notes, "\n");
    }
    text_free(&l->names);
}

/* Index of the first evaluation without the label, or -1. */
static int lacks_label(const Comparison *c, const Evaluation *all, const char *key)
{
    for (int i = 0; i < c->count; i++)
        if (!doc_find(doc_find(all[i].summary.root, "mean"), key)) return i;
    return -1;
}

/* Whether an evaluation before number `i` has it: then it was named already. */
static bool earlier_has_label(const Evaluation *all, int i, const char *key)
{
    while (i-- > 0)
        if (doc_find(doc_find(all[i].summary.root, "mean"), key)) return true;
    return false;
}

static int keep_common_labels(Comparison *c, const Evaluation *all, Err *e)
{
    LeftOut left_out = {0};
    const DocNode *first = doc_find(all[0].summary.root, "mean");
    c->labels = mem_zalloc((size_t)first->count, sizeof *c->labels, e);
    int code = c->labels ? 0 : ERR_NOMEM;
    for (int i = 0; i < c->count && !code; i++) {
        const DocNode *mean = doc_find(all[i].summary.root, "mean");
        for (const DocNode *label = mean->first; label && !code; label = label->next) {
            const int lacks = lacks_label(c, all, label->key);
            if (lacks >= 0 && !earlier_has_label(all, i, label->key)) leave_out(&left_out, label->key, c->names[lacks]);
            if (lacks >= 0 || i) continue;
            c->labels[c->label_count] = mem_strdup(label->key, e);
            if (!c->labels[c->label_count++]) code = ERR_NOMEM;
        }
    }
    note_left_out(c, &left_out, "label is", "labels are");
    if (code || c->label_count) return code;
    return err_set(e, ERR_VALUE, "the evaluations have no label in common");
}

static int lacks_case(const Comparison *c, const Evaluation *all, const char *id)
{
    for (int i = 0; i < c->count; i++)
        if (!find_entry(&all[i], id)) return i;
    return -1;
}

static bool earlier_has_case(const Evaluation *all, int i, const char *id)
{
    while (i-- > 0)
        if (find_entry(&all[i], id)) return true;
    return false;
}

static int keep_common_cases(Comparison *c, const Evaluation *all, Err *e)
{
    LeftOut left_out = {0};
    c->cases = mem_zalloc((size_t)all[0].count, sizeof *c->cases, e);
    int code = c->cases ? 0 : ERR_NOMEM;
    for (int i = 0; i < c->count && !code; i++) {
        for (int k = 0; k < all[i].count && !code; k++) {
            const char *id = all[i].entries[k].id;
            const int lacks = lacks_case(c, all, id);
            if (lacks >= 0 && !earlier_has_case(all, i, id)) leave_out(&left_out, id, c->names[lacks]);
            if (lacks >= 0 || i) continue;
            c->cases[c->case_count] = mem_strdup(id, e);
            if (!c->cases[c->case_count++]) code = ERR_NOMEM;
        }
    }
    note_left_out(c, &left_out, "case is", "cases are");
    if (code || c->case_count) return code;
    return err_set(e, ERR_VALUE, "the evaluations have no case in common");
}

/* ---- names of the labels ---- */

static const DocNode *detail(const Evaluation *v, const char *label, const char *key)
{
    const DocNode *labels = v->details.root ? doc_find(v->details.root, "labels") : NULL;
    const DocNode *one = labels ? doc_find(labels, label) : NULL;
    return one ? doc_find(one, key) : NULL;
}

/* The name of a label without one is its key. */
static const char *name_of(const Evaluation *v, const char *label)
{
    const DocNode *name = detail(v, label, "name");
    return name && name->text && strcmp(name->text, label) ? name->text : NULL;
}

static int expect_same_names(const Comparison *c, const Evaluation *all, const char *label, Err *e)
{
    int named = -1;
    for (int i = 0; i < c->count; i++) {
        const char *name = name_of(&all[i], label), *first = named < 0 ? name : name_of(&all[named], label);
        if (name && named < 0) named = i;
        if (name && strcmp(name, first))
            return err_set(e, ERR_VALUE, "label %s is '%s' in %s, but '%s' in %s: these evaluations cannot be compared",
                           label, first, c->names[named], name, c->names[i]);
    }
    return 0;
}

/* Leaves the surface Dice out if its tolerances differ. */
static int compare_tolerances(Comparison *c, const Evaluation *all, const char *label, Err *e)
{
    double first = NAN;
    for (int i = 0; i < c->count && c->has[METRIC_NSD]; i++) {
        const DocNode *node = detail(&all[i], label, "tolerance_mm");
        double tolerance = NAN;
        if (node) TRY(doc_get_double(node, &tolerance, e));
        if (isnan(first)) first = tolerance;
        if (isnan(tolerance) || tolerance == first) continue;
        c->has[METRIC_NSD] = false;
        text_add(&c->notes, "NSD is left out: the tolerance of label %s is %g mm in %s and %g mm in another\n", label,
                 tolerance, c->names[i], first);
    }
    return 0;
}

/* ---- values ---- */

static int take_case(Comparison *c, int evaluation, int index, const DocNode *one, Err *e)
{
    const DocNode *metrics = doc_find(one, "metrics"), *hint = metrics ? metrics->first : NULL;
    for (int label = 0; label < c->label_count; label++) {
        const DocNode *row = metrics ? find_near(metrics, c->labels[label], &hint) : NULL;
        if (!row) return doc_error(one, e, "the case has no metrics of label %s", c->labels[label]);
        for (int m = 0; m < METRIC_COUNT; m++) {
            const DocNode *value = doc_find(row, metric_info[m].key);
            double *to = comparison_values(c, evaluation, m, label) + index;
            *to = NAN;
            if (value) TRY(doc_get_double(value, to, e));
            else c->has[m] = false;
        }
    }
    return 0;
}

/* The number of voxels of the reference with the label, or of all. */
static double reference_voxels(const Comparison *c, int evaluation, int label, int index, bool all)
{
    double sum = 0;
    static const Metric counts[] = {METRIC_TP, METRIC_FN, METRIC_FP, METRIC_TN};
    for (int k = 0; k < (all ? 4 : 2); k++) sum += comparison_values(c, evaluation, counts[k], label)[index];
    return sum;
}

/* Checks that the references are the same: they must have equal numbers of voxels in every case and label. */
static int expect_same_references(const Comparison *c, Err *e)
{
    for (int i = 1; i < c->count; i++)
        for (int label = 0; label < c->label_count; label++)
            for (int k = 0; k < 2 * c->case_count; k++) {
                const bool all = k % 2;
                const double first = reference_voxels(c, 0, label, k / 2, all);
                const double other = reference_voxels(c, i, label, k / 2, all);
                if (first == other || isnan(first) || isnan(other)) continue;
                return err_set(e, ERR_VALUE,
                               "case %s: its reference has %.0f voxels%s%s in %s, but %.0f in %s: they were evaluated "
                               "against other references; evaluate both against the same",
                               c->cases[k / 2], first, all ? "" : " of label ", all ? "" : c->labels[label],
                               c->names[0], other, c->names[i]);
            }
    return 0;
}

static int take_values(Comparison *c, const Evaluation *all, Err *e)
{
    const size_t rows = mem_product((size_t)(c->count * METRIC_COUNT), (size_t)c->label_count);
    c->values = mem_alloc(mem_product(rows, (size_t)c->case_count * sizeof *c->values), e);
    if (!c->values) return ERR_NOMEM;
    for (int m = 0; m < METRIC_COUNT; m++) c->has[m] = !metric_info[m].is_count;
    for (int i = 0; i < c->count; i++)
        for (int k = 0; k < c->case_count; k++) TRY(take_case(c, i, k, find_entry(&all[i], c->cases[k])->node, e));
    for (int label = 0; label < c->label_count; label++) {
        TRY(expect_same_names(c, all, c->labels[label], e));
        TRY(compare_tolerances(c, all, c->labels[label], e));
    }
    return expect_same_references(c, e);
}

int comparison_read(Comparison *c, const char *const *paths, int count, Err *e)
{
    *c = (Comparison){.count = count};
    Evaluation *all = mem_zalloc((size_t)count, sizeof *all, e);
    int code = all ? 0 : ERR_NOMEM;
    for (int i = 0; i < count && !code; i++) {
        c->names[i] = paths[i];
        code = evaluation_read(&all[i], paths[i], e);
    }
    if (!code) code = keep_common_labels(c, all, e);
    if (!code) code = keep_common_cases(c, all, e);
    if (!code) code = take_values(c, all, e);
    if (!code) code = text_check(&c->notes, e);
    for (int i = 0; all && i < count; i++) evaluation_free(&all[i]);
    mem_free(all);
    if (code) comparison_free(c);
    return code;
}
