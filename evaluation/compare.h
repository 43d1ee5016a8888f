/* Comparison of several evaluations of the same cases, from their summary.json files (of evaluate or of nnU-Net).
 *
 * comparison_read keeps the cases and labels that all have, and names the others; comparison_free frees everything.
 * Each other evaluation is tested against the reference, the first one (Wilcoxon's signed-rank test, two-sided, not
 * corrected for the number of tests). */
#ifndef EVALUATION_COMPARE_H
#define EVALUATION_COMPARE_H

#include "base/error.h"
#include "base/text.h"
#include "evaluation/metrics.h"
#include "evaluation/statistics.h"

enum { COMPARE_MOST = 16 }; /* evaluations */

typedef struct Comparison {
    const char *names[COMPARE_MOST]; /* as given; borrowed */
    int count;
    char **labels; /* keys; owned */
    int label_count;
    char **cases; /* ids; owned */
    int case_count;
    Text notes;             /* a line for each case, label or metric left out, with the reason; owned */
    double *values;         /* (evaluations, metrics, labels, cases); NaN where there is none */
    bool has[METRIC_COUNT]; /* all evaluations have this metric */
    int reference;          /* the evaluation that the others are tested against; 0 unless the caller changes it */
} Comparison;

/* paths (count, at most COMPARE_MOST): files, or folders that hold a summary.json; borrowed. Names and tolerances of
 * the labels are taken from the summary.yaml beside each, if there is one. Fails: ERR_IO; ERR_FORMAT; ERR_VALUE
 * without a common case or label, or for different references: other numbers of voxels or names of labels;
 * ERR_NOMEM. */
int comparison_read(Comparison *c, const char *const *paths, int count, Err *e);
void comparison_free(Comparison *c);

/* The values (cases) of one evaluation, metric and label. */
double *comparison_values(const Comparison *c, int evaluation, int metric, int label);

/* A metric of a label, or of the mean over labels, by evaluation. */
typedef struct ComparedRow {
    double mean[COMPARE_MOST]; /* over cases */
    double p[COMPARE_MOST];    /* of the test against the reference; NaN without a pair that differs */
    int pairs[COMPARE_MOST];   /* that differ */
} ComparedRow;

/* label: label_count for the mean over labels. Fails: ERR_NOMEM. */
int comparison_row(ComparedRow *row, const Comparison *c, int metric, int label, Err *e);

/* The 95 % intervals (count) of the row's means (evaluation/statistics.h). Fails: ERR_NOMEM. */
int comparison_intervals(Interval *intervals, const Comparison *c, int metric, int label, uint64_t seed, Err *e);

/* The table: a block per metric, with a row per label and one for the mean over labels. Columns: each evaluation's
 * mean; from the second on also the difference to the first and the test's p. Fails: ERR_NOMEM. */
int comparison_add_table(const Comparison *c, Text *out, Err *e);

/* The same as CSV: metric,label,evaluation,mean,difference,p,pairs. Atomic. Fails: ERR_IO, ERR_NOMEM. */
int comparison_write_csv(const Comparison *c, const char *path, Err *e);

#endif
