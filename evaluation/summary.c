#include "evaluation/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

const MetricInfo metric_info[METRIC_COUNT] = {
    [METRIC_DICE] = {"Dice", false},     [METRIC_FN] = {"FN", true},          [METRIC_FP] = {"FP", true},
    [METRIC_IOU] = {"IoU", false},       [METRIC_TN] = {"TN", true},          [METRIC_TP] = {"TP", true},
    [METRIC_N_PRED] = {"n_pred", true},  [METRIC_N_REF] = {"n_ref", true},
};

int summary_new(Summary *s, const Structures *structures, int case_count, Err *e)
{
    *s = (Summary){.structures = structures, .case_count = case_count};
    const size_t rows = (size_t)structures->count;
    s->mean = mem_zalloc(rows, sizeof *s->mean, e);
    s->cases = mem_zalloc((size_t)case_count, sizeof *s->cases, e);
    if (!s->mean || !s->cases) goto fail;
    for (int i = 0; i < case_count; i++) {
        s->cases[i].metrics = mem_zalloc(rows, sizeof *s->cases[i].metrics, e);
        if (!s->cases[i].metrics) goto fail;
    }
    return 0;
fail:
    summary_free(s);
    return ERR_NOMEM;
}

void summary_free(Summary *s)
{
    for (int i = 0; s->cases && i < s->case_count; i++) {
        mem_free(s->cases[i].prediction_file);
        mem_free(s->cases[i].reference_file);
        mem_free(s->cases[i].metrics);
    }
    mem_free(s->cases);
    mem_free(s->mean);
    *s = (Summary){0};
}

/* Sum as NumPy forms it (pairwise_sum of its umath loops), NaN taken as 0: so that a summary.json equals
 * nnU-Net's to the last digit. */
static double pairwise_sum(const double *values, int count)
{
    double sum = 0, lane[8] = {0};
    if (count > 128) {
        const int half = count / 2 - count / 2 % 8;
        return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
    }
    int i = 0;
    for (; count >= 8 && i + 8 <= count; i += 8)
        for (int j = 0; j < 8; j++) lane[j] += isnan(values[i + j]) ? 0 : values[i + j];
    sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; i < count; i++) sum += isnan(values[i]) ? 0 : values[i];
    return sum;
}

double mean_without_nan(const double *values, int count)
{
    int valid = 0;
    for (int i = 0; i < count; i++) valid += !isnan(values[i]);
    return valid ? pairwise_sum(values, count) / valid : NAN;
}

int summary_means(Summary *s, Err *e)
{
    const int rows = s->structures->count, most = s->case_count > rows ? s->case_count : rows;
    double *values = mem_alloc((size_t)most * sizeof *values, e);
    if (!values) return ERR_NOMEM;
    for (int m = 0; m < METRIC_COUNT; m++) {
        for (int i = 0; i < rows; i++) {
            int n = 0;
            for (int c = 0; c < s->case_count; c++)
                if (s->cases[c].done) values[n++] = s->cases[c].metrics[i][m];
            s->mean[i][m] = mean_without_nan(values, n);
        }
        bool all = true;
        for (int i = 0; i < rows; i++) {
            values[i] = s->mean[i][m];
            all = all && !isnan(values[i]);
        }
        s->foreground_mean[m] = all ? mean_without_nan(values, rows) : NAN;
    }
    mem_free(values);
    return 0;
}

/* ---- summary.json, as Python's json.dump(…, indent=4, sort_keys=True) writes it ---- */

static void add_number(Text *out, double value, bool whole)
{
    if (isnan(value)) text_add(out, "NaN");
    else if (isinf(value)) text_add(out, value < 0 ? "-Infinity" : "Infinity");
    else if (whole) text_add(out, "%.0f", value);
    else if (value == rint(value) && fabs(value) < 1e16) text_add(out, "%.1f", value);
    else text_add_double(out, value);
}

static void add_line(Text *out, int indent, const char *key)
{
    text_add(out, "%*s", 4 * indent, "");
    text_add_json_string(out, key);
    text_add(out, ": ");
}

static void add_row(Text *out, int indent, const double *row, bool one_case)
{
    text_add(out, "{\n");
    for (int m = 0; m < METRIC_COUNT; m++) {
        add_line(out, indent + 1, metric_info[m].key);
        add_number(out, row[m], one_case && metric_info[m].is_count);
        text_add(out, m + 1 < METRIC_COUNT ? ",\n" : "\n");
    }
    text_add(out, "%*s}", 4 * indent, "");
}

static void add_structures(Text *out, int indent, const Summary *s, const int *order, MetricRow *rows,
                           bool one_case)
{
    const int count = s->structures->count;
    text_add(out, "{\n");
    for (int i = 0; i < count; i++) {
        add_line(out, indent + 1, s->structures->items[order[i]].key);
        add_row(out, indent + 1, rows[order[i]], one_case);
        text_add(out, i + 1 < count ? ",\n" : "\n");
    }
    text_add(out, "%*s}", 4 * indent, "");
}

static void add_case(Text *out, const Summary *s, const int *order, const CaseResult *c)
{
    text_add(out, "        {\n");
    add_line(out, 3, "metrics");
    add_structures(out, 3, s, order, c->metrics, true);
    text_add(out, ",\n");
    add_line(out, 3, "prediction_file");
    text_add_json_string(out, c->prediction_file);
    text_add(out, ",\n");
    add_line(out, 3, "reference_file");
    text_add_json_string(out, c->reference_file);
    text_add(out, "\n        }");
}

/* Python sorts the keys as strings: "1", "10", "2". */
static void sort_by_key(int *order, const Structures *s)
{
    for (int i = 0; i < s->count; i++) {
        int at = i;
        for (; at > 0 && strcmp(s->items[order[at - 1]].key, s->items[i].key) > 0; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

int summary_write_json(const Summary *s, const char *path, Err *e)
{
    Text out = {0};
    int code = ERR_NOMEM;
    int *order = mem_alloc((size_t)s->structures->count * sizeof *order, e);
    if (!order) goto done;
    sort_by_key(order, s->structures);
    text_add(&out, "{\n    \"foreground_mean\": ");
    add_row(&out, 1, s->foreground_mean, false);
    text_add(&out, ",\n    \"mean\": ");
    add_structures(&out, 1, s, order, s->mean, false);
    text_add(&out, ",\n    \"metric_per_case\": [");
    const char *separator = "\n";
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        text_add(&out, "%s", separator);
        add_case(&out, s, order, &s->cases[c]);
        separator = ",\n";
    }
    text_add(&out, "\n    ]\n}");
    code = text_check(&out, e);
    if (!code) code = file_put(path, out.data, out.length, e);
done:
    mem_free(order);
    text_free(&out);
    return code;
}

/* ---- the table for a terminal ---- */

static const CaseResult *worst_case(const Summary *s, int structure)
{
    const CaseResult *worst = NULL;
    for (int c = 0; c < s->case_count; c++) {
        const CaseResult *one = &s->cases[c];
        if (!one->done || isnan(one->metrics[structure][METRIC_DICE])) continue;
        if (!worst || one->metrics[structure][METRIC_DICE] < worst->metrics[structure][METRIC_DICE])
            worst = one;
    }
    return worst;
}

static void add_columns(Text *out, const double *row)
{
    text_add(out, " %7.4f %7.4f %11.1f %11.1f %11.1f %11.1f", row[METRIC_DICE], row[METRIC_IOU],
             row[METRIC_TP], row[METRIC_FP], row[METRIC_FN], row[METRIC_N_REF]);
}

static int name_width(const Structures *s)
{
    int width = (int)strlen("foreground mean");
    for (int i = 0; i < s->count; i++) {
        const int used = (int)(strlen(s->items[i].key) + 1 + strlen(s->items[i].name));
        if (used > width) width = used;
    }
    return width;
}

void summary_add_table(const Summary *s, Text *out)
{
    const int width = name_width(s->structures);
    text_add(out, "%-*s %7s %7s %11s %11s %11s %11s  %s\n", width, "mean over cases", "Dice", "IoU", "TP",
             "FP", "FN", "n_ref", "lowest Dice");
    for (int i = 0; i < s->structures->count; i++) {
        const Structure *structure = &s->structures->items[i];
        const int used = (int)strlen(structure->key) + 1;
        text_add(out, "%s %-*s", structure->key, width - used, structure->name);
        add_columns(out, s->mean[i]);
        const CaseResult *worst = worst_case(s, i);
        if (worst)
            text_add(out, "  %.4f %s", worst->metrics[i][METRIC_DICE], path_base(worst->prediction_file));
        text_add(out, "\n");
    }
    text_add(out, "%-*s", width, "foreground mean");
    add_columns(out, s->foreground_mean);
    text_add(out, "\n");
}
