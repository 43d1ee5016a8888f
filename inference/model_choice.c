#include "inference/model_choice.h"

#include <stdio.h>
#include <string.h>

/* *folds: of the options, or the path's; new. */
static int take_fold(FoldList *folds, const ModelFolder *f, const char *path, const FoldList *asked, Err *e)
{
    char name[FOLD_NAME_BYTES];
    TRY(fold_list_copy(folds, asked, e));
    if (f->fold == MODEL_ANY_FOLD || (asked->count == 1 && asked->numbers[0] == f->fold)) return 0;
    if (!asked->count) return fold_list_add(folds, f->fold, e);
    return err_set(e, ERR_VALUE, "%s names fold %s, but other folds are asked for: give the results folder %s", path,
                   fold_name(name, f->fold), f->results);
}

static int take_checkpoint(ModelChoice *m, const char *path, const char *asked, Err *e)
{
    const char *named = m->folder.checkpoint;
    m->checkpoint = named ? named : asked;
    if (!named || !asked || !strcmp(asked, named)) return 0;
    return err_set(
        e, ERR_VALUE,
        "%s names the checkpoint %s, but %s is asked for: give the results folder %s, or no other checkpoint", path,
        named, asked, m->folder.results);
}

static void note_folder(ModelChoice *m, const char *path)
{
    char name[FOLD_NAME_BYTES];
    const ModelFolder *f = &m->folder;
    if (!f->is_other) return;
    if (f->fold == MODEL_ANY_FOLD)
        snprintf(m->note, sizeof m->note, "%s: using the only results folder in it, %s", path, f->results);
    else
        snprintf(m->note, sizeof m->note, "%s: using fold %s of the results folder %s%s%s", path,
                 fold_name(name, f->fold), f->results, f->checkpoint ? ", checkpoint " : "",
                 f->checkpoint ? f->checkpoint : "");
}

static int take_results(ModelChoice *m, const char *path, const FoldList *asked, const char *checkpoint, Err *e)
{
    FoldList folds = {0};
    int code = take_fold(&folds, &m->folder, path, asked, e);
    if (!code) code = take_checkpoint(m, path, checkpoint, e);
    if (!code) code = configuration_add(&m->configuration, m->folder.results, &folds, NULL, e);
    fold_list_free(&folds);
    note_folder(m, path);
    return code;
}

static int take_file(ModelChoice *m, const char *path, const FoldList *asked, const char *checkpoint, Err *e)
{
    m->checkpoint = checkpoint;
    if (asked->count)
        return err_set(e, ERR_VALUE, "%s names the folds of its models itself: folds are chosen of a results folder",
                       path);
    TRY(configuration_read(&m->configuration, path, e));
    return configuration_expect_results(&m->configuration, e);
}

int model_choice_find(ModelChoice *m, const char *path, const FoldList *folds, const char *checkpoint, Err *e)
{
    *m = (ModelChoice){0};
    int code = model_folder_find(&m->folder, path, e);
    if (!code)
        code =
            m->folder.results ? take_results(m, path, folds, checkpoint, e) : take_file(m, path, folds, checkpoint, e);
    if (code) model_choice_free(m);
    return code;
}

void model_choice_free(ModelChoice *m)
{
    configuration_free(&m->configuration);
    model_folder_free(&m->folder);
    *m = (ModelChoice){0};
}

int model_choice_read_postprocessing(ModelChoice *m, const char *path, Err *e)
{
    Configuration other;
    TRY(configuration_read(&other, path, e));
    const Postprocessing theirs = other.postprocessing;
    other.postprocessing = m->configuration.postprocessing; /* exchanged: freed with `other` */
    m->configuration.postprocessing = theirs;
    configuration_free(&other);
    return 0;
}
