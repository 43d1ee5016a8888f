/* Splits: the training and validation cases of each fold (nnU-Net's rule; docs/reference.md, Splits).
 *
 * Made by splits_make, splits_make_grouped or splits_read, freed by splits_free; it owns its names. splits.c: the
 * file; splits_make.c: drawing folds; splits_fold.c: the cases of one fold; splits_update.c: when cases were added
 * or removed. Which file is used: splits_file.h. */
#ifndef PLANS_SPLITS_H
#define PLANS_SPLITS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "plans/dataset_cases.h"

enum {
    SPLITS_FOLDS = 5, /* nnU-Net's number */
    SPLITS_FOLD_ALL = -1,
    SPLITS_FOLD_MOST = 1000000, /* largest number of a fold */
    SPLITS_SEED = 12345
};

typedef struct Split {
    char **train, **val;
    int train_count, val_count;
} Split;

typedef struct Splits {
    Split *folds;
    int count;
} Splits;

/* sklearn's KFold(folds, shuffle, random_state 12345) over the sorted names; nnU-Net's with 5 folds. cases (n)
 * borrowed, in any order. Fails: ERR_VALUE for fewer cases than folds or a name given twice; ERR_NOMEM. */
int splits_make(Splits *splits, const char *const *cases, int n, int folds, Err *e);

/* Folds that keep groups (patients) together: a group's cases are validated in the same fold. From the largest
 * group to the smallest, each goes to the fold that has fewest cases so far; groups of the same size are shuffled by
 * seed 12345. groups (n): the group of each case. Fails: ERR_VALUE for fewer groups than folds; ERR_NOMEM. */
int splits_make_grouped(Splits *splits, const char *const *cases, const char *const *groups, int n, int folds, Err *e);

/* A file of the user or of the planner: a list of {train: [...], val: [...]}. Fails: ERR_IO; ERR_FORMAT with
 * "file:line:column: what". */
int splits_read(Splits *splits, const char *path, Err *e);

/* YAML, or JSON where the path ends in .json; atomic. */
int splits_write(const Splits *splits, const char *path, Err *e);
int splits_text(const Splits *splits, Text *text, Err *e); /* adds the YAML that splits_write writes */
void splits_free(Splits *splits);
bool splits_equal(const Splits *a, const Splits *b);

/* The cases of one fold, copied into *split (split_free). fold SPLITS_FOLD_ALL: all cases are in both lists. fold
 * >= splits->count: a random 80:20 split by seed 12345 + fold, as nnU-Net does. A case that was removed from the
 * dataset is left out; one that it never had is an error. Warnings are added to notes, one line each: cases that
 * are left out, are in both lists or twice in one; a random split. Fails: ERR_VALUE, also where no case is left to
 * train on; ERR_NOMEM. */
int splits_fold(Split *split, const Splits *splits, const DatasetCases *cases, int fold, Text *notes, Err *e);
void split_free(Split *split);

/* Removes the cases that the dataset no longer has from all folds (*left: their names), and adds those that are in
 * none (*joined): to the validation cases of the fold that has fewest, or of the fold of their group, and to the
 * training cases of the others. present: sorted; groups: of each of them, or NULL. left and joined are owned by the
 * caller. Fails: ERR_NOMEM. */
int splits_update(Splits *splits, const NameList *present, const char *const *groups, NameList *left, NameList *joined,
                  Err *e);

/* The cases of `present` that are in no fold; the list is owned by the caller. Fails: ERR_NOMEM. */
int splits_lacking(NameList *lacking, const Splits *splits, const NameList *present, Err *e);

#endif
