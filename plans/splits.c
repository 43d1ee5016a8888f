#include "plans/splits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "plans/yaml.h"

enum { SPLITS_SEED = 12345 };

static void free_names(char **names, int count)
{
    for (int i = 0; i < count; i++) mem_free(names[i]);
    mem_free(names);
}

void split_free(Split *split)
{
    free_names(split->train, split->train_count);
    free_names(split->val, split->val_count);
    *split = (Split){0};
}

void splits_free(Splits *splits)
{
    for (int i = 0; i < splits->count; i++) split_free(&splits->folds[i]);
    mem_free(splits->folds);
    *splits = (Splits){0};
}

/* Appends a copy of name to a list with room for it. */
static int add_name(char **names, int *count, const char *name, Err *e)
{
    names[*count] = mem_strdup(name, e);
    return names[*count] ? ((*count)++, 0) : ERR_NOMEM;
}

static int split_new(Split *split, int train_most, int val_most, Err *e)
{
    *split = (Split){0};
    split->train = mem_zalloc((size_t)train_most, sizeof *split->train, e);
    split->val = mem_zalloc((size_t)val_most, sizeof *split->val, e);
    return split->train && split->val ? 0 : ERR_NOMEM;
}

/* ---- the cases in order */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted by bytes, which for UTF-8 is Python's order too; given back with mem_free. */
static int sort_cases(const char ***sorted, const char *const *cases, int n, Err *e)
{
    *sorted = mem_zalloc((size_t)n, sizeof **sorted, e);
    if (!*sorted) return ERR_NOMEM;
    if (n) memcpy(*sorted, cases, (size_t)n * sizeof **sorted);
    qsort(*sorted, (size_t)n, sizeof **sorted, by_name);
    for (int i = 1; i < n; i++) {
        if (strcmp((*sorted)[i - 1], (*sorted)[i])) continue;
        const int code = err_set(e, ERR_VALUE, "the case %s is there twice", (*sorted)[i]);
        mem_free(*sorted);
        *sorted = NULL;
        return code;
    }
    return 0;
}

/* 0 … n-1, shuffled as NumPy's RandomState(seed) does; given back with mem_free. */
static int64_t *shuffled_indices(int n, uint32_t seed, Err *e)
{
    int64_t *order = mem_zalloc((size_t)n, sizeof *order, e);
    if (!order) return NULL;
    for (int i = 0; i < n; i++) order[i] = i;
    Mt19937 random;
    mt_seed(&random, seed);
    mt_shuffle(&random, order, n);
    return order;
}

/* ---- making */

/* One fold of sklearn's KFold: `is_val` says for each sorted case where it goes; both lists ascend. */
static int make_fold(Split *fold, const char **sorted, const bool *is_val, int n, int val_count, Err *e)
{
    TRY(split_new(fold, n - val_count, val_count, e));
    for (int i = 0; i < n; i++) {
        if (is_val[i]) TRY(add_name(fold->val, &fold->val_count, sorted[i], e));
        else TRY(add_name(fold->train, &fold->train_count, sorted[i], e));
    }
    return 0;
}

static int make_folds(Splits *splits, const char **sorted, int n, Err *e)
{
    int code = ERR_NOMEM;
    bool *is_val = NULL;
    int64_t *order = shuffled_indices(n, SPLITS_SEED, e);
    if (!order || !(is_val = mem_zalloc((size_t)n, sizeof *is_val, e))) goto done;
    splits->folds = mem_zalloc(SPLITS_FOLDS, sizeof *splits->folds, e);
    if (!splits->folds) goto done;
    splits->count = SPLITS_FOLDS;
    code = 0;
    for (int f = 0, next = 0; f < SPLITS_FOLDS && !code; f++) {
        const int val_count = n / SPLITS_FOLDS + (f < n % SPLITS_FOLDS);
        memset(is_val, 0, (size_t)n * sizeof *is_val);
        for (int i = 0; i < val_count; i++) is_val[order[next++]] = true;
        code = make_fold(&splits->folds[f], sorted, is_val, n, val_count, e);
    }
done:
    mem_free(order);
    mem_free(is_val);
    return code;
}

int splits_make(Splits *splits, const char *const *cases, int n, Err *e)
{
    *splits = (Splits){0};
    if (n < SPLITS_FOLDS)
        return err_set(e, ERR_VALUE, "%d cases: five folds need at least 5; train with fold \"all\", or give "
                       "your own splits_final.yaml", n);
    const char **sorted = NULL;
    TRY(sort_cases(&sorted, cases, n, e));
    const int code = make_folds(splits, sorted, n, e);
    mem_free(sorted);
    if (code) splits_free(splits);
    return code;
}

/* ---- reading and writing */

static int read_names(char ***names, int *count, const DocNode *fold, const char *key, Err *e)
{
    const DocNode *list = doc_find(fold, key);
    if (!list) return doc_error(fold, e, "a fold without the key %s", key);
    TRY(doc_expect(list, DOC_SEQUENCE, e));
    *names = mem_zalloc((size_t)list->count, sizeof **names, e);
    if (!*names) return ERR_NOMEM;
    for (const DocNode *item = list->first; item; item = item->next) {
        const char *name = NULL;
        TRY(doc_get_string(item, &name, e));
        TRY(add_name(*names, count, name, e));
    }
    return 0;
}

static int read_folds(Splits *splits, const DocNode *root, Err *e)
{
    TRY(doc_expect(root, DOC_SEQUENCE, e));
    if (!root->count) return doc_error(root, e, "no folds, expected a list of {train: [...], val: [...]}");
    splits->folds = mem_zalloc((size_t)root->count, sizeof *splits->folds, e);
    if (!splits->folds) return ERR_NOMEM;
    for (const DocNode *node = root->first; node; node = node->next) {
        Split *fold = &splits->folds[splits->count++];
        TRY(doc_expect(node, DOC_MAPPING, e));
        TRY(read_names(&fold->train, &fold->train_count, node, "train", e));
        TRY(read_names(&fold->val, &fold->val_count, node, "val", e));
    }
    return 0;
}

int splits_read(Splits *splits, const char *path, Err *e)
{
    Doc doc;
    *splits = (Splits){0};
    TRY(doc_read(&doc, path, e));
    const int code = read_folds(splits, doc.root, e);
    doc_free(&doc);
    if (code) splits_free(splits);
    return code;
}

static void write_names(DocWriter *w, const char *key, char *const *names, int count)
{
    doc_open(w, key, DOC_SEQUENCE, false);
    for (int i = 0; i < count; i++) doc_put_string(w, NULL, names[i]);
    doc_close(w);
}

int splits_write(const Splits *splits, const char *path, Err *e)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    doc_open(&w, NULL, DOC_SEQUENCE, false);
    for (int i = 0; i < splits->count; i++) {
        const Split *fold = &splits->folds[i];
        doc_open(&w, NULL, DOC_MAPPING, false);
        write_names(&w, "train", fold->train, fold->train_count);
        write_names(&w, "val", fold->val, fold->val_count);
        doc_close(&w);
    }
    doc_close(&w);
    return doc_finish(&w, path, e);
}

/* ---- one fold */

static int copy_names(char **to, int *count, char *const *from, int n, const char **sorted, int known, Err *e)
{
    for (int i = 0; i < n; i++) {
        const char *name = from[i];
        if (!bsearch(&name, sorted, (size_t)known, sizeof *sorted, by_name))
            return err_set(e, ERR_VALUE, "splits: the case %s is not among the dataset's %d cases", name,
                           known);
        TRY(add_name(to, count, name, e));
    }
    return 0;
}

static int copy_fold(Split *split, const Split *fold, const char **sorted, int n, Err *e)
{
    TRY(split_new(split, fold->train_count, fold->val_count, e));
    TRY(copy_names(split->train, &split->train_count, fold->train, fold->train_count, sorted, n, e));
    return copy_names(split->val, &split->val_count, fold->val, fold->val_count, sorted, n, e);
}

static int take_all(Split *split, const char **sorted, int n, Err *e)
{
    TRY(split_new(split, n, n, e));
    for (int i = 0; i < n; i++) {
        TRY(add_name(split->train, &split->train_count, sorted[i], e));
        TRY(add_name(split->val, &split->val_count, sorted[i], e));
    }
    return 0;
}

/* RandomState(12345 + fold).choice(n, int(0.8 n), replace=False) trains, in that order; the rest, in
 * ascending order, validates. */
static int draw_fold(Split *split, const char **sorted, int n, int fold, Err *e)
{
    const int train_count = (int)(0.8 * n);
    int64_t *order = shuffled_indices(n, (uint32_t)(SPLITS_SEED + fold), e);
    if (!order) return ERR_NOMEM;
    int code = split_new(split, train_count, n, e);
    for (int i = 0; i < train_count && !code; i++)
        code = add_name(split->train, &split->train_count, sorted[order[i]], e);
    for (int i = 0; i < n && !code; i++) {
        bool trains = false;
        for (int k = 0; k < train_count && !trains; k++) trains = order[k] == i;
        if (!trains) code = add_name(split->val, &split->val_count, sorted[i], e);
    }
    mem_free(order);
    return code;
}

int splits_fold(Split *split, const Splits *splits, const char *const *cases, int n, int fold, Err *e)
{
    *split = (Split){0};
    const char **sorted = NULL;
    TRY(sort_cases(&sorted, cases, n, e));
    int code;
    if (fold == SPLITS_FOLD_ALL) code = take_all(split, sorted, n, e);
    else if (fold < splits->count) code = copy_fold(split, &splits->folds[fold], sorted, n, e);
    else code = draw_fold(split, sorted, n, fold, e);
    if (!code && !split->train_count)
        code = err_set(e, ERR_VALUE, "fold %d has no case to train on", fold);
    mem_free(sorted);
    if (code) split_free(split);
    return code;
}
