#include "trainer/split_record.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

/* *found: there is a record. */
static int read_record(Splits *record, bool *found, const char *folder, Err *e)
{
    *record = (Splits){0};
    *found = false;
    char *path = path_format(e, "%s/split.yaml", folder);
    int code = path ? file_is_there(path, found, e) : ERR_NOMEM;
    if (!code && *found) code = splits_read(record, path, e);
    mem_free(path);
    return code;
}

static int sorted(NameList *list, char *const *names, int count, Err *e)
{
    int code = 0;
    for (int i = 0; i < count && !code; i++) code = names_add(list, names[i], e);
    names_sort(list);
    return code;
}

/* The training and validation cases of a split, sorted. */
typedef struct Sides {
    NameList train, val;
} Sides;

static int sides_of(Sides *s, const Split *split, Err *e)
{
    *s = (Sides){0};
    TRY(sorted(&s->train, split->train, split->train_count, e));
    return sorted(&s->val, split->val, split->val_count, e);
}

static void sides_free(Sides *s)
{
    names_free(&s->train);
    names_free(&s->val);
}

/* Finds cases that were trained on and are now validated, or the other way round. */
static int find_changed_side(NameList *changed, const Sides *then, const Sides *now, Err *e)
{
    for (int i = 0; i < now->train.count; i++)
        if (names_have(&then->val, now->train.names[i]) && !names_have(&then->train, now->train.names[i]))
            TRY(names_add(changed, now->train.names[i], e));
    for (int i = 0; i < now->val.count; i++)
        if (names_have(&then->train, now->val.names[i]) && !names_have(&then->val, now->val.names[i]))
            TRY(names_add(changed, now->val.names[i], e));
    return 0;
}

static int refuse_changed_side(const NameList *changed, const char *folder, Err *e)
{
    Text told = {0};
    names_tell(&told, changed);
    err_set(e, ERR_VALUE,
            "%s was trained on other cases: it would now train on what it validated before, or the other way "
            "round (%s): restore the splits (%s/split.yaml has them), or start again with --overwrite",
            folder, told.data ? told.data : "", folder);
    text_free(&told);
    return e->code;
}

static int warn_of_difference(Text *warnings, const NameList *less, const NameList *more, const char *what, Err *e)
{
    NameList lost = {0};
    int code = 0;
    for (int i = 0; i < less->count && !code; i++)
        if (!names_have(more, less->names[i])) code = names_add(&lost, less->names[i], e);
    if (!code && lost.count) {
        text_add(warnings, "%s: ", what);
        names_tell(warnings, &lost);
        text_add(warnings, "\n");
    }
    names_free(&lost);
    return code;
}

static int compare(Text *warnings, const Sides *then, const Sides *now, const char *folder, Err *e)
{
    NameList changed = {0};
    int code = find_changed_side(&changed, then, now, e);
    if (!code && changed.count) code = refuse_changed_side(&changed, folder, e);
    names_free(&changed);
    if (!code)
        code = warn_of_difference(warnings, &then->train, &now->train,
                                  "the run continues without these earlier training cases", e);
    if (!code)
        code = warn_of_difference(warnings, &now->train, &then->train, "the run continues with new training cases", e);
    if (!code) code = warn_of_difference(warnings, &then->val, &now->val, "no longer validated", e);
    return code ? code : warn_of_difference(warnings, &now->val, &then->val, "validated from now on", e);
}

/* ---- files that the cases were made from ---- */

static char *contents_path(const char *folder, Err *e) { return path_format(e, "%s/split_made_from.yaml", folder); }

static int warn_of_contents(Text *warnings, const MadeFrom *then, const MadeFrom *now, Err *e)
{
    NameList changed = {0};
    int code = 0;
    for (int i = 0; i < now->count && !code; i++) {
        const char *before = made_from_find(then, now->items[i].key);
        if (before && strcmp(before, now->items[i].value)) code = names_add(&changed, now->items[i].key, e);
    }
    if (!code && changed.count) {
        text_add(warnings, "images or labels were changed since the run began; it continues with the present ones: ");
        names_tell(warnings, &changed);
        text_add(warnings, "; its weights were trained on the earlier ones (--overwrite starts again)\n");
    }
    names_free(&changed);
    return code;
}

static int check_contents(Text *warnings, const MadeFrom *now, const char *folder, Err *e)
{
    MadeFrom then;
    bool there = false;
    char *path = contents_path(folder, e);
    int code = path ? file_is_there(path, &there, e) : ERR_NOMEM;
    if (!code && there && !(code = made_from_read(&then, path, e))) {
        code = warn_of_contents(warnings, &then, now, e);
        made_from_free(&then);
    }
    mem_free(path);
    return code;
}

/* ---- the record ---- */

int split_record_check(Text *warnings, const FoldCases *cases, const MadeFrom *contents, const char *folder, Err *e)
{
    Splits record;
    bool found;
    Sides then = {0}, now = {0};
    TRY(read_record(&record, &found, folder, e));
    int code = found ? sides_of(&then, &record.folds[0], e) : 0;
    if (!code && found) code = sides_of(&now, &cases->split, e);
    if (!code && found) code = compare(warnings, &then, &now, folder, e);
    if (!code) code = check_contents(warnings, contents, folder, e);
    sides_free(&then);
    sides_free(&now);
    splits_free(&record);
    return code ? code : text_check(warnings, e);
}

int split_record_write(const FoldCases *cases, const MadeFrom *contents, const char *folder, Err *e)
{
    Split split = cases->split;
    const Splits record = {&split, 1};
    char *path = path_format(e, "%s/split.yaml", folder), *beside = contents_path(folder, e);
    int code = path && beside ? made_from_write(contents, beside, e) : ERR_NOMEM;
    if (!code) code = splits_write(&record, path, e);
    mem_free(beside);
    mem_free(path);
    return code;
}

/* Keeps the recorded cases that still exist, and adds a warning about the others. */
static int take_present(FoldCases *cases, const Split *record, const NameList *present, const char *folder, Err *e)
{
    NameList val = {0}, gone = {0};
    int code = 0;
    for (int i = 0; i < record->val_count && !code; i++)
        code = names_add(names_have(present, record->val[i]) ? &val : &gone, record->val[i], e);
    if (!code && gone.count) {
        text_add(&cases->warnings,
                 "%s/split.yaml: these cases are no longer in the dataset and are not validated: ", folder);
        names_tell(&cases->warnings, &gone);
        text_add(&cases->warnings, "\n");
    }
    names_free(&gone);
    cases->split = (Split){.val = val.names, .val_count = val.count};
    text_add(&cases->told, "%d validation cases, from %s/split.yaml", val.count, folder);
    if (!code && !val.count)
        code = err_set(e, ERR_VALUE, "%s/split.yaml: %s", folder,
                       record->val_count ? "the dataset has none of its validation cases any more"
                                         : "the fold has no validation case");
    return code;
}

int split_record_validation(FoldCases *cases, const char *folder, const char *preprocessed, int fold, Err *e)
{
    Splits record;
    bool found;
    DatasetCases dataset;
    TRY(read_record(&record, &found, folder, e));
    if (!found) return fold_cases_read(cases, preprocessed, fold, e);
    *cases = (FoldCases){0};
    int code = dataset_cases_read(&dataset, preprocessed, e);
    if (!code) {
        code = take_present(cases, &record.folds[0], &dataset.present, folder, e);
        dataset_cases_free(&dataset);
    }
    splits_free(&record);
    if (!code) code = text_check(&cases->warnings, e);
    if (!code) code = text_check(&cases->told, e);
    if (code) fold_cases_free(cases);
    return code;
}
