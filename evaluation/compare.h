/* Comparison of several evaluations of the same cases, from their summary.json files (ours or nnU-Net's).
 *
 * comparison_read reads them and keeps the cases and labels that all have, naming the others; comparison_free gives
 * all back.
 * The first evaluation is the one that the others are tested against (Wilcoxon's signed-rank test, two-
 * sided, not corrected for the number of tests). */
#ifndef EVALUATION_COMPARE_H
#define EVALUATION_COMPARE_H

#include "base/error.h"
#include "base/text.h"
#include "evaluation/metrics.h"

enum { COMPARE_MOST = 16 };   /* evaluations */

typedef struct Comparison {
    const char *names[COMPARE_MOST];   /* as given; borrowed */
    int count;
    char **labels;                     /* keys; owned */
    int label_count;
    char **cases;                      /* ids; owned */
    int case_count;
    Text notes;                        /* a line for each thing that was left out, with its reason; owned */
    double *values;                    /* (evaluations, metrics, labels, cases); NaN where there is none */
    bool has[METRIC_COUNT];            /* all evaluations have this metric */
} Comparison;

/* paths (count, 2 … COMPARE_MOST): files, or folders that hold a summary.json; borrowed. Names and tolerances of the
 * labels are taken from the summary.yaml beside each, where there is one. Fails: ERR_IO; ERR_FORMAT; ERR_VALUE
 * without a common case or label, and where the references were not the same: other numbers of voxels, other names
 * of labels; ERR_NOMEM. */
int comparison_read(Comparison *c, const char *const *paths, int count, Err *e);
void comparison_free(Comparison *c);

/* (cases) of one evaluation, metric and label. */
double *comparison_values(const Comparison *c, int evaluation, int metric, int label);

/* A block per metric, a row per label and one of the mean over labels; for every evaluation its mean, and
 * from the second on the difference to the first and the test's p. Fails: ERR_NOMEM. */
int comparison_add_table(const Comparison *c, Text *out, Err *e);

/* The same as CSV: metric,label,evaluation,mean,difference,p,pairs. Atomic. Fails: ERR_IO, ERR_NOMEM. */
int comparison_write_csv(const Comparison *c, const char *path, Err *e);

#endif
