#include "evaluation/compare.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/statistics.h"

void comparison_free(Comparison *c)
{
    for (int i = 0; i < c->label_count; i++) mem_free(c->labels[i]);
    for (int i = 0; i < c->case_count; i++) mem_free(c->cases[i]);
    mem_free(c->labels);
    mem_free(c->cases);
    mem_free(c->values);
    text_free(&c->notes);
    *c = (Comparison){0};
}

double *comparison_values(const Comparison *c, int evaluation, int metric, int label)
{
    const int64_t row = ((int64_t)evaluation * METRIC_COUNT + metric) * c->label_count + label;
    return c->values + row * c->case_count;
}

/* ---- one row: a metric of a label, or of the mean over labels ---- */

typedef struct Row {
    double mean[COMPARE_MOST], p[COMPARE_MOST];
    int pairs[COMPARE_MOST];
} Row;

/* The values of a row by case: those of a label, or (label == label_count) the means over labels. */
static void row_values(double *out, const Comparison *c, int evaluation, int metric, int label)
{
    for (int k = 0; k < c->case_count; k++) {
        double sum = 0;
        int count = 0;
        for (int i = 0; i < c->label_count; i++) {
            const double value = comparison_values(c, evaluation, metric, i)[k];
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
static int each_row(const Comparison *c, void (*add)(const Comparison *, Text *, int, int, const Row *), Text *out,
                    Err *e)
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
    text_add(out, "%d case%s that all evaluations have\n", c->case_count, c->case_count == 1 ? "" : "s");
    for (int i = 0; i < c->count; i++) text_add(out, "[%d] %s\n", i + 1, c->names[i]);
    if (c->notes.length) text_add(out, "%s", c->notes.data);
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
