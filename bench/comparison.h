/* A comparison of networks: each is trained, predicts and is evaluated by the programs of this build.
 *
 *   OUT/preprocessed/NETWORK          of plan_and_preprocess; arrays that networks have in common are hard links
 *   OUT/ROW/results                   of train
 *   OUT/ROW/references                the labels of the cases that are evaluated: hard links
 *   OUT/ROW/predictions               of predict, for a test set
 *   OUT/ROW/evaluation                of evaluate; where it exists, the row is finished
 *   OUT/ROW/settings.yaml             what the row was made with, the dataset's content included: others are refused
 *   OUT/ROW.earlier                   the row that this one replaces (--overwrite), until this one is finished
 * ROW is NETWORK, or NETWORK+pretrained. All steps continue where an earlier run of them ended. */
#ifndef BENCH_COMPARISON_H
#define BENCH_COMPARISON_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "network/models/network.h"
#include "plans/made_from.h"

enum { COMPARISON_MOST = 16 }; /* rows */

/* Of all rows; texts are borrowed, NULL: not given. */
typedef struct ComparisonSettings {
    const char *dataset, *output;
    MadeFrom data; /* the dataset's content when the comparison started (comparison_data.h); owned by the caller */
    const char *pretrained, *splits;
    const char *override;                     /* for all networks that have none of their own: */
    const char *override_of[COMPARISON_MOST]; /* by the network's place in network_kinds() */
    double cpu_minutes;                       /* 0: epochs */
    int epochs;
    const char *fold;      /* "0", "1" … or "all" */
    bool of_test;          /* imagesTs is predicted, not the validation cases of the fold */
    const char *precision; /* "fp32" or "bf16" */
    int threads;
    bool overwrite, quiet;
    int (*interrupted)(void);
} ComparisonSettings;

typedef struct ComparisonRow {
    const NetworkKind *kind;
    bool pretrained;
    char *folder;       /* OUT/ROW; owned */
    const char *failed; /* the program that failed; NULL: none */
    Text command;       /* that failed; owned */
} ComparisonRow;

/* "the same command", as that which continues an interrupted comparison. With --overwrite it would begin again. */
const char *comparison_again(const ComparisonSettings *s);

/* The name of the row: the last part of its folder. */
const char *comparison_row_name(const ComparisonRow *row);

/* folder is made. Fails: ERR_NOMEM. */
int comparison_row_new(ComparisonRow *row, const ComparisonSettings *s, const NetworkKind *kind, bool pretrained,
                       Err *e);
void comparison_row_free(ComparisonRow *row);

/* Fails with ERR_VALUE if the row's folder was made with other settings or from another content of the dataset, unless it
 * is to be overwritten, or if it, or OUT/ROW.earlier, is not of a comparison: such a folder is never changed. */
int comparison_check_row(const ComparisonRow *row, const ComparisonSettings *s, Err *e);

/* For --overwrite: an earlier row is kept as OUT/ROW.earlier until the new one is finished. Fails: ERR_IO, ERR_NOMEM. */
int comparison_put_aside(const ComparisonRow *row, Err *e);

/* Does what is not done yet of the row. tell: called with each command before it runs. A program that fails is no
 * failure of this function: failed of the row names it. Fails: ERR_VALUE if the dataset has changed since the comparison
 * started; ERR_INTERRUPTED; ERR_IO, ERR_NOMEM. */
int comparison_run_row(ComparisonRow *row, const ComparisonSettings *s,
                       void (*tell)(const ComparisonRow *row, const char *program, const char *command), Err *e);

#endif
