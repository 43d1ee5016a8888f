#include "evaluation/summary.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/statistics.h"
#include "plans/yaml.h"

const MetricInfo metric_info[METRIC_COUNT] = {
    [METRIC_ASD] = {"ASD", false, false},      [METRIC_DICE] = {"Dice", false, true},
    [METRIC_FN] = {"FN", true, true},          [METRIC_FP] = {"FP", true, true},
    [METRIC_HD] = {"HD", false, false},        [METRIC_HD95] = {"HD95", false, false},
    [METRIC_IOU] = {"IoU", false, true},       [METRIC_NSD] = {"NSD", false, false},
    [METRIC_TN] = {"TN", true, true},          [METRIC_TP] = {"TP", true, true},
    [METRIC_VD] = {"VD", false, false},        [METRIC_N_PRED] = {"n_pred", true, true},
    [METRIC_N_REF] = {"n_ref", true, true},
};

bool summary_has(const Summary *s, Metric m) { return metric_info[m].by_nnunet || !s->only_overlap; }

int summary_new(Summary *s, const Structures *structures, const Pairs *pairs, Err *e)
{
    *s = (Summary){.structures = structures, .case_count = pairs->count};
    const size_t rows = (size_t)structures->count;
    s->mean = mem_zalloc(rows, sizeof *s->mean, e);
    s->cases = mem_zalloc((size_t)pairs->count, sizeof *s->cases, e);
    if (!s->mean || !s->cases) goto fail;
    for (int i = 0; i < pairs->count; i++) {
        s->cases[i].prediction_file = pairs->items[i].prediction;
        s->cases[i].reference_file = pairs->items[i].reference;
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
    for (int i = 0; s->cases && i < s->case_count; i++) mem_free(s->cases[i].metrics);
    mem_free(s->cases);
    mem_free(s->mean);
    *s = (Summary){0};
}

int summary_means(Summary *s, Err *e)
{
    const int rows = s->structures->count, most = s->case_count > rows ? s->case_count : rows;
    double *values = mem_alloc((size_t)most * sizeof *values, e);
    if (!values) return ERR_NOMEM;
    for (int m = 0; m < METRIC_COUNT; m++) {
        for (int i = 0; i < rows; i++) {
            int n = 0;
            for (int c = 0; c < s->case_count; c++) {
                const double value = s->cases[c].metrics[i][m];
                if (s->cases[c].done) values[n++] = isinf(value) ? NAN : value;
            }
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

/* ---- summary.json ---- */

static void put_row(DocWriter *w, const char *key, const Summary *s, const double *row, bool one_case)
{
    doc_open(w, key, DOC_MAPPING, false);
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!summary_has(s, (Metric)m)) continue;
        if (one_case && metric_info[m].is_count) doc_put_int(w, metric_info[m].key, (int64_t)row[m]);
        else doc_put_double(w, metric_info[m].key, row[m]);
    }
    doc_close(w);
}

static void put_structures(DocWriter *w, const char *key, const Summary *s, const int *order, MetricRow *rows,
                           bool one_case)
{
    doc_open(w, key, DOC_MAPPING, false);
    for (int i = 0; i < s->structures->count; i++)
        put_row(w, s->structures->items[order[i]].key, s, rows[order[i]], one_case);
    doc_close(w);
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
    int *order = mem_alloc((size_t)s->structures->count * sizeof *order, e);
    if (!order) return ERR_NOMEM;
    sort_by_key(order, s->structures);
    DocWriter w = {.json = true};
    doc_open(&w, NULL, DOC_MAPPING, false);
    put_row(&w, "foreground_mean", s, s->foreground_mean, false);
    put_structures(&w, "mean", s, order, s->mean, false);
    doc_open(&w, "metric_per_case", DOC_SEQUENCE, false);
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        doc_open(&w, NULL, DOC_MAPPING, false);
        put_structures(&w, "metrics", s, order, s->cases[c].metrics, true);
        doc_put_string(&w, "prediction_file", s->cases[c].prediction_file);
        doc_put_string(&w, "reference_file", s->cases[c].reference_file);
        doc_close(&w);
    }
    doc_close(&w);
    doc_close(&w);
    mem_free(order);
    return doc_finish(&w, path, e);
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

static void add_columns(Text *out, const Summary *s, const double *row)
{
    text_add(out, " %7.4f %7.4f", row[METRIC_DICE], row[METRIC_IOU]);
    if (!s->only_overlap)
        text_add(out, " %7.4f %8.3f %8.3f %8.3f", row[METRIC_NSD], row[METRIC_HD95], row[METRIC_HD],
                 row[METRIC_ASD]);
    text_add(out, " %11.1f %11.1f", row[METRIC_N_REF], row[METRIC_N_PRED]);
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
    text_add(out, "%-*s %7s %7s", width, "mean over cases", "Dice", "IoU");
    if (!s->only_overlap) text_add(out, " %7s %8s %8s %8s", "NSD", "HD95", "HD", "ASD");
    text_add(out, " %11s %11s  %s\n", "n_ref", "n_pred", "lowest Dice");
    for (int i = 0; i < s->structures->count; i++) {
        const Structure *structure = &s->structures->items[i];
        const int used = (int)strlen(structure->key) + 1;
        text_add(out, "%s %-*s", structure->key, width - used, structure->name);
        add_columns(out, s, s->mean[i]);
        const CaseResult *worst = worst_case(s, i);
        if (worst)
            text_add(out, "  %.4f %s", worst->metrics[i][METRIC_DICE], path_base(worst->prediction_file));
        text_add(out, "\n");
    }
    text_add(out, "%-*s", width, "foreground mean");
    add_columns(out, s, s->foreground_mean);
    text_add(out, "\n");
}
