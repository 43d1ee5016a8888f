#include "inference/model_folder.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/text.h"
#include "inference/folds.h"
#include "plans/splits.h"

void model_folder_free(ModelFolder *f)
{
    mem_free(f->results);
    mem_free(f->checkpoint);
    *f = (ModelFolder){0};
}

static int has_file(bool *there, const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = file_is_there(path, there, e);
    mem_free(path);
    return code;
}

/* Whether one of the names is in the folder. */
static int has_one(bool *there, const char *folder, const char *const *names, Err *e)
{
    *there = false;
    for (; *names && !*there; names++) TRY(has_file(there, folder, *names, e));
    return 0;
}

static int has_plans(bool *there, const char *folder, Err *e)
{
    return has_one(there, folder, (const char *const[]){"plans.yaml", "plans.json", NULL}, e);
}

/* A results folder has a plan and a fold; a folder with only a plan may contain preprocessed cases. */
static int is_results(bool *is, const char *folder, Err *e)
{
    FoldList folds;
    TRY(has_plans(is, folder, e));
    if (!*is) return 0;
    TRY(fold_list_of_results(&folds, folder, e));
    *is = folds.count;
    fold_list_free(&folds);
    return 0;
}

/* ---- a path within a results folder ---- */

/* The parent folder of an absolute path; owned by the caller; NULL for the root or without memory. */
static char *parent_of(const char *path, Err *e)
{
    const char *name = path_base(path);
    return name - path > 1 ? path_format(e, "%.*s", (int)(name - path - 1), path) : NULL;
}

static bool parse_fold(const char *name, int *fold)
{
    FoldList list = {0};
    const bool is_fold = !strncmp(name, "fold_", 5) && !fold_list_parse(&list, name + 5, NULL) && list.count == 1;
    if (is_fold) *fold = list.numbers[0];
    fold_list_free(&list);
    return is_fold;
}

/* path: absolute; a fold's folder or something in it. *found: the results folder was found. */
static int look_above(ModelFolder *f, const char *path, bool *found, Err *e)
{
    enum { LEVELS = 3 };
    char *at = mem_strdup(path, e);
    int code = at ? 0 : ERR_NOMEM, fold = MODEL_ANY_FOLD;
    *found = false;
    for (int level = 0; level < LEVELS && !code && !*found; level++) {
        const bool is_fold = parse_fold(path_base(at), &fold);
        char *parent = parent_of(at, e);
        if (!parent) break;
        if (is_fold) code = is_results(found, parent, e);
        mem_free(at);
        at = parent;
    }
    if (!code && *found) {
        f->results = at;
        f->fold = fold;
        f->is_other = true;
        return 0;
    }
    mem_free(at);
    return code;
}

/* ---- a path above a results folder ---- */

typedef struct Search {
    char *first; /* the first results folder found; owned */
    Text names;
    int count;
} Search;

static int search_below(Search *s, const char *folder, int levels, Err *e);

static int look_into(Search *s, const char *path, int levels, Err *e)
{
    bool is = false;
    Err unreadable;
    if (!file_is_folder(path) || is_results(&is, path, &unreadable)) return 0; /* others may be readable */
    if (!is) return levels > 1 ? search_below(s, path, levels - 1, e) : 0;
    if (s->count++ < 8) text_add(&s->names, "%s%s", s->count > 1 ? ", " : "", path);
    if (s->count > 1) return 0;
    s->first = mem_strdup(path, e);
    return s->first ? 0 : ERR_NOMEM;
}

static int search_below(Search *s, const char *folder, int levels, Err *e)
{
    enum { MOST = 1000 }; /* a folder with more entries is not searched: results are in small ones */
    FileList names;
    Err unreadable;
    if (file_list(&names, folder, &unreadable)) return 0;
    int code = 0;
    for (int i = 0; i < names.count && names.count <= MOST && !code; i++) {
        char *path = path_format(e, "%s/%s", folder, names.names[i]);
        code = path ? look_into(s, path, levels, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&names);
    return code;
}

static int look_below(ModelFolder *f, const char *path, bool *found, Err *e)
{
    enum { LEVELS = 2 }; /* nnUNet_results/Dataset/Trainer__Plans__2d */
    Search s = {0};
    int code = search_below(&s, path, LEVELS, e);
    if (!code && s.count > 1)
        code = err_set(e, ERR_VALUE, "%s holds %d results folders: give one of them (%s%s)", path, s.count,
                       s.names.data, s.count > 8 ? " …" : "");
    *found = !code && s.count == 1;
    if (*found) {
        f->results = s.first;
        f->is_other = true;
        s.first = NULL;
    }
    mem_free(s.first);
    text_free(&s.names);
    return code;
}

/* ---- other paths ---- */

static int refuse_folder(const char *path, Err *e)
{
    static const char *const preprocessed[] = {"dataset_fingerprint.yaml",
                                               "dataset_fingerprint.json",
                                               "gt_segmentations",
                                               "nnUNetPlans.json",
                                               "splits_final.yaml",
                                               "splits_final.json",
                                               NULL};
    static const char *const raw[] = {"imagesTr", "labelsTr", "imagesTs", NULL};
    static const char meant[] = "expected the results folder of train (it holds plans.yaml and fold_0 …)";
    bool is_raw, is_preprocessed, has_plan;
    FoldList folds;
    TRY(fold_list_of_results(&folds, path, e));
    const int fold_count = folds.count;
    fold_list_free(&folds);
    TRY(has_one(&is_preprocessed, path, preprocessed, e));
    TRY(has_one(&is_raw, path, raw, e));
    TRY(has_plans(&has_plan, path, e));
    if (is_preprocessed) return err_set(e, ERR_VALUE, "%s is a folder of preprocessed cases: %s", path, meant);
    if (is_raw) return err_set(e, ERR_VALUE, "%s is a raw dataset: %s", path, meant);
    if (has_plan)
        return err_set(e, ERR_VALUE, "%s: there is a plan, but no fold: finish a training first (train … 0 -o %s)",
                       path, path);
    if (fold_count)
        return err_set(e, ERR_VALUE,
                       "%s: there are folds, but no plans.yaml (nnU-Net: plans.json), which train wrote beside "
                       "them: put it back",
                       path);
    return err_set(e, ERR_VALUE, "%s: there is no model: %s, or inference.yaml", path, meant);
}

static int find_in_folder(ModelFolder *f, const char *path, Err *e)
{
    FileList names;
    bool found;
    TRY(file_list(&names, path, e)); /* fails if the folder cannot be read */
    file_list_free(&names);
    TRY(is_results(&found, path, e));
    if (found) return (f->results = mem_strdup(path, e)) ? 0 : ERR_NOMEM;
    char *absolute = path_absolute(path, e);
    int code = absolute ? look_above(f, absolute, &found, e) : e->code;
    mem_free(absolute);
    if (!code && !found) code = look_below(f, path, &found, e);
    return code || found ? code : refuse_folder(path, e);
}

/* "best" from checkpoint_best.safetensors; owned by the caller; NULL if it is not the name of a checkpoint. */
static char *checkpoint_name(const char *path, Err *e)
{
    static const char prefix[] = "checkpoint_";
    const char *name = path_base(path), *end = strrchr(name, '.');
    if (strncmp(name, prefix, strlen(prefix)) || !end) return NULL;
    name += strlen(prefix);
    return path_format(e, "%.*s", (int)(end - name), name);
}

static int find_by_weights(ModelFolder *f, const char *path, Err *e)
{
    bool found = false;
    char *absolute = path_absolute(path, e);
    const int code = absolute ? look_above(f, absolute, &found, e) : e->code;
    mem_free(absolute);
    if (code) return code;
    f->checkpoint = checkpoint_name(path, e);
    if (found && f->checkpoint) return 0;
    return err_set(e, ERR_VALUE,
                   "%s: these are only weights: expected a results folder, with plans.yaml (or plans.json), "
                   "dataset.json and fold_0/checkpoint_final.safetensors (or .pth)",
                   path);
}

static int find_by_file(ModelFolder *f, const char *path, Err *e)
{
    static const char *const weights[] = {".safetensors", ".pth", ".pt", ".model", NULL};
    static const char *const parts[] = {"plans.yaml", "plans.json", "dataset.json", NULL};
    for (int i = 0; weights[i]; i++)
        if (path_ends_with(path, weights[i])) return find_by_weights(f, path, e);
    for (int i = 0; parts[i]; i++) {
        if (strcmp(path_base(path), parts[i])) continue;
        const int length = (int)(path_base(path) - path);
        return err_set(e, ERR_VALUE,
                       "%s: expected a results folder, or inference.yaml: give the folder %.*s if it holds "
                       "trained folds",
                       path, length ? length : 1, length ? path : ".");
    }
    if (path_ends_with(path, ".yaml") || path_ends_with(path, ".yml") || path_ends_with(path, ".json")) return 0;
    return err_set(e, ERR_VALUE, "%s: expected a results folder of train, or inference.yaml", path);
}

int model_folder_find(ModelFolder *f, const char *path, Err *e)
{
    bool there, is_folder;
    *f = (ModelFolder){.fold = MODEL_ANY_FOLD};
    int code = file_is_there(path, &there, e);
    if (!code) code = folder_is_there(path, &is_folder, e);
    if (!code && !there) {
        code = err_set(e, ERR_VALUE, "%s does not exist: expected a results folder, or inference.yaml", path);
        path_hint(e, path);
    }
    if (!code) code = is_folder ? find_in_folder(f, path, e) : find_by_file(f, path, e);
    if (code) model_folder_free(f);
    return code;
}
