/* FoldList: numbers of folds, SPLITS_FOLD_ALL for `all`; each at most once.
 *
 * `FoldList f = {0}`; fold_list_free. */
#ifndef INFERENCE_FOLDS_H
#define INFERENCE_FOLDS_H

#include <stdbool.h>

#include "base/error.h"

enum { FOLDS_LAST = 999999 }; /* the largest number of a fold */

typedef struct FoldList {
    int *numbers; /* owned */
    int count;
} FoldList;

/* Fails: ERR_VALUE for a number above FOLDS_LAST or one that is in the list already; ERR_NOMEM. */
int fold_list_add(FoldList *f, int fold, Err *e);
int fold_list_copy(FoldList *to, const FoldList *from, Err *e); /* `to` is new. Fails: ERR_NOMEM. */
bool fold_list_has(const FoldList *f, int fold);
void fold_list_free(FoldList *f);

/* Adds "0,1,2", "0-4,7", or "all". Fails: as fold_list_add; ERR_VALUE for another text. */
int fold_list_parse(FoldList *f, const char *text, Err *e);

/* Lists the folds of a results folder: its folders fold_N, ascending, with fold_all first. f is new. Fails: ERR_IO,
 * ERR_NOMEM. */
int fold_list_of_results(FoldList *f, const char *results, Err *e);

/* "3", or "all": the part of the folder's name after fold_. text (FOLD_NAME_BYTES) is written and returned. */
enum { FOLD_NAME_BYTES = 16 };
const char *fold_name(char *text, int fold);

/* "weights of fold 3": the key of their content's hash in a MadeFrom. text (FOLD_KEY_BYTES) is written and returned. */
enum { FOLD_KEY_BYTES = 32 };
const char *fold_weights_key(char *text, int fold);

#endif
