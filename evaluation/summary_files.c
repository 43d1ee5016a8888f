#include "evaluation/summary_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "formats/yaml.h"

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

static int by_key(const void *a, const void *b)
{
    return strcmp((*(Structure *const *)a)->key, (*(Structure *const *)b)->key);
}

/* The structures' indices as Python sorts the keys: as strings, "1", "10", "2". Owned by the caller; NULL for lack of
 * memory. */
static int *sort_by_key(const Structures *s)
{
    const Structure **sorted = mem_alloc((size_t)s->count * sizeof *sorted, NULL);
    int *order = sorted ? mem_alloc((size_t)s->count * sizeof *order, NULL) : NULL;
    for (int i = 0; i < s->count && order; i++) sorted[i] = &s->items[i];
    if (order) qsort(sorted, (size_t)s->count, sizeof *sorted, by_key);
    for (int i = 0; i < s->count && order; i++) order[i] = (int)(sorted[i] - s->items);
    mem_free(sorted);
    return order;
}

/* ---- cases that are not in the means: for both files ---- */

static void put_missing(DocWriter *w, const Summary *s)
{
    doc_open(w, "missing_predictions", DOC_SEQUENCE, false);
    for (int i = 0; i < s->missing_count; i++) doc_put_string(w, NULL, s->missing[i]);
    doc_close(w);
}

static void put_extra(DocWriter *w, const Summary *s)
{
    doc_open(w, "extra_predictions", DOC_SEQUENCE, false);
    for (int c = 0; c < s->case_count; c++)
        if (!s->cases[c].reference_file) doc_put_string(w, NULL, s->cases[c].id);
    doc_close(w);
}

/* Notes of the cases that are done, or the reasons why others are not. */
static void put_notes(DocWriter *w, const char *key, const Summary *s, bool done)
{
    doc_open(w, key, DOC_MAPPING, false);
    for (int c = 0; c < s->case_count; c++) {
        const CaseResult *one = &s->cases[c];
        if (one->done == done && (!done || one->notes.length))
            doc_put_string(w, one->id, one->notes.length ? one->notes.data : NULL);
    }
    doc_close(w);
}

static void put_absent(DocWriter *w, const Summary *s)
{
    doc_open(w, "absent_labels", DOC_SEQUENCE, false);
    for (int i = 0; i < s->structures->count; i++)
        if (s->absent[i]) doc_put_string(w, NULL, s->structures->items[i].key);
    doc_close(w);
}

void summary_add_json(const Summary *s, Text *out)
{
    DocWriter w = {.json = true};
    int *order = sort_by_key(s->structures);
    if (!order) {
        out->failed = true;
        return;
    }
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
    /* Keys that nnU-Net does not have, only if they are not empty. */
    if (s->note) doc_put_string(&w, "note", s->note);
    if (s->absent_count) put_absent(&w, s);
    if (summary_extra(s)) put_extra(&w, s);
    if (summary_done(s) < s->case_count) put_notes(&w, "failed_cases", s, false);
    if (s->missing_count) put_missing(&w, s);
    doc_close(&w);
    mem_free(order);
    doc_finish_text(&w, out);
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
        for (int k = 0; k < INSTANCE_METRICS; k++) put_mean(w, instance_metric_keys[k], &s->instance_mean[k][t], true);
        doc_close(w);
    }
    doc_close(w);
}

static void put_label(DocWriter *w, const Summary *s, int index)
{
    const Structure *structure = &s->structures->items[index];
    const Lost lost = summary_lost(s, index);
    doc_open(w, structure->key, DOC_MAPPING, false);
    doc_put_string(w, "name", structure->name);
    doc_put_int(w, "missed", lost.missed);
    doc_put_int(w, "invented", lost.invented);
    if (!s->only_overlap) doc_put_double(w, "tolerance_mm", structure->tolerance_mm);
    put_all_means(w, s, s->mean[index]);
    doc_close(w);
}

void summary_add_yaml(const Summary *s, Text *out)
{
    const int done = summary_done(s);
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_put_int(&w, "format", 1);
    doc_put_string(&w, "references", s->references);
    doc_put_string(&w, "predictions", s->predictions);
    doc_put_string(&w, "dataset", s->dataset);
    if (s->note) doc_put_string(&w, "note", s->note);
    doc_put_int(&w, "cases", done);
    doc_put_int(&w, "failed_cases", s->case_count - done);
    put_missing(&w, s);
    put_extra(&w, s);
    put_absent(&w, s);
    put_notes(&w, "failures", s, false);
    put_notes(&w, "notes", s, true);
    doc_open(&w, "foreground_mean", DOC_MAPPING, false);
    put_all_means(&w, s, s->foreground_mean);
    doc_close(&w);
    doc_open(&w, "labels", DOC_MAPPING, false);
    for (int i = 0; i < s->structures->count; i++) put_label(&w, s, i);
    doc_close(&w);
    if (s->has_instances) put_instances(&w, s);
    doc_close(&w);
    doc_finish_text(&w, out);
}
