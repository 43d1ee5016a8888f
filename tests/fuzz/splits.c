/* Splits in YAML and JSON: the folds of a dataset that has their cases, all or some. */
#include "plans/splits.h"

#include <string.h>

#include "base/memory.h"
#include "tests/fuzz/documents.h"

/* All names of the first fold are the dataset's, one in three of them of earlier runs. */
static int make_cases(DatasetCases *cases, const Splits *splits, Err *e)
{
    const Split *first = &splits->folds[0];
    *cases = (DatasetCases){0};
    for (int i = 0; i < first->train_count; i++)
        TRY(names_add(i % 3 == 2 ? &cases->removed : &cases->present, first->train[i], e));
    for (int i = 0; i < first->val_count; i++) TRY(names_add(&cases->present, first->val[i], e));
    TRY(names_add(&cases->present, "another", e));
    names_sort(&cases->present);
    names_sort(&cases->removed);
    return 0;
}

static void use_folds(const Splits *splits, const DatasetCases *cases)
{
    for (int fold = SPLITS_FOLD_ALL; fold <= splits->count && fold < 4; fold++) {
        Split split;
        Err e = {0};
        Text notes = {0};
        if (fuzz_done(splits_fold(&split, splits, cases, fold, &notes, &e), &e)) {
            FUZZ_EXPECT(split.train_count > 0);
            split_free(&split);
        }
        text_free(&notes);
    }
}

static void write_again(const Splits *splits)
{
    static const char *const names[] = {"again.yaml", "again.json"};
    for (int i = 0; i < 2; i++) {
        Splits again;
        Err e = {0};
        const char *path = fuzz_in_folder(names[i], "", 0);
        FUZZ_EXPECT(!splits_write(splits, path, &e) && !splits_read(&again, path, &e) && splits_equal(splits, &again));
        splits_free(&again);
    }
}

static void update(Splits *splits, const DatasetCases *cases)
{
    NameList left, joined, lacking;
    Err e = {0};
    FUZZ_EXPECT(!splits_update(splits, &cases->present, NULL, &left, &joined, &e));
    FUZZ_EXPECT(!splits_lacking(&lacking, splits, &cases->present, &e) && !lacking.count);
    names_free(&left);
    names_free(&joined);
    names_free(&lacking);
}

static bool run(const uint8_t *data, size_t bytes)
{
    Splits splits;
    DatasetCases cases;
    Err e = {0};
    if (!fuzz_done(splits_read(&splits, fuzz_document("splits_final", data, bytes), &e), &e)) return false;
    FUZZ_EXPECT(splits.count > 0 && !make_cases(&cases, &splits, &e));
    use_folds(&splits, &cases);
    write_again(&splits);
    update(&splits, &cases);
    dataset_cases_free(&cases);
    splits_free(&splits);
    return true;
}

static int seed(const char *folder, Err *e)
{
    static const char *const cases[] = {"case_1", "case_2", "case_3", "\xc3\xa4", "5", "true"};
    Splits splits;
    TRY(splits_make(&splits, cases, 6, 2, e));
    int code = splits_write(&splits, fuzz_seed_path(folder, "made.yaml"), e);
    if (!code) code = splits_write(&splits, fuzz_seed_path(folder, "made.json"), e);
    splits_free(&splits);
    return code ? code
                : fuzz_seed_text(folder, "twice", "- train: [a, b, c, a]\n  val: [a, d, d]\n- {train: [], val: []}\n",
                                 e);
}

const FuzzTarget fuzz_target_splits = {"splits", run, seed, NULL};
