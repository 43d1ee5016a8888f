/* The table of a comparison of networks, as Markdown, LaTeX and HTML.
 *
 *   ComparisonTable t;
 *   TRY(comparison_table_make(&t, rows, count, reference, fold, e));
 *   t.caption = …;
 *   TRY(comparison_table_write(&t, folder, e));
 *   comparison_table_free(&t); */
#ifndef BENCH_COMPARISON_TABLE_H
#define BENCH_COMPARISON_TABLE_H

#include "base/error.h"
#include "base/text.h"
#include "bench/comparison.h"
#include "evaluation/compare.h"
#include "evaluation/structures.h"

enum { TABLE_METRICS = 2 };
extern const Metric table_metrics[TABLE_METRICS]; /* Dice, NSD */

/* What a row's network costs. */
typedef struct TableCost {
    int64_t parameters;
    double multiply_adds; /* of one image of the size of a patch, as network_info counts */
    int patch[2];         /* y, x */
    int iterations;       /* of training */
    double cpu_minutes;   /* of training and its validation batches */
} TableCost;

typedef struct TableScores {
    ComparedRow row;
    Interval intervals[COMPARE_MOST];
} TableScores;

typedef struct ComparisonTable {
    const ComparisonRow *rows[COMPARISON_MOST]; /* the finished ones; borrowed */
    int count;
    TableCost costs[COMPARISON_MOST];
    Comparison comparison;
    Structures structures; /* for the names of the labels */
    TableScores *scores;   /* (metrics, labels + 1): the last is the mean over labels; owned */
    const char *caption;   /* how the networks were trained; borrowed */
    Text missing;          /* the rows that failed: "nnformer (train), …"; owned */
} ComparisonTable;

/* Reads plans, curves and evaluations of those rows that are finished; one at least. reference: index of the row that
 * the others are tested against; if it is not finished, the first one that is. Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM;
 * as comparison_read. */
int comparison_table_make(ComparisonTable *t, const ComparisonRow *rows, int count, int reference, const char *fold,
                          Err *e);
void comparison_table_free(ComparisonTable *t);

/* label: label_count for the mean over labels. */
const TableScores *comparison_table_scores(const ComparisonTable *t, int metric, int label);
/* The label's name in dataset.json; "mean". */
const char *comparison_table_label(const ComparisonTable *t, int label);
/* The row with the largest mean of that metric and label. */
int comparison_table_best(const ComparisonTable *t, int metric, int label);
/* What the numbers mean, in plain words without markup. */
void comparison_table_notes(const ComparisonTable *t, Text *out);

/* Writes comparison.md, comparison.tex and comparison.html. Fails: ERR_IO, ERR_NOMEM. */
int comparison_table_write(const ComparisonTable *t, const char *folder, Err *e);

/* Each appends to out, which keeps a failure. */
void comparison_table_markdown(const ComparisonTable *t, Text *out);
void comparison_table_latex(const ComparisonTable *t, Text *out);
void comparison_table_html(const ComparisonTable *t, Text *out);

#endif
