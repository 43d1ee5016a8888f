/* Splits: which cases train and which validate, per fold (nnU-Net's rule, FACTS 7).
 *
 * splits_make or splits_read gives one, splits_free takes it back; it owns its names. */
#ifndef PLANS_SPLITS_H
#define PLANS_SPLITS_H

#include "base/error.h"

enum { SPLITS_FOLDS = 5, SPLITS_FOLD_ALL = -1 };

typedef struct Split {
    char **train, **val;
    int train_count, val_count;
} Split;

typedef struct Splits {
    Split *folds;
    int count;
} Splits;

/* nnU-Net's five folds: sklearn's KFold(5, shuffle, random_state 12345) over the sorted names. cases
 * (n) borrowed, in any order. Fails: ERR_VALUE for n < 5 or a name given twice; ERR_NOMEM. */
int splits_make(Splits *splits, const char *const *cases, int n, Err *e);

/* A user's own file, or ours: a list of {train: [...], val: [...]}.
 * Fails: ERR_IO; ERR_FORMAT with "file:line:column: what". */
int splits_read(Splits *splits, const char *path, Err *e);

/* YAML, or JSON where the path ends in .json; atomic. */
int splits_write(const Splits *splits, const char *path, Err *e);
void splits_free(Splits *splits);

/* The cases of one fold, copied into *split (split_free). fold SPLITS_FOLD_ALL: all cases train and
 * all validate. fold >= splits->count: a random 80:20 split by seed 12345 + fold, as nnU-Net does.
 * cases (n): all cases that are there; a case of the split that is not among them is an error.
 * Fails: ERR_VALUE, ERR_NOMEM. */
int splits_fold(Split *split, const Splits *splits, const char *const *cases, int n, int fold, Err *e);
void split_free(Split *split);

#endif
