#include "evaluation/compare.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "evaluation/statistics.h"
#include "plans/yaml.h"

/* ---- reading ---- */

static int read_summary(Doc *doc, const char *path, Err *e)
{
    char *inside = file_is_folder(path) ? path_format(e, "%s/summary.json", path) : mem_strdup(path, e);
    if (!inside) return ERR_NOMEM;
    const int code = doc_read(doc, inside, e);
    mem_free(inside);
    if (code) return code;
    const DocNode *cases = doc_find(doc->root, "metric_per_case");
    if (!cases || cases->kind != DOC_SEQUENCE || !cases->count)
        return doc_error(doc->root, e, "no cases under metric_per_case: expected a summary.json");
    return 0;
}

/* The case's id: the prediction's file name without its ending. Owned by the caller. */
static char *case_id(const DocNode *one, Err *e)
{
    const DocNode *file = doc_find(one, "prediction_file");
    const char *name = file && file->text ? path_base(file->text) : "";
    const char *ending = image_ending(name);
    return path_format(e, "%.*s", ending ? (int)(ending - name) : (int)strlen(name), name);
}

static int find_case(const DocNode **found, const Doc *doc, const char *id, Err *e)
{
    *found = NULL;
    const DocNode *one = doc_find(doc->root, "metric_per_case")->first;
    for (; one && !*found; one = one->next) {
        char *other = case_id(one, e);
        if (!other) return ERR_NOMEM;
        if (!strcmp(other, id)) *found = one;
        mem_free(other);
    }
    return 0;
}

static int keep_common_labels(Comparison *c, const Doc *docs, Err *e)
{
    const DocNode *first = doc_find(docs[0].root, "mean");
    if (!first) return doc_error(docs[0].root, e, "no 'mean': expected a summary.json");
    c->labels = mem_zalloc((size_t)first->count, sizeof *c->labels, e);
    if (!c->labels) return ERR_NOMEM;
    for (const DocNode *label = first->first; label; label = label->next) {
        int others = 1;
        while (others < c->count && doc_find(doc_find(docs[others].root, "mean"), label->key)) others++;
        if (others < c->count) continue;
        c->labels[c->label_count] = mem_strdup(label->key, e);
        if (!c->labels[c->label_count++]) return ERR_NOMEM;
    }
    return c->label_count ? 0 : err_set(e, ERR_VALUE, "the evaluations have no label in common");
}

static int keep_common_cases(Comparison *c, const Doc *docs, Err *e)
{
    const DocNode *cases = doc_find(docs[0].root, "metric_per_case");
    c->cases = mem_zalloc((size_t)cases->count, sizeof *c->cases, e);
    if (!c->cases) return ERR_NOMEM;
    for (const DocNode *one = cases->first; one; one = one->next) {
        const DocNode *found = one;
        char *id = case_id(one, e);
        if (!id) return ERR_NOMEM;
        c->cases[c->case_count++] = id;
        for (int i = 1; i < c->count && found; i++) TRY(find_case(&found, &docs[i], id, e));
        if (found) continue;
        mem_free(c->cases[--c->case_count]);
        c->left_out++;
    }
    return c->case_count ? 0 : err_set(e, ERR_VALUE, "the evaluations have no case in common");
}

static double *values_of(const Comparison *c, int evaluation, int metric, int label)
{
    const int64_t row = ((int64_t)evaluation * METRIC_COUNT + metric) * c->label_count + label;
    return c->values + row * c->case_count;
}

static int take_case(Comparison *c, int evaluation, int index, const DocNode *one, Err *e)
{
    const DocNode *metrics = doc_find(one, "metrics");
    for (int label = 0; label < c->label_count; label++) {
        const DocNode *row = doc_find(metrics, c->labels[label]);
        if (!row) return doc_error(one, e, "the case has no metrics of label %s", c->labels[label]);
        for (int m = 0; m < METRIC_COUNT; m++) {
            const DocNode *value = doc_find(row, metric_info[m].key);
            double *to = values_of(c, evaluation, m, label) + index;
            *to = NAN;
            if (value) TRY(doc_get_double(value, to, e));
            else c->has[m] = false;
        }
    }
    return 0;
}

static int take_values(Comparison *c, const Doc *docs, Err *e)
{
    const size_t rows = mem_product((size_t)(c->count * METRIC_COUNT), (size_t)c->label_count);
    c->values = mem_alloc(mem_product(rows, (size_t)c->case_count * sizeof *c->values), e);
    if (!c->values) return ERR_NOMEM;
    for (int m = 0; m < METRIC_COUNT; m++) c->has[m] = !metric_info[m].is_count;
    for (int i = 0; i < c->count; i++) {
        for (int k = 0; k < c->case_count; k++) {
            const DocNode *one;
            TRY(find_case(&one, &docs[i], c->cases[k], e));
            TRY(take_case(c, i, k, one, e));
        }
    }
    return 0;
}

int comparison_read(Comparison *c, const char *const *paths, int count, Err *e)
{
    Doc docs[COMPARE_MOST] = {{0}};
    *c = (Comparison){.count = count};
    int code = 0;
    for (int i = 0; i < count && !code; i++) {
        c->names[i] = paths[i];
        code = read_summary(&docs[i], paths[i], e);
    }
    if (!code) code = keep_common_labels(c, docs, e);
    if (!code) code = keep_common_cases(c, docs, e);
    if (!code) code = take_values(c, docs, e);
    for (int i = 0; i < count; i++) doc_free(&docs[i]);
    if (code) comparison_free(c);
    return code;
}

void comparison_free(Comparison *c)
{
    for (int i = 0; i < c->label_count; i++) mem_free(c->labels[i]);
    for (int i = 0; i < c->case_count; i++) mem_free(c->cases[i]);
    mem_free(c->labels);
    mem_free(c->cases);
    mem_free(c->values);
    *c = (Comparison){0};
}

/* ---- one row: a metric of a label, or of the mean over labels ---- */

typedef struct Row {
    double mean[COMPARE_MOST], p[COMPARE_MOST];
    int pairs[COMPARE_MOST];
} Row;

/* The values of a row by case: a label's, or (label == label_count) each case's mean over labels. */
static void row_values(double *out, const Comparison *c, int evaluation, int metric, int label)
{
    for (int k = 0; k < c->case_count; k++) {
        double sum = 0;
        int count = 0;
        for (int i = 0; i < c->label_count; i++) {
            const double value = values_of(c, evaluation, metric, i)[k];
            if (isnan(value) || (label < c->label_count && label != i)) continue;
            sum += value;
            count++;
        }
        out[k] = count ? sum / count : NAN;
    }
}

/* scratch (3, cases) */
static int make_row(Row *row, const Comparison *c, int metric, int label, double *scratch, Err *e)
{
    double *first = scratch, *other = scratch + c->case_count, *finite = other + c->case_count;
    row_values(first, c, 0, metric, label);
    for (int i = 0; i < c->count; i++) {
        row_values(other, c, i, metric, label);
        for (int k = 0; k < c->case_count; k++) finite[k] = isinf(other[k]) ? NAN : other[k];
        row->mean[i] = mean_without_nan(finite, c->case_count);
        TRY(wilcoxon_signed_rank(&row->p[i], &row->pairs[i], other, first, c->case_count, e));
    }
    return 0;
}

/* Calls add for every row of every metric that all evaluations have. */
static int each_row(const Comparison *c, void (*add)(const Comparison *, Text *, int, int, const Row *),
                    Text *out, Err *e)
{
    double *scratch = mem_alloc(mem_product(3 * sizeof *scratch, (size_t)c->case_count), e);
    int code = scratch ? 0 : ERR_NOMEM;
    for (int m = 0; m < METRIC_COUNT; m++) {
        for (int label = 0; label <= c->label_count && c->has[m] && !code; label++) {
            Row row;
            code = make_row(&row, c, m, label, scratch, e);
            if (!code) add(c, out, m, label, &row);
        }
    }
    mem_free(scratch);
    return code ? code : text_check(out, e);
}

static const char *label_name(const Comparison *c, int label)
{
    return label < c->label_count ? c->labels[label] : "mean";
}

/* ---- table and file ---- */

static void add_table_row(const Comparison *c, Text *out, int metric, int label, const Row *row)
{
    if (label == 0) {
        text_add(out, "\n%-12s", metric_info[metric].key);
        for (int i = 0; i < c->count; i++) {
            text_add(out, " %9s[%d]", "", i + 1);
            if (i) text_add(out, " %9s %8s", "- [1]", "p");
        }
        text_add(out, "\n");
    }
    text_add(out, "%-12s", label_name(c, label));
    for (int i = 0; i < c->count; i++) {
        text_add(out, " %12.4f", row->mean[i]);
        if (!i) continue;
        text_add(out, " %+9.4f ", row->mean[i] - row->mean[0]);
        if (isnan(row->p[i])) text_add(out, "%8s", "-"); /* no pair differs */
        else text_add(out, row->p[i] < 1e-3 ? "%8.1e" : "%8.4f", row->p[i]);
    }
    text_add(out, "\n");
}

int comparison_add_table(const Comparison *c, Text *out, Err *e)
{
    text_add(out, "%d cases that all evaluations have\n", c->case_count);
    for (int i = 0; i < c->count; i++) text_add(out, "[%d] %s\n", i + 1, c->names[i]);
    return each_row(c, add_table_row, out, e);
}

static void add_csv_row(const Comparison *c, Text *out, int metric, int label, const Row *row)
{
    for (int i = 0; i < c->count; i++) {
        text_add(out, "%s,\"%s\",%d,", metric_info[metric].key, label_name(c, label), i + 1);
        text_add_double(out, row->mean[i]);
        text_add(out, ",");
        text_add_double(out, row->mean[i] - row->mean[0]);
        text_add(out, ",");
        text_add_double(out, i ? row->p[i] : NAN);
        text_add(out, ",%d\n", row->pairs[i]);
    }
}

int comparison_write_csv(const Comparison *c, const char *path, Err *e)
{
    Text out = {0};
    text_add(&out, "metric,label,evaluation,mean,difference,p,pairs\n");
    int code = each_row(c, add_csv_row, &out, e);
    if (!code) code = file_put(path, out.data, out.length, e);
    text_free(&out);
    return code;
}
