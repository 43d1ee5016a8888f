/* Drawing folds: nnU-Net's rule for any number of them, and by groups of cases. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "plans/splits.h"

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Sorted by bytes, which for UTF-8 is Python's order too; freed with mem_free. */
static int sort_cases(const char ***sorted, const char *const *cases, int n, Err *e)
{
    *sorted = mem_zalloc((size_t)n, sizeof **sorted, e);
    if (!*sorted) return ERR_NOMEM;
    if (n) memcpy(*sorted, cases, (size_t)n * sizeof **sorted);
    qsort(*sorted, (size_t)n, sizeof **sorted, by_name);
    for (int i = 1; i < n; i++) {
        if (strcmp((*sorted)[i - 1], (*sorted)[i])) continue;
        const int code = err_set(e, ERR_VALUE, "the case %s occurs twice", (*sorted)[i]);
        mem_free(*sorted);
        *sorted = NULL;
        return code;
    }
    return 0;
}

static int add_name(char **names, int *count, const char *name, Err *e)
{
    names[*count] = mem_strdup(name, e);
    return names[*count] ? ((*count)++, 0) : ERR_NOMEM;
}

/* Makes one fold; fold_of is the fold that validates each sorted case; both lists are in ascending order. */
static int make_fold(Split *fold, const char *const *sorted, const int *fold_of, int n, int index, Err *e)
{
    fold->train = mem_zalloc((size_t)n, sizeof *fold->train, e);
    fold->val = mem_zalloc((size_t)n, sizeof *fold->val, e);
    if (!fold->train || !fold->val) return ERR_NOMEM;
    for (int i = 0; i < n; i++) {
        if (fold_of[i] == index) TRY(add_name(fold->val, &fold->val_count, sorted[i], e));
        else TRY(add_name(fold->train, &fold->train_count, sorted[i], e));
    }
    return 0;
}

static int make_folds(Splits *splits, const char *const *sorted, const int *fold_of, int n, int folds, Err *e)
{
    splits->folds = mem_zalloc((size_t)folds, sizeof *splits->folds, e);
    if (!splits->folds) return ERR_NOMEM;
    splits->count = folds;
    int code = 0;
    for (int f = 0; f < folds && !code; f++) code = make_fold(&splits->folds[f], sorted, fold_of, n, f, e);
    if (code) splits_free(splits);
    return code;
}

/* 0 … n-1, shuffled as by NumPy's RandomState(12345); freed with mem_free. */
static int64_t *shuffled_indices(int n, Err *e)
{
    int64_t *order = mem_zalloc((size_t)n, sizeof *order, e);
    if (!order) return NULL;
    for (int i = 0; i < n; i++) order[i] = i;
    Mt19937 random;
    mt_seed(&random, SPLITS_SEED);
    mt_shuffle(&random, order, n);
    return order;
}

/* KFold: consecutive parts of the shuffled cases, the first n % folds of them longer by one. */
static int choose_parts(int *fold_of, int n, int folds, Err *e)
{
    int64_t *order = shuffled_indices(n, e);
    if (!order) return ERR_NOMEM;
    for (int f = 0, next = 0; f < folds; f++)
        for (int i = 0; i < n / folds + (f < n % folds); i++) fold_of[order[next++]] = f;
    mem_free(order);
    return 0;
}

int splits_make(Splits *splits, const char *const *cases, int n, int folds, Err *e)
{
    *splits = (Splits){0};
    if (n < folds)
        return err_set(e, ERR_VALUE,
                       "%d case%s too few for %d folds; train with fold \"all\", or choose another number "
                       "of folds (plan_and_preprocess --folds)",
                       n, n == 1 ? " is" : "s are", folds);
    const char **sorted = NULL;
    TRY(sort_cases(&sorted, cases, n, e));
    int *fold_of = mem_zalloc((size_t)n, sizeof *fold_of, e);
    int code = fold_of ? choose_parts(fold_of, n, folds, e) : ERR_NOMEM;
    if (!code) code = make_folds(splits, sorted, fold_of, n, folds, e);
    mem_free(fold_of);
    mem_free(sorted);
    return code;
}

/* ---- by groups */

typedef struct Member {
    const char *name, *group;
    int index; /* of its group */
} Member;

typedef struct Group {
    int size, order, fold;
} Group;

static int by_group(const void *a, const void *b)
{
    const Member *x = a, *y = b;
    const int groups = strcmp(x->group, y->group);
    return groups ? groups : strcmp(x->name, y->name);
}

static int by_member_name(const void *a, const void *b)
{
    return strcmp(((const Member *)a)->name, ((const Member *)b)->name);
}

static int larger_first(const void *a, const void *b)
{
    const Group *x = *(Group *const *)a, *y = *(Group *const *)b;
    return x->size != y->size ? y->size - x->size : x->order - y->order;
}

/* Numbers the groups in the order of their names; *groups (freed with mem_free): their sizes. */
static int count_groups(Group **groups, int *count, Member *members, int n, Err *e)
{
    *groups = mem_zalloc((size_t)n, sizeof **groups, e);
    if (!*groups) return ERR_NOMEM;
    qsort(members, (size_t)n, sizeof *members, by_group);
    for (int i = 0; i < n; i++) {
        *count += !i || strcmp(members[i - 1].group, members[i].group) != 0;
        members[i].index = *count - 1;
        (*groups)[*count - 1].size++;
    }
    return 0;
}

/* Each group goes to the fold that has fewest cases, the largest group first. */
static int choose_folds(Group *groups, int count, int folds, Err *e)
{
    int code = ERR_NOMEM;
    int64_t *order = shuffled_indices(count, e);
    Group **sorted = mem_zalloc((size_t)count, sizeof *sorted, e);
    int *sizes = mem_zalloc((size_t)folds, sizeof *sizes, e);
    if (!order || !sorted || !sizes) goto done;
    for (int i = 0; i < count; i++) {
        groups[order[i]].order = i;
        sorted[i] = &groups[i];
    }
    qsort(sorted, (size_t)count, sizeof *sorted, larger_first);
    for (int i = 0; i < count; i++) {
        int least = 0;
        for (int f = 1; f < folds; f++)
            if (sizes[f] < sizes[least]) least = f;
        sorted[i]->fold = least;
        sizes[least] += sorted[i]->size;
    }
    code = 0;
done:
    mem_free(sizes);
    mem_free(sorted);
    mem_free(order);
    return code;
}

static int fold_members(Splits *splits, Member *members, int n, const Group *groups, int folds, Err *e)
{
    const char **names = mem_zalloc((size_t)n, sizeof *names, e);
    int *fold_of = mem_zalloc((size_t)n, sizeof *fold_of, e);
    int code = names && fold_of ? 0 : ERR_NOMEM;
    qsort(members, (size_t)n, sizeof *members, by_member_name);
    for (int i = 0; i < n && !code; i++) {
        names[i] = members[i].name;
        fold_of[i] = groups[members[i].index].fold;
    }
    if (!code) code = make_folds(splits, names, fold_of, n, folds, e);
    mem_free(fold_of);
    mem_free(names);
    return code;
}

int splits_make_grouped(Splits *splits, const char *const *cases, const char *const *groups, int n, int folds, Err *e)
{
    *splits = (Splits){0};
    Group *found = NULL;
    int count = 0;
    Member *members = mem_zalloc((size_t)n, sizeof *members, e);
    if (!members) return ERR_NOMEM;
    for (int i = 0; i < n; i++) members[i] = (Member){cases[i], groups[i], 0};
    int code = count_groups(&found, &count, members, n, e);
    if (!code && count < folds)
        code = err_set(e, ERR_VALUE, "%d group%s of cases %s too few for %d folds; give --folds %d, or fewer", count,
                       count == 1 ? "" : "s", count == 1 ? "is" : "are", folds, count);
    if (!code) code = choose_folds(found, count, folds, e);
    if (!code) code = fold_members(splits, members, n, found, folds, e);
    mem_free(found);
    mem_free(members);
    return code;
}
