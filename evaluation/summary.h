/* Summary of an evaluation: metrics per case and structure, and their means.
 *
 * summary_new allocates all cases; the evaluation fills them (each in one thread) and sets `done`; summary_means
 * then computes the means over the cases that are done, without NaN (structure absent in both) and without infinite
 * distances (absent in one). summary_free frees everything. The means follow nnU-Net v2
 * (compute_metrics_on_folder), with one difference: nnU-Net's mean over structures is NaN if one has no mean, here
 * it is the mean over the others. Files: evaluation/summary_files.h. */
#ifndef EVALUATION_SUMMARY_H
#define EVALUATION_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "evaluation/instance_case.h"
#include "evaluation/metrics.h"
#include "evaluation/pairs.h"
#include "evaluation/paper.h"
#include "evaluation/statistics.h"
#include "evaluation/structures.h"

typedef struct CaseResult {
    const char *id, *prediction_file, *reference_file; /* borrowed from the pairs */
    MetricRow *metrics;                                /* (structures); NaN: not defined */
    InstanceResult instances;                          /* only if the summary has instances */
    PaperScores paper;                                 /* only if the summary has a convention */
    Text notes; /* notes on the numbers (case_note), or why there are none; owned */
    bool done;
} CaseResult;

/* Adds a note on a case, for summary.json, summary.yaml, per_case.csv and report.html. A lack of memory is kept in
 * c->notes (text_check). */
void case_note(CaseResult *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A mean over cases and its 95 % interval (evaluation/statistics.h); no interval for counts. */
typedef struct Mean {
    double value;
    Interval interval;
} Mean;

typedef Mean MeanRow[METRIC_COUNT];

typedef struct Summary {
    const Structures *structures; /* borrowed */
    bool only_overlap;            /* only nnU-Net's metrics were computed */
    bool has_instances;
    Paper paper;
    CaseResult *cases; /* in the order of their names */
    int case_count;
    char *const *missing; /* ids of the references without a prediction; borrowed from the pairs */
    int missing_count;
    const char *references, *predictions, *dataset; /* what was compared, for the files; borrowed, or NULL */
    const char *note; /* a note on the whole evaluation, for both summaries; borrowed, or NULL */
    bool *absent;     /* (structures) in no case, neither in the reference nor in the prediction */
    int absent_count;
    MeanRow *mean;                      /* (structures) */
    MeanRow foreground_mean;            /* over the structures that have a mean; NaN without one */
    int foreground_count[METRIC_COUNT]; /* structures in it */
    Mean instance_mean[INSTANCE_METRICS][INSTANCE_THRESHOLDS];
    PaperScores paper_mean; /* per column, over cases */
} Summary;

/* One case per pair; the list of missing predictions is that of the pairs. structures and pairs must outlive the
 * summary. Fails: ERR_NOMEM. */
int summary_new(Summary *s, const Structures *structures, const Pairs *pairs, Err *e);
void summary_free(Summary *s);
bool summary_has(const Summary *s, Metric m);

/* seed: of the intervals' resampling. Fails: ERR_NOMEM. */
int summary_means(Summary *s, uint64_t seed, Err *e);

/* Number of cases that are done; a prediction without a reference never is. */
int summary_done(const Summary *s);
int summary_extra(const Summary *s); /* cases without a reference */

/* Numbers of cases that have a structure only in the reference (missed) or only in the prediction (invented). */
typedef struct Lost {
    int missed, invented;
} Lost;
Lost summary_lost(const Summary *s, int structure);

#endif
