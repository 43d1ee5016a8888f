#include "evaluation/compare.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

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

/* Infinite distances are in no mean. */
static void leave_out_infinite(double *values, int count)
{
    for (int k = 0; k < count; k++)
        if (isinf(values[k])) values[k] = NAN;
}

int comparison_row(ComparedRow *row, const Comparison *c, int metric, int label, Err *e)
{
    double *first = mem_alloc(mem_product(2 * sizeof *first, (size_t)c->case_count), e);
    if (!first) return ERR_NOMEM;
    double *other = first + c->case_count;
    int code = 0;
    row_values(first, c, c->reference, metric, label);
    for (int i = 0; i < c->count && !code; i++) {
        row_values(other, c, i, metric, label);
        code = wilcoxon_signed_rank(&row->p[i], &row->pairs[i], other, first, c->case_count, e);
        leave_out_infinite(other, c->case_count);
        row->mean[i] = mean_without_nan(other, c->case_count);
    }
    mem_free(first);
    return code;
}

int comparison_intervals(Interval *intervals, const Comparison *c, int metric, int label, uint64_t seed, Err *e)
{
    Interval joint;
    const size_t cases = (size_t)c->case_count;
    double *values = mem_alloc(mem_product((size_t)c->count * sizeof *values, cases), e);
    if (!values) return ERR_NOMEM;
    for (int i = 0; i < c->count; i++) {
        row_values(values + (size_t)i * cases, c, i, metric, label);
        leave_out_infinite(values + (size_t)i * cases, c->case_count);
    }
    const int code = bootstrap_means(intervals, &joint, values, c->count, c->case_count, seed, e);
    mem_free(values);
    return code;
}

/* Calls add for every row of every metric that all evaluations have. */
static int each_row(const Comparison *c, void (*add)(const Comparison *, Text *, int, int, const ComparedRow *),
                    Text *out, Err *e)
{
    int code = 0;
    for (int m = 0; m < METRIC_COUNT; m++) {
        for (int label = 0; label <= c->label_count && c->has[m] && !code; label++) {
            ComparedRow row;
            code = comparison_row(&row, c, m, label, e);
            if (!code) add(c, out, m, label, &row);
        }
    }
    return code ? code : text_check(out, e);
}

static const char *label_name(const Comparison *c, int label)
{
    return label < c->label_count ? c->labels[label] : "mean";
}

/* ---- table and file ---- */

static void add_table_row(const Comparison *c, Text *out, int metric, int label, const ComparedRow *row)
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
        text_add(out, " %+9.4f ", row->mean[i] - row->mean[c->reference]);
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

static void add_csv_row(const Comparison *c, Text *out, int metric, int label, const ComparedRow *row)
{
    for (int i = 0; i < c->count; i++) {
        text_add(out, "%s,\"%s\",%d,", metric_info[metric].key, label_name(c, label), i + 1);
        text_add_double(out, row->mean[i]);
        text_add(out, ",");
        text_add_double(out, row->mean[i] - row->mean[c->reference]);
        text_add(out, ",");
        text_add_double(out, i == c->reference ? NAN : row->p[i]);
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
