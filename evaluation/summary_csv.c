/* The CSV files of an evaluation (RFC 4180, but lines end in a line feed). */
#include <string.h>

#include "base/file.h"
#include "evaluation/summary_files.h"

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

/* A row: a case's metrics of a structure, or (structure NULL) a case without any. */
static void add_row(Text *out, const Summary *s, const char *id, const Structure *structure, const double *row,
                    const char *notes)
{
    const char *const fields[] = {id, structure ? structure->key : "", structure ? structure->name : ""};
    for (int f = 0; f < 3; f++) {
        if (f) text_add(out, ",");
        add_field(out, fields[f]);
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!summary_has(s, (Metric)m)) continue;
        text_add(out, ",");
        if (!structure) continue;
        if (metric_info[m].is_count) text_add(out, "%.0f", row[m]);
        else text_add_double(out, row[m]);
    }
    text_add(out, ",");
    add_field(out, notes);
    text_add(out, "\n");
}

void summary_add_csv(const Summary *s, Text *out)
{
    text_add(out, "case,label,name");
    for (int m = 0; m < METRIC_COUNT; m++)
        if (summary_has(s, (Metric)m)) text_add(out, ",%s", metric_info[m].key);
    text_add(out, ",notes\n");
    for (int c = 0; c < s->case_count; c++) {
        const CaseResult *one = &s->cases[c];
        const char *notes = one->notes.length ? one->notes.data : "";
        if (!one->done) add_row(out, s, one->id, NULL, NULL, notes);
        for (int i = 0; i < s->structures->count && one->done; i++)
            add_row(out, s, one->id, &s->structures->items[i], one->metrics[i], notes);
    }
    for (int i = 0; i < s->missing_count; i++)
        add_row(out, s, s->missing[i], NULL, NULL, "not evaluated: no prediction");
}

void summary_add_instance_csv(const Summary *s, Text *out)
{
    text_add(out, "case,IoU,TP,FP,FN");
    for (int k = 0; k < INSTANCE_METRICS; k++) text_add(out, ",%s", instance_metric_keys[k]);
    text_add(out, "\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        for (int t = 0; t < INSTANCE_THRESHOLDS; t++) {
            const InstanceScore *score = &s->cases[c].instances.at[t];
            add_field(out, s->cases[c].id);
            text_add(out, ",%.1f,%lld,%lld,%lld", instance_thresholds[t], (long long)score->tp, (long long)score->fp,
                     (long long)score->fn);
            for (int k = 0; k < INSTANCE_METRICS; k++) {
                text_add(out, ",");
                text_add_double(out, instance_metric(score, k));
            }
            text_add(out, "\n");
        }
    }
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

void summary_add_paper_csv(const Summary *s, Text *out)
{
    const int columns = paper_columns(s->paper);
    text_add(out, "Name");
    for (int k = 0; k < 2 * columns; k++) {
        const char *name = paper_column(s->paper, k % columns);
        text_add(out, ",%s%s%s", name, *name ? "_" : "", k < columns ? "DSC" : "NSD");
    }
    text_add(out, "\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        add_field(out, path_base(s->cases[c].prediction_file));
        add_scores(out, s->paper, &s->cases[c].paper);
    }
    text_add(out, "mean");
    add_scores(out, s->paper, &s->paper_mean);
}
