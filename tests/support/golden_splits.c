/* splits: nnU-Net's folds, and NumPy's generator below them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "planner/intensities.h"
#include "plans/splits.h"
#include "tests/support/golden_nnunet.h"

/* ---- whole files ---- */

static void compare_list(Golden *g, const char *what, int fold, char **names, int count, const DocNode *list)
{
    int i = 0;
    for (const DocNode *n = list ? list->first : NULL; n; n = n->next, i++)
        if (i >= count || strcmp(names[i], n->text))
            golden_fail(g, "fold %d, %s %d: %s, expected %s", fold, what, i, i < count ? names[i] : "nothing", n->text);
    if (i != count) golden_fail(g, "fold %d: %d for %s, expected %d", fold, count, what, i);
    golden_expect(g, what, 0, 0);
}

/* The names are those of the first fold, training and validation together, in any order. */
static void run_file(Golden *g, const DocNode *root)
{
    const DocNode *train = doc_find(root->first, "train"), *val = doc_find(root->first, "val");
    Splits s = {0};
    Err e = {0};
    int count = 0;
    if (!train || !val) {
        golden_fail(g, "no list of splits");
        return;
    }
    const char **names = mem_alloc((size_t)(train->count + val->count) * sizeof *names, &e);
    for (const DocNode *n = val->first; names && n; n = n->next) names[count++] = n->text;
    for (const DocNode *n = train->first; names && n; n = n->next) names[count++] = n->text;
    if (!names || splits_make(&s, names, count, SPLITS_FOLDS, &e)) golden_fail(g, "%s", e.text);
    const DocNode *fold = root->first;
    for (int i = 0; i < s.count && fold; i++, fold = fold->next) {
        compare_list(g, "train", i, s.folds[i].train, s.folds[i].train_count, doc_find(fold, "train"));
        compare_list(g, "val", i, s.folds[i].val, s.folds[i].val_count, doc_find(fold, "val"));
    }
    if (!e.code && s.count != root->count) golden_fail(g, "%d folds, expected %d", s.count, root->count);
    splits_free(&s);
    mem_free(names);
}

/* ---- vectors ---- */

/* n names whose order is that of their numbers; one block, owned by the caller. */
static char **numbered(int n)
{
    enum { BYTES = 16 };
    char **names = mem_alloc((size_t)n * (sizeof *names + BYTES), NULL);
    for (int i = 0; names && i < n; i++) {
        names[i] = (char *)(names + n) + i * BYTES;
        snprintf(names[i], BYTES, "%09d", i);
    }
    return names;
}

static void expect_indices(Golden *g, const char *name, char **names, int count, const DocNode *list)
{
    double *indices = mem_alloc((size_t)count * sizeof *indices, NULL);
    for (int i = 0; indices && i < count; i++) indices[i] = atoi(names[i]);
    if (indices) golden_expect_numbers(g, name, list, indices, count, 0);
    mem_free(indices);
}

static void run_generator(Golden *g, const DocNode *item)
{
    Mt19937 m;
    double numbers[64];
    const uint32_t seed = (uint32_t)golden_number(item, "seed", 0);
    const DocNode *whole = doc_find(item, "first_u32"), *parts = doc_find(item, "first_double53");
    mt_seed(&m, seed);
    for (int i = 0; whole && i < whole->count && i < 64; i++) numbers[i] = mt_u32(&m);
    golden_expect_numbers(g, "first_u32", whole, numbers, whole ? whole->count : 0, 0);
    mt_seed(&m, seed);
    for (int i = 0; parts && i < parts->count && i < 64; i++) numbers[i] = mt_uniform(&m);
    golden_expect_numbers(g, "first_double53", parts, numbers, parts ? parts->count : 0, 0);
}

static void run_kfold(Golden *g, const DocNode *item)
{
    const int n = (int)golden_number(item, "n", 0);
    Splits s = {0};
    Mt19937 m;
    char **names = numbered(n);
    int64_t *order = mem_alloc((size_t)n * sizeof *order, NULL);
    double *numbers = mem_alloc((size_t)n * sizeof *numbers, NULL);
    if (names && order && numbers && !splits_make(&s, (const char *const *)names, n, SPLITS_FOLDS, NULL)) {
        mt_seed(&m, 12345);
        for (int i = 0; i < n; i++) order[i] = i;
        mt_shuffle(&m, order, n);
        for (int i = 0; i < n; i++) numbers[i] = (double)order[i];
        golden_expect_numbers(g, "permutation", doc_find(item, "permutation"), numbers, n, 0);
        const DocNode *folds = doc_find(item, "val_index_per_fold"), *fold = folds ? folds->first : NULL;
        for (int i = 0; i < s.count && fold; i++, fold = fold->next)
            expect_indices(g, "val", s.folds[i].val, s.folds[i].val_count, fold);
    }
    splits_free(&s);
    mem_free(numbers);
    mem_free(order);
    mem_free(names);
}

/* How often each index is drawn, both as the vector lists it and as draw_counts counts it. */
static void run_with_replacement(Golden *g, const DocNode *item)
{
    const DocNode *draws = doc_find(item, "draws");
    const uint32_t population = (uint32_t)golden_number(item, "pop", 1);
    uint32_t *counts = mem_zalloc((size_t)mt_mask(population - 1) + 1, sizeof *counts, NULL);
    DrawStream *stream = mem_alloc(sizeof *stream, NULL);
    if (draws && counts && stream) {
        draw_begin(stream);
        draw_counts(stream, population, draws->count, counts);
        for (const DocNode *n = draws->first; n; n = n->next) counts[atoi(n->text)]--;
        double wrong = 0;
        for (uint32_t i = 0; i < population; i++) wrong += counts[i] != 0;
        golden_expect(g, "draws", wrong, 0);
    }
    mem_free(stream);
    mem_free(counts);
}

static void run_without_replacement(Golden *g, const DocNode *item)
{
    enum { MOST = 4096 };
    int64_t order[MOST];
    double numbers[MOST];
    Mt19937 m;
    const DocNode *draws = doc_find(item, "draws");
    const int population = (int)golden_number(item, "pop", 0);
    if (!draws || population > MOST || draws->count > population) return;
    mt_seed(&m, 1234);
    for (int i = 0; i < population; i++) order[i] = i;
    mt_shuffle(&m, order, population);
    for (int i = 0; i < draws->count; i++) numbers[i] = (double)order[i];
    golden_expect_numbers(g, "draws", draws, numbers, draws->count, 0);
}

static void run_beyond(Golden *g, const DocNode *item)
{
    const int n = (int)golden_number(item, "n", 0), fold = (int)golden_number(item, "fold", 0);
    char **names = numbered(n);
    Splits s = {0};
    Split split = {0};
    Err e = {0};
    const DatasetCases cases = {.present = {names, n}};
    Text notes = {0};
    if (names && (splits_make(&s, (const char *const *)names, n, SPLITS_FOLDS, &e) ||
                  splits_fold(&split, &s, &cases, fold, &notes, &e)))
        golden_fail(g, "%s", e.text);
    text_free(&notes);
    const DocNode *train = doc_find(item, "train_index_in_this_order"), *val = doc_find(item, "val_index");
    if (!e.code && train) expect_indices(g, "train", split.train, split.train_count, train);
    if (!e.code && val) expect_indices(g, "val", split.val, split.val_count, val);
    split_free(&split);
    splits_free(&s);
    mem_free(names);
}

static const struct {
    const char *key;
    void (*run)(Golden *g, const DocNode *item);
} vectors[] = {
    {"mt19937", run_generator},
    {"kfold_seed12345_5", run_kfold},
    {"choice_with_replacement_seed1234", run_with_replacement},
    {"choice_without_replacement_seed1234", run_without_replacement},
    {"fold_beyond_splits_80_20", run_beyond},
};

static void run_vector(Golden *g, const DocNode *node)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        if (strcmp(vectors[i].key, node->key)) continue;
        if (node->kind == DOC_MAPPING) vectors[i].run(g, node);
        for (const DocNode *n = node->kind == DOC_SEQUENCE ? node->first : NULL; n; n = n->next) vectors[i].run(g, n);
        return;
    }
    golden_fail(g, "unknown kind of vector");
}

void golden_splits(Golden *g)
{
    FileList list;
    golden_files(g, "splits", &list);
    for (int i = 0; i < list.count; i++) {
        Doc doc;
        const char *file = list.names[i];
        const DocNode *root = golden_document(g, &doc, "splits", file);
        const bool is_vectors = root && root->kind == DOC_MAPPING;
        if (root && !is_vectors && golden_begin(g, "splits/%s", file)) {
            run_file(g, root);
            golden_end(g);
        }
        for (const DocNode *n = is_vectors ? root->first : NULL; n; n = n->next) {
            if (!golden_begin(g, "splits/%s/%s", file, n->key)) continue;
            run_vector(g, n);
            golden_end(g);
        }
        doc_free(&doc);
    }
    file_list_free(&list);
}
