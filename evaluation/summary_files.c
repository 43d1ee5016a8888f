#include "evaluation/summary_files.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/yaml.h"

/* ---- summary.json ---- */

static void put_means(DocWriter *w, const char *key, const Summary *s, const Mean *row)
{
    doc_open(w, key, DOC_MAPPING, false);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (summary_has(s, (Metric)m)) doc_put_double(w, metric_info[m].key, row[m].value);
    doc_close(w);
}

static void put_metrics(DocWriter *w, const char *key, const Summary *s, const double *row)
{
    doc_open(w, key, DOC_MAPPING, false);
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!summary_has(s, (Metric)m)) continue;
        if (metric_info[m].is_count) doc_put_int(w, metric_info[m].key, (int64_t)row[m]);
        else doc_put_double(w, metric_info[m].key, row[m]);
    }
    doc_close(w);
}

static void put_case(DocWriter *w, const Summary *s, const int *order, const CaseResult *c)
{
    doc_open(w, NULL, DOC_MAPPING, false);
    doc_open(w, "metrics", DOC_MAPPING, false);
    for (int i = 0; i < s->structures->count; i++)
        put_metrics(w, s->structures->items[order[i]].key, s, c->metrics[order[i]]);
    doc_close(w);
    if (c->notes.length) doc_put_string(w, "notes", c->notes.data);
    doc_put_string(w, "prediction_file", c->prediction_file);
    doc_put_string(w, "reference_file", c->reference_file);
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
    put_means(&w, "foreground_mean", s, s->foreground_mean);
    doc_open(&w, "mean", DOC_MAPPING, false);
    for (int i = 0; i < s->structures->count; i++)
        put_means(&w, s->structures->items[order[i]].key, s, s->mean[order[i]]);
    doc_close(&w);
    doc_open(&w, "metric_per_case", DOC_SEQUENCE, false);
    for (int c = 0; c < s->case_count; c++)
        if (s->cases[c].done) put_case(&w, s, order, &s->cases[c]);
    doc_close(&w);
    doc_close(&w);
    mem_free(order);
    return doc_finish(&w, path, e);
}

/* ---- summary.yaml ---- */

static void put_mean(DocWriter *w, const char *key, const Mean *mean, bool has_interval)
{
    doc_open(w, key, DOC_MAPPING, true);
    doc_put_double(w, "mean", mean->value);
    if (has_interval) {
        doc_put_double(w, "low", mean->interval.low);
        doc_put_double(w, "high", mean->interval.high);
    }
    doc_close(w);
}

static void put_all_means(DocWriter *w, const Summary *s, const Mean *row)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (summary_has(s, (Metric)m)) put_mean(w, metric_info[m].key, &row[m], !metric_info[m].is_count);
}

static void put_instances(DocWriter *w, const Summary *s)
{
    doc_open(w, "instances", DOC_MAPPING, false);
    for (int t = 0; t < INSTANCE_THRESHOLDS; t++) {
        char key[16];
        snprintf(key, sizeof key, "IoU %.1f", instance_thresholds[t]);
        doc_open(w, key, DOC_MAPPING, false);
        for (int k = 0; k < INSTANCE_METRICS; k++)
            put_mean(w, instance_metric_keys[k], &s->instance_mean[k][t], true);
        doc_close(w);
    }
    doc_close(w);
}

static void put_notes(DocWriter *w, const Summary *s)
{
    doc_open(w, "notes", DOC_MAPPING, false);
    for (int c = 0; c < s->case_count; c++)
        if (s->cases[c].notes.length) doc_put_string(w, s->cases[c].id, s->cases[c].notes.data);
    doc_close(w);
}

int summary_write_yaml(const Summary *s, const char *path, Err *e)
{
    int done = 0;
    for (int c = 0; c < s->case_count; c++) done += s->cases[c].done;
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_put_int(&w, "format", 1);
    doc_put_int(&w, "cases", done);
    doc_put_int(&w, "failed_cases", s->case_count - done);
    doc_open(&w, "foreground_mean", DOC_MAPPING, false);
    put_all_means(&w, s, s->foreground_mean);
    doc_close(&w);
    doc_open(&w, "labels", DOC_MAPPING, false);
    for (int i = 0; i < s->structures->count; i++) {
        const Structure *structure = &s->structures->items[i];
        const Lost lost = summary_lost(s, i);
        doc_open(&w, structure->key, DOC_MAPPING, false);
        doc_put_string(&w, "name", structure->name);
        doc_put_int(&w, "missed", lost.missed);
        doc_put_int(&w, "invented", lost.invented);
        if (!s->only_overlap) doc_put_double(&w, "tolerance_mm", structure->tolerance_mm);
        put_all_means(&w, s, s->mean[i]);
        doc_close(&w);
    }
    doc_close(&w);
    put_notes(&w, s);
    if (s->has_instances) put_instances(&w, s);
    doc_close(&w);
    return doc_finish(&w, path, e);
}

/* ---- CSV (RFC 4180, but lines end in a line feed) ---- */

static void add_field(Text *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        text_add(out, "%s", text);
        return;
    }
    text_add(out, "\"");
    for (; *text; text++) text_add(out, "%s%c", *text == '"' ? "\"" : "", *text);
    text_add(out, "\"");
}

static int put_csv(Text *out, const char *path, Err *e)
{
    int code = text_check(out, e);
    if (!code) code = file_put(path, out->data, out->length, e);
    text_free(out);
    return code;
}

int summary_write_csv(const Summary *s, const char *path, Err *e)
{
    Text out = {0};
    text_add(&out, "case,label,name");
    for (int m = 0; m < METRIC_COUNT; m++)
        if (summary_has(s, (Metric)m)) text_add(&out, ",%s", metric_info[m].key);
    text_add(&out, ",notes\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        for (int i = 0; i < s->structures->count; i++) {
            const Structure *structure = &s->structures->items[i];
            const char *const fields[] = {s->cases[c].id, structure->key, structure->name};
            for (int f = 0; f < 3; f++) {
                if (f) text_add(&out, ",");
                add_field(&out, fields[f]);
            }
            for (int m = 0; m < METRIC_COUNT; m++) {
                if (!summary_has(s, (Metric)m)) continue;
                text_add(&out, ",");
                if (metric_info[m].is_count) text_add(&out, "%.0f", s->cases[c].metrics[i][m]);
                else text_add_double(&out, s->cases[c].metrics[i][m]);
            }
            text_add(&out, ",");
            if (s->cases[c].notes.length) add_field(&out, s->cases[c].notes.data);
            text_add(&out, "\n");
        }
    }
    return put_csv(&out, path, e);
}

int summary_write_instance_csv(const Summary *s, const char *path, Err *e)
{
    Text out = {0};
    text_add(&out, "case,IoU,TP,FP,FN");
    for (int k = 0; k < INSTANCE_METRICS; k++) text_add(&out, ",%s", instance_metric_keys[k]);
    text_add(&out, "\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        for (int t = 0; t < INSTANCE_THRESHOLDS; t++) {
            const InstanceScore *score = &s->cases[c].instances.at[t];
            add_field(&out, s->cases[c].id);
            text_add(&out, ",%.1f,%lld,%lld,%lld", instance_thresholds[t], (long long)score->tp,
                     (long long)score->fp, (long long)score->fn);
            for (int k = 0; k < INSTANCE_METRICS; k++) {
                text_add(&out, ",");
                text_add_double(&out, instance_metric(score, k));
            }
            text_add(&out, "\n");
        }
    }
    return put_csv(&out, path, e);
}

static void add_scores(Text *out, Paper paper, const PaperScores *scores)
{
    for (int k = 0; k < 2 * paper_columns(paper); k++) {
        const int column = k % paper_columns(paper);
        text_add(out, ",");
        text_add_double(out, k < paper_columns(paper) ? scores->dsc[column] : scores->nsd[column]);
    }
    text_add(out, "\n");
}

int summary_write_paper_csv(const Summary *s, const char *path, Err *e)
{
    Text out = {0};
    const int columns = paper_columns(s->paper);
    text_add(&out, "Name");
    for (int k = 0; k < 2 * columns; k++) {
        const char *name = paper_column(s->paper, k % columns);
        text_add(&out, ",%s%s%s", name, *name ? "_" : "", k < columns ? "DSC" : "NSD");
    }
    text_add(&out, "\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        add_field(&out, path_base(s->cases[c].prediction_file));
        add_scores(&out, s->paper, &s->cases[c].paper);
    }
    text_add(&out, "mean");
    add_scores(&out, s->paper, &s->paper_mean);
    return put_csv(&out, path, e);
}
