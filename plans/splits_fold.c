/* The cases of one fold, and warnings about them. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/look_alike.h"
#include "base/memory.h"
#include "base/random.h"
#include "plans/splits.h"

/* State while a fold's cases are chosen; the lists for the notes are sorted at the end. */
typedef struct Choice {
    const DatasetCases *cases;
    NameList train, val; /* moved into the split at the end */
    NameList left_out, twice;
} Choice;

static int take_all(Choice *c, Err *e)
{
    for (int i = 0; i < c->cases->present.count; i++) {
        TRY(names_add(&c->train, c->cases->present.names[i], e));
        TRY(names_add(&c->val, c->cases->present.names[i], e));
    }
    return 0;
}

/* RandomState(12345 + fold).choice(n, int(0.8 n), replace=False) trains, in that order; the rest, in
 * ascending order, validates. */
static int draw_fold(Choice *c, int fold, Err *e)
{
    const NameList *present = &c->cases->present;
    const int n = present->count, train_count = (int)(0.8 * n);
    int64_t *order = mem_zalloc((size_t)n, sizeof *order, e);
    bool *trains = mem_zalloc((size_t)n, sizeof *trains, e);
    int code = order && trains ? 0 : ERR_NOMEM;
    if (!code) {
        Mt19937 random;
        for (int i = 0; i < n; i++) order[i] = i;
        mt_seed(&random, (uint32_t)(SPLITS_SEED + fold));
        mt_shuffle(&random, order, n);
    }
    for (int i = 0; i < train_count && !code; i++) {
        trains[order[i]] = true;
        code = names_add(&c->train, present->names[order[i]], e);
    }
    for (int i = 0; i < n && !code; i++)
        if (!trains[i]) code = names_add(&c->val, present->names[i], e);
    mem_free(trains);
    mem_free(order);
    return code;
}

static int sorted_copy(NameList *copy, const NameList *list, Err *e)
{
    *copy = (NameList){0};
    for (int i = 0; i < list->count; i++) TRY(names_add(copy, list->names[i], e));
    names_sort(copy);
    return 0;
}

/* The names that occur more than once in a list, each once. */
static int find_repeated(NameList *twice, const NameList *list, Err *e)
{
    NameList sorted;
    int code = sorted_copy(&sorted, list, e);
    for (int i = 1; i < sorted.count && !code; i++)
        if (!strcmp(sorted.names[i - 1], sorted.names[i]) &&
            !(twice->count && !strcmp(twice->names[twice->count - 1], sorted.names[i])))
            code = names_add(twice, sorted.names[i], e);
    names_free(&sorted);
    return code;
}

static int refuse_unknown(const NameList *present, const char *name, Err *e)
{
    Text alike = {0};
    look_alike_tell(&alike, name, look_alike_find(name, present->names, present->count));
    const int code =
        err_set(e, ERR_VALUE, "the case %s is not among the dataset's %d cases: expected names as %s%s", name,
                present->count, present->count ? present->names[0] : "CASE", alike.data ? alike.data : "");
    text_free(&alike);
    return code;
}

static int copy_names(Choice *c, NameList *to, char *const *from, int n, Err *e)
{
    for (int i = 0; i < n; i++) {
        if (names_have(&c->cases->present, from[i])) {
            TRY(names_add(to, from[i], e));
        } else if (names_have(&c->cases->removed, from[i])) {
            TRY(names_add(&c->left_out, from[i], e));
        } else {
            return refuse_unknown(&c->cases->present, from[i], e);
        }
    }
    return 0;
}

/* A case that occurs twice in `val` is validated once. */
static void drop_repeated(NameList *list)
{
    int kept = 0;
    for (int i = 0; i < list->count; i++) {
        bool seen = false;
        for (int k = 0; k < kept && !seen; k++) seen = !strcmp(list->names[k], list->names[i]);
        if (seen) mem_free(list->names[i]);
        else list->names[kept++] = list->names[i];
    }
    list->count = kept;
}

static int copy_fold(Choice *c, const Split *fold, Err *e)
{
    TRY(copy_names(c, &c->train, fold->train, fold->train_count, e));
    return copy_names(c, &c->val, fold->val, fold->val_count, e);
}

/* ---- notes */

static void note(Text *notes, const char *before, const NameList *list, const char *behind)
{
    if (!list->count) return;
    text_add(notes, "%s", before);
    names_tell(notes, list);
    text_add(notes, "%s\n", behind);
}

static int note_repeated(Choice *c, Text *notes, Err *e)
{
    TRY(find_repeated(&c->twice, &c->train, e));
    note(notes, "more than once in its train list: ", &c->twice, "; drawn that often, as in nnU-Net");
    names_free(&c->twice);
    TRY(find_repeated(&c->twice, &c->val, e));
    note(notes, "more than once in its val list: ", &c->twice, "; validated once");
    if (c->twice.count) drop_repeated(&c->val);
    return 0;
}

static int note_overlap(const Choice *c, Text *notes, Err *e)
{
    NameList train = {0}, both = {0};
    int code = sorted_copy(&train, &c->train, e);
    for (int i = 0; i < c->val.count && !code; i++)
        if (names_have(&train, c->val.names[i])) code = names_add(&both, c->val.names[i], e);
    if (!code)
        note(notes, "in both its train and its val list: ", &both, "; their scores say nothing about new images");
    names_free(&train);
    names_free(&both);
    return code;
}

static int choose(Choice *c, const Splits *splits, int fold, Text *notes, Err *e)
{
    if (fold == SPLITS_FOLD_ALL) return take_all(c, e);
    if (fold >= splits->count) {
        char there[32] = "is 1 fold";
        if (splits->count != 1) snprintf(there, sizeof there, "are %d folds", splits->count);
        text_add(notes,
                 "there %s, numbered from 0: fold %d is a random 80:20 split by seed %d, as in nnU-Net; "
                 "cases of one patient may be on both sides\n",
                 there, fold, SPLITS_SEED + fold);
        return draw_fold(c, fold, e);
    }
    TRY(copy_fold(c, &splits->folds[fold], e));
    note(notes, "no longer in the dataset, left out: ", &c->left_out, "");
    TRY(note_repeated(c, notes, e));
    return note_overlap(c, notes, e);
}

int splits_fold(Split *split, const Splits *splits, const DatasetCases *cases, int fold, Text *notes, Err *e)
{
    Choice c = {.cases = cases};
    *split = (Split){0};
    int code = choose(&c, splits, fold, notes, e);
    if (!code && !c.train.count) code = err_set(e, ERR_VALUE, "fold %d has no case to train on", fold);
    if (!code) {
        *split = (Split){c.train.names, c.val.names, c.train.count, c.val.count};
    } else {
        names_free(&c.train);
        names_free(&c.val);
    }
    names_free(&c.left_out);
    names_free(&c.twice);
    return code ? code : text_check(notes, e);
}
