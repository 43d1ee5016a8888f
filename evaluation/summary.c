#include "evaluation/summary.h"

#include <math.h>

#include "base/memory.h"

bool summary_has(const Summary *s, Metric m) { return metric_info[m].by_nnunet || !s->only_overlap; }

int summary_new(Summary *s, const Structures *structures, const Pairs *pairs, Err *e)
{
    *s = (Summary){.structures = structures,
                   .case_count = pairs->count,
                   .missing = pairs->unpredicted,
                   .missing_count = pairs->unpredicted_count};
    const size_t rows = (size_t)structures->count;
    s->mean = mem_zalloc(rows, sizeof *s->mean, e);
    s->cases = mem_zalloc((size_t)pairs->count, sizeof *s->cases, e);
    s->absent = mem_zalloc(rows, sizeof *s->absent, e);
    if (!s->mean || !s->cases || !s->absent) goto fail;
    for (int i = 0; i < pairs->count; i++) {
        s->cases[i].id = pairs->items[i].id;
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
    for (int i = 0; s->cases && i < s->case_count; i++) {
        mem_free(s->cases[i].metrics);
        text_free(&s->cases[i].notes);
    }
    mem_free(s->cases);
    mem_free(s->mean);
    mem_free(s->absent);
    *s = (Summary){0};
}

void case_note(CaseResult *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (c->notes.length) text_add(&c->notes, "; ");
    text_add_args(&c->notes, format, args);
    va_end(args);
}

/* ---- means ---- */

/* values (columns, done cases): one metric of every structure. Returns the number of done cases. */
static int gather(double *values, const Summary *s, int metric)
{
    for (int i = 0; i < s->structures->count; i++) {
        for (int c = 0; c < s->case_count; c++) {
            const double value = s->cases[c].metrics[i][metric];
            if (s->cases[c].done) *values++ = isinf(value) ? NAN : value;
        }
    }
    return summary_done(s);
}

static int mean_of_metric(Summary *s, int metric, double *values, Interval *intervals, uint64_t seed, Err *e)
{
    const int rows = s->structures->count, done = gather(values, s, metric);
    Interval joint = {NAN, NAN};
    for (int i = 0; i < rows; i++) intervals[i] = joint;
    if (!metric_info[metric].is_count) TRY(bootstrap_means(intervals, &joint, values, rows, done, seed, e));
    s->foreground_count[metric] = 0;
    for (int i = 0; i < rows; i++) {
        const double mean = mean_without_nan(values + (int64_t)i * done, done);
        s->mean[i][metric] = (Mean){mean, intervals[i]};
        values[i] = mean; /* later columns begin after it */
        s->foreground_count[metric] += !isnan(mean);
    }
    s->foreground_mean[metric] = (Mean){mean_without_nan(values, rows), joint};
    return 0;
}

static int means_of_instances(Summary *s, double *values, uint64_t seed, Err *e)
{
    enum { COLUMNS = INSTANCE_METRICS * INSTANCE_THRESHOLDS };
    const int done = summary_done(s);
    for (int k = 0; k < COLUMNS; k++) {
        double *next = values + (int64_t)k * done;
        for (int c = 0; c < s->case_count; c++)
            if (s->cases[c].done)
                *next++ = instance_metric(&s->cases[c].instances.at[k % INSTANCE_THRESHOLDS], k / INSTANCE_THRESHOLDS);
    }
    Interval intervals[COLUMNS], joint;
    TRY(bootstrap_means(intervals, &joint, values, COLUMNS, done, seed, e));
    for (int k = 0; k < COLUMNS; k++)
        s->instance_mean[k / INSTANCE_THRESHOLDS][k % INSTANCE_THRESHOLDS] =
            (Mean){mean_without_nan(values + (int64_t)k * done, done), intervals[k]};
    return 0;
}

static void means_of_paper(Summary *s, double *values)
{
    for (int k = 0; k < 2 * paper_columns(s->paper); k++) {
        int n = 0;
        for (int c = 0; c < s->case_count; c++) {
            const PaperScores *scores = &s->cases[c].paper;
            if (s->cases[c].done) values[n++] = k % 2 ? scores->nsd[k / 2] : scores->dsc[k / 2];
        }
        (k % 2 ? s->paper_mean.nsd : s->paper_mean.dsc)[k / 2] = mean_without_nan(values, n);
    }
}

static void find_absent(Summary *s)
{
    s->absent_count = 0;
    if (!summary_done(s)) return; /* no case was evaluated */
    for (int i = 0; i < s->structures->count; i++) {
        s->absent[i] = true;
        for (int c = 0; c < s->case_count; c++) {
            const double *row = s->cases[c].metrics[i];
            if (s->cases[c].done && (row[METRIC_N_REF] > 0 || row[METRIC_N_PRED] > 0)) s->absent[i] = false;
        }
        s->absent_count += s->absent[i];
    }
}

int summary_means(Summary *s, uint64_t seed, Err *e)
{
    find_absent(s);
    const int rows = s->structures->count, columns = rows + INSTANCE_METRICS * INSTANCE_THRESHOLDS;
    double *values = mem_alloc(mem_product((size_t)s->case_count * (size_t)columns, sizeof *values), e);
    Interval *intervals = mem_alloc((size_t)rows * sizeof *intervals, e);
    int code = values && intervals ? 0 : ERR_NOMEM;
    for (int m = 0; m < METRIC_COUNT && !code; m++)
        if (summary_has(s, (Metric)m)) code = mean_of_metric(s, m, values, intervals, seed, e);
    if (!code && s->has_instances) code = means_of_instances(s, values, seed, e);
    if (!code && s->paper != PAPER_NONE) means_of_paper(s, values);
    mem_free(values);
    mem_free(intervals);
    return code;
}

int summary_done(const Summary *s)
{
    int done = 0;
    for (int c = 0; c < s->case_count; c++) done += s->cases[c].done;
    return done;
}

int summary_extra(const Summary *s)
{
    int extra = 0;
    for (int c = 0; c < s->case_count; c++) extra += !s->cases[c].reference_file;
    return extra;
}

Lost summary_lost(const Summary *s, int structure)
{
    Lost lost = {0};
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        const double *row = s->cases[c].metrics[structure];
        lost.missed += row[METRIC_N_REF] > 0 && row[METRIC_N_PRED] == 0;
        lost.invented += row[METRIC_N_REF] == 0 && row[METRIC_N_PRED] > 0;
    }
    return lost;
}
