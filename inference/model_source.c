#include "inference/model_source.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/results.h"
#include "plans/splits.h"

void fold_list_text(const FoldList *f, Text *text)
{
    char name[FOLD_NAME_BYTES];
    text_add(text, f->count == 1 ? "fold" : "folds");
    for (int i = 0; i < f->count; i++) text_add(text, "%s %s", i ? "," : "", fold_name(name, f->numbers[i]));
}

/* ---- checkpoints ---- */

/* Adds the fold and its checkpoint, if it exists. */
static int try_fold(ModelSource *s, int fold, bool *found, Err *e)
{
    char *path;
    TRY(results_checkpoint(&path, s->results, fold, s->checkpoint, e));
    *found = path;
    if (!path) return 0;
    const size_t used = (size_t)s->folds.count * sizeof *s->paths;
    int code = mem_grow((void **)&s->paths, used, used + sizeof *s->paths, e);
    if (!code) code = fold_list_add(&s->folds, fold, e);
    if (code) mem_free(path);
    else s->paths[s->folds.count - 1] = path;
    return code;
}

/* Adds advice for a fold without the checkpoint: use another one that it has, or finish its training. */
static int add_way_out(Text *text, const ModelSource *s, int fold, Err *e)
{
    static const char *const names[] = {"final", "best", "latest"};
    char *path = NULL, folder[FOLD_NAME_BYTES];
    for (int i = 0; i < 3 && !path; i++) {
        TRY(results_checkpoint(&path, s->results, fold, names[i], e));
        if (path) text_add(text, ", but checkpoint_%s: use it with --checkpoint %s", names[i], names[i]);
    }
    mem_free(path);
    if (!strcmp(s->checkpoint, "final"))
        text_add(text, "%s finish the training (train … %s -o %s --continue)", path ? ", or" : ":",
                 fold_name(folder, fold), s->results);
    return text_check(text, e);
}

/* Fails with what there is instead of a requested checkpoint. */
static int refuse_fold(const ModelSource *s, int fold, const FoldList *there, Err *e)
{
    char name[FOLD_NAME_BYTES];
    Text text = {0};
    fold_name(name, fold);
    int code = 0;
    if (fold_list_has(there, fold)) {
        code = add_way_out(&text, s, fold, e);
        if (!code)
            code = err_set(e, ERR_VALUE, "%s/fold_%s has no checkpoint_%s%s", s->results, name, s->checkpoint,
                           text.data ? text.data : "");
    } else {
        if (there->count) fold_list_text(there, &text);
        code = err_set(e, ERR_VALUE,
                       "%s: there is no fold_%s, only %s: train it first, or name others with -f "
                       "(in an inference.yaml: under folds)",
                       s->results, name, there->count ? text.data : "no fold at all");
    }
    text_free(&text);
    return code;
}

static int take_asked(ModelSource *s, const int *folds, int fold_count, const FoldList *there, Err *e)
{
    for (int i = 0; i < fold_count; i++) {
        bool found;
        TRY(try_fold(s, folds[i], &found, e));
        if (!found) return refuse_fold(s, folds[i], there, e);
    }
    return 0;
}

static int take_all(ModelSource *s, const FoldList *there, Err *e)
{
    bool found = false;
    for (int i = 0; i < there->count; i++) {
        if (there->numbers[i] == SPLITS_FOLD_ALL) continue;
        TRY(try_fold(s, there->numbers[i], &found, e));
        if (!found) TRY(fold_list_add(&s->unused, there->numbers[i], e));
    }
    if (!fold_list_has(there, SPLITS_FOLD_ALL)) return 0;
    if (!s->folds.count) TRY(try_fold(s, SPLITS_FOLD_ALL, &found, e));
    else found = false;
    return found ? 0 : fold_list_add(&s->unused, SPLITS_FOLD_ALL, e);
}

static int refuse_results(const ModelSource *s, const FoldList *there, Err *e)
{
    Text text = {0};
    if (!there->count)
        return err_set(
            e, ERR_VALUE,
            "%s: there is no fold: expected a results folder of train, with fold_0/checkpoint_%s.safetensors "
            "and other files",
            s->results, s->checkpoint);
    fold_list_text(there, &text);
    text_add(&text, " %s no checkpoint_%s", there->count == 1 ? "has" : "have", s->checkpoint);
    int code = add_way_out(&text, s, there->numbers[0], e);
    if (!code) code = err_set(e, ERR_VALUE, "%s: %s", s->results, text.data);
    text_free(&text);
    return code;
}

static int find_checkpoints(ModelSource *s, const int *folds, int fold_count, Err *e)
{
    FoldList there;
    TRY(fold_list_of_results(&there, s->results, e));
    int code = fold_count ? take_asked(s, folds, fold_count, &there, e) : take_all(s, &there, e);
    if (!code && !s->folds.count) code = refuse_results(s, &there, e);
    fold_list_free(&there);
    return code;
}

/* ---- the whole ---- */

static int open_source(ModelSource *s, const int *folds, int fold_count, Err *e)
{
    TRY(find_checkpoints(s, folds, fold_count, e));
    TRY(results_read(&s->plan, &s->info, s->results, s->paths[0], e));
    s->has_info = true;
    return 0;
}

int model_source_open(ModelSource *s, const char *results, const int *folds, int fold_count, const char *checkpoint,
                      Err *e)
{
    *s = (ModelSource){0};
    s->results = mem_strdup(results, e);
    s->checkpoint = mem_strdup(checkpoint ? checkpoint : "final", e);
    const int code = s->results && s->checkpoint ? open_source(s, folds, fold_count, e) : ERR_NOMEM;
    if (code) model_source_free(s);
    return code;
}

void model_source_free(ModelSource *s)
{
    for (int i = 0; i < s->folds.count; i++) mem_free(s->paths[i]);
    mem_free(s->paths);
    fold_list_free(&s->folds);
    fold_list_free(&s->unused);
    if (s->has_info) dataset_info_free(&s->info);
    mem_free(s->results);
    mem_free(s->checkpoint);
    *s = (ModelSource){0};
}
