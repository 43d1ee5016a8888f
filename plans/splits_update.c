/* Updates folds after cases were added to the dataset or removed. */
#include <string.h>

#include "base/memory.h"
#include "plans/splits.h"

static void drop_missing(char **names, int *count, const NameList *present)
{
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        if (names_have(present, names[i])) names[kept++] = names[i];
        else mem_free(names[i]);
    }
    *count = kept;
}

/* All names of all folds, sorted, each once; owned by the caller. */
static int all_names(NameList *all, const Splits *splits, Err *e)
{
    int code = 0;
    for (int f = 0; f < splits->count && !code; f++) {
        const Split *fold = &splits->folds[f];
        const NameList sorted = *all;
        NameList fresh = {0};
        for (int i = 0; i < fold->train_count && !code; i++)
            if (!names_have(&sorted, fold->train[i])) code = names_add(&fresh, fold->train[i], e);
        for (int i = 0; i < fold->val_count && !code; i++)
            if (!names_have(&sorted, fold->val[i])) code = names_add(&fresh, fold->val[i], e);
        names_sort(&fresh);
        for (int i = 0; i < fresh.count && !code; i++)
            if (!i || strcmp(fresh.names[i - 1], fresh.names[i])) code = names_add(all, fresh.names[i], e);
        names_free(&fresh);
        names_sort(all);
    }
    return code;
}

int splits_lacking(NameList *lacking, const Splits *splits, const NameList *present, Err *e)
{
    NameList all = {0};
    *lacking = (NameList){0};
    int code = all_names(&all, splits, e);
    for (int i = 0; i < present->count && !code; i++)
        if (!names_have(&all, present->names[i])) code = names_add(lacking, present->names[i], e);
    names_free(&all);
    return code;
}

static int insert(char ***names, int *count, const char *name, Err *e)
{
    const size_t size = sizeof **names, used = (size_t)*count * size;
    TRY(mem_grow((void **)names, used, used + size, e));
    char *copy = mem_strdup(name, e);
    if (!copy) return ERR_NOMEM;
    int at = (*count)++;
    for (; at > 0 && strcmp((*names)[at - 1], name) > 0; at--) (*names)[at] = (*names)[at - 1];
    (*names)[at] = copy;
    return 0;
}

static const char *group_of(const NameList *present, const char *const *groups, const char *name)
{
    for (int i = 0; i < present->count; i++)
        if (!strcmp(present->names[i], name)) return groups[i];
    return NULL;
}

/* The fold that validates a case of the group, or -1. */
static int fold_of_group(const Splits *splits, const NameList *present, const char *const *groups, const char *group)
{
    for (int f = 0; f < splits->count; f++)
        for (int i = 0; i < splits->folds[f].val_count; i++) {
            const char *other = group_of(present, groups, splits->folds[f].val[i]);
            if (other && !strcmp(other, group)) return f;
        }
    return -1;
}

static int smallest_fold(const Splits *splits)
{
    int least = 0;
    for (int f = 1; f < splits->count; f++)
        if (splits->folds[f].val_count < splits->folds[least].val_count) least = f;
    return least;
}

static int join(Splits *splits, const NameList *present, const char *const *groups, const char *name, Err *e)
{
    int home = -1;
    if (groups) home = fold_of_group(splits, present, groups, group_of(present, groups, name));
    if (home < 0) home = smallest_fold(splits);
    for (int f = 0; f < splits->count; f++) {
        Split *fold = &splits->folds[f];
        if (f == home) TRY(insert(&fold->val, &fold->val_count, name, e));
        else TRY(insert(&fold->train, &fold->train_count, name, e));
    }
    return 0;
}

int splits_update(Splits *splits, const NameList *present, const char *const *groups, NameList *left, NameList *joined,
                  Err *e)
{
    NameList all = {0};
    *left = *joined = (NameList){0};
    int code = all_names(&all, splits, e);
    for (int i = 0; i < all.count && !code; i++)
        if (!names_have(present, all.names[i])) code = names_add(left, all.names[i], e);
    names_free(&all);
    if (!code) code = splits_lacking(joined, splits, present, e);
    for (int f = 0; f < splits->count && !code; f++) {
        drop_missing(splits->folds[f].train, &splits->folds[f].train_count, present);
        drop_missing(splits->folds[f].val, &splits->folds[f].val_count, present);
    }
    for (int i = 0; i < joined->count && !code; i++) code = join(splits, present, groups, joined->names[i], e);
    return code;
}
