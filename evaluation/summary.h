/* Summary of an evaluation: metrics per case and structure, their means, and summary.json.
 *
 * summary_new makes room for all cases; the evaluation fills the cases (each by one thread) and sets
 * `done`; summary_means then computes the means over the cases that are done. summary_free gives all
 * back. The rules and the file are nnU-Net v2's (compute_metrics_on_folder, save_summary_json). */
#ifndef EVALUATION_SUMMARY_H
#define EVALUATION_SUMMARY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "evaluation/structures.h"

/* In the order of their keys in summary.json. */
typedef enum Metric {
    METRIC_DICE, METRIC_FN, METRIC_FP, METRIC_IOU, METRIC_TN, METRIC_TP, METRIC_N_PRED, METRIC_N_REF,
    METRIC_COUNT
} Metric;

typedef struct MetricInfo {
    const char *key;
    bool is_count;     /* a whole number of voxels */
} MetricInfo;
extern const MetricInfo metric_info[METRIC_COUNT];

typedef double MetricRow[METRIC_COUNT];

typedef struct CaseResult {
    char *prediction_file, *reference_file;   /* owned */
    MetricRow *metrics;                       /* (structures); NaN where a metric is not defined */
    bool done;
} CaseResult;

typedef struct Summary {
    const Structures *structures;   /* borrowed */
    CaseResult *cases;              /* in the order of their names */
    int case_count;
    MetricRow *mean;                /* (structures): over the cases that are done, without NaN */
    MetricRow foreground_mean;      /* over structures; NaN if a structure's mean is */
} Summary;

int summary_new(Summary *s, const Structures *structures, int case_count, Err *e);
void summary_free(Summary *s);

int summary_means(Summary *s, Err *e);   /* fails: ERR_NOMEM */

/* Writes summary.json: nnU-Net's keys, order and number forms, NaN as Python writes it. Atomic. */
int summary_write_json(const Summary *s, const char *path, Err *e);

/* A table of the means for a terminal: one row per structure, the mean over structures, and the case
 * with the lowest Dice. */
void summary_add_table(const Summary *s, Text *out);

/* Mean of the values that are not NaN, NaN without one; summed pairwise as numpy.nanmean does. */
double mean_without_nan(const double *values, int count);

#endif
