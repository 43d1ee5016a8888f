/* Summary of an evaluation: metrics per case and structure, their means, and the files that hold them.
 *
 * summary_new makes room for all cases; the evaluation fills them (each by one thread) and sets `done`;
 * summary_means then computes the means over the cases that are done, without NaN (structure absent in
 * both) and without infinite distances (absent in one). summary_free gives all back. The rules of the
 * other means and summary.json are nnU-Net v2's (compute_metrics_on_folder, save_summary_json). */
#ifndef EVALUATION_SUMMARY_H
#define EVALUATION_SUMMARY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "evaluation/pairs.h"
#include "evaluation/structures.h"

/* In the order of their keys in summary.json. NSD, HD, HD95, ASD: evaluation/surface.h. */
typedef enum Metric {
    METRIC_ASD,         /* mean of both directions' average surface distances, mm */
    METRIC_DICE,
    METRIC_FN,
    METRIC_FP,
    METRIC_HD,          /* mm */
    METRIC_HD95,        /* mm */
    METRIC_IOU,
    METRIC_NSD,         /* at the structure's tolerance */
    METRIC_TN,
    METRIC_TP,
    METRIC_VD,          /* volume difference, prediction minus reference: mm3, in 2D mm2 */
    METRIC_N_PRED,
    METRIC_N_REF,
    METRIC_COUNT
} Metric;

typedef struct MetricInfo {
    const char *key;
    bool is_count;      /* a whole number of voxels */
    bool by_nnunet;     /* nnU-Net's evaluation has it */
} MetricInfo;
extern const MetricInfo metric_info[METRIC_COUNT];

typedef double MetricRow[METRIC_COUNT];

typedef struct CaseResult {
    const char *prediction_file, *reference_file;   /* borrowed from the pairs; a path, or NULL */
    MetricRow *metrics;                             /* (structures); NaN where a metric is not defined */
    bool done;
} CaseResult;

typedef struct Summary {
    const Structures *structures;   /* borrowed */
    bool only_overlap;              /* only nnU-Net's metrics were computed */
    CaseResult *cases;              /* in the order of their names */
    int case_count;
    MetricRow *mean;                /* (structures) */
    MetricRow foreground_mean;      /* over structures; NaN if a structure's mean is */
} Summary;

/* One case per pair; structures and pairs must outlive the summary. Fails: ERR_NOMEM. */
int summary_new(Summary *s, const Structures *structures, const Pairs *pairs, Err *e);
void summary_free(Summary *s);
bool summary_has(const Summary *s, Metric m);

int summary_means(Summary *s, Err *e);   /* fails: ERR_NOMEM */

/* summary.json as nnU-Net writes it, with the other metrics beside its own; NaN as Python writes it.
 * Atomic. Fails: ERR_IO, ERR_NOMEM. */
int summary_write_json(const Summary *s, const char *path, Err *e);

/* A table of the means for a terminal: one row per structure, the mean over structures, and the case
 * with the lowest Dice. */
void summary_add_table(const Summary *s, Text *out);

#endif
