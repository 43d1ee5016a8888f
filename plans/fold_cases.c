#include "plans/fold_cases.h"

#include <string.h>

#include "base/memory.h"
#include "plans/splits_file.h"

void fold_cases_free(FoldCases *f)
{
    split_free(&f->split);
    text_free(&f->told);
    text_free(&f->warnings);
}

static int refuse_no_splits(const char *preprocessed, int cases, int fold, Err *e)
{
    if (cases >= SPLITS_FOLDS)
        return err_set(e, ERR_IO,
                       "%s/splits_final.yaml: missing, and there is no splits_final.json: there is no fold %d; run "
                       "plan_and_preprocess again",
                       preprocessed, fold);
    return err_set(e, ERR_VALUE,
                   "%d case%s too few for five folds: train fold \"all\", give plan_and_preprocess --folds N, or "
                   "write %s/splits_final.yaml yourself (a list of {train: [CASE, ...], val: [CASE, ...]})",
                   cases, cases == 1 ? " is" : "s are", preprocessed);
}

static void tell(FoldCases *f, const SplitsFile *file, int fold)
{
    const Split *s = &f->split;
    if (fold == SPLITS_FOLD_ALL) {
        text_add(&f->told, "%d training cases, which are validated too: fold all", s->train_count);
        return;
    }
    if (fold >= file->splits.count) {
        text_add(&f->told, "%d training and %d validation cases: drawn at random for fold %d, which is not in %s",
                 s->train_count, s->val_count, fold, file->path);
        return;
    }
    text_add(&f->told, "%d training and %d validation cases: fold %d of %s, which has %d fold%s", s->train_count,
             s->val_count, fold, file->path, file->splits.count, file->splits.count == 1 ? "" : "s");
    if (file->passed_over) text_add(&f->told, " (%s, drawn by plan_and_preprocess, does not count)", file->passed_over);
}

/* Adds every line of notes, with the fold and the file before it. */
static void warn(FoldCases *f, const Text *notes, const SplitsFile *file, int fold)
{
    int length;
    for (const char *line = notes->data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        text_add(&f->warnings, "%s: fold %d: %.*s\n", file->path, fold, length, line);
    }
}

/* Warns of the dataset's cases that this fold does not use. */
static int note_unused(Text *notes, Split *split, const NameList *present, Err *e)
{
    NameList unused;
    const Splits one = {split, 1};
    const int code = splits_lacking(&unused, &one, present, e);
    if (!code && unused.count) {
        text_add(notes, "in neither of its lists, not used: ");
        names_tell(notes, &unused);
        text_add(notes, "\n");
    }
    names_free(&unused);
    return code;
}

static int read_fold(FoldCases *f, const SplitsFile *file, const DatasetCases *cases, const char *preprocessed,
                     int fold, Err *e)
{
    Text notes = {0};
    if (!file->path && fold != SPLITS_FOLD_ALL) return refuse_no_splits(preprocessed, cases->present.count, fold, e);
    int code = splits_fold(&f->split, &file->splits, cases, fold, &notes, e);
    if (code && file->path) err_context(e, "%s", file->path);
    if (!code) code = note_unused(&notes, &f->split, &cases->present, e);
    if (!code) {
        tell(f, file, fold);
        warn(f, &notes, file, fold);
        code = text_check(&f->told, e);
    }
    if (!code) code = text_check(&f->warnings, e);
    text_free(&notes);
    return code;
}

int fold_cases_read(FoldCases *f, const char *preprocessed, int fold, Err *e)
{
    *f = (FoldCases){0};
    DatasetCases cases;
    SplitsFile file = {0};
    TRY(dataset_cases_read(&cases, preprocessed, e));
    int code = fold == SPLITS_FOLD_ALL ? 0 : splits_file_find(&file, preprocessed, e);
    if (!code && fold != SPLITS_FOLD_ALL) code = splits_passed_over(&f->warnings, preprocessed, e);
    if (!code) code = read_fold(f, &file, &cases, preprocessed, fold, e);
    splits_file_free(&file);
    dataset_cases_free(&cases);
    if (code) fold_cases_free(f);
    return code;
}
