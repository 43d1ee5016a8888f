#include "planner/outputs.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/plan.h"
#include "plans/splits.h"

static const char FINGERPRINT_MADE_FROM[] = "fingerprint_made_from.yaml";

int output_refuse_other(const char *dataset, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", folder);
    if (!path) return ERR_NOMEM;
    Plan there;
    Err unreadable = {0};
    int code = 0;
    if (file_exists(path) && !plan_read(&there, path, NULL, &unreadable) && strcmp(there.dataset_name, dataset))
        code = err_set(e, ERR_VALUE, "%s holds %s: choose another folder for %s, or --overwrite", folder,
                       there.dataset_name, dataset);
    mem_free(path);
    return code;
}

/* Whether a file holds just these bytes. */
static bool holds(const char *path, const char *bytes, size_t length)
{
    void *data;
    size_t there;
    if (!file_exists(path) || file_map(path, &data, &there, NULL)) return false;
    const bool same = there == length && (!length || !memcmp(data, bytes, length));
    file_unmap(data, there);
    return same;
}

/* What is equal already stays as it is. */
static int copy_file(const char *from, const char *to, Err *e)
{
    char *bytes = NULL;
    size_t length;
    TRY(file_get(from, &bytes, &length, e));
    const int code = holds(to, bytes, length) ? 0 : file_put(to, bytes, length, e);
    mem_free(bytes);
    return code;
}

int output_dataset_json(const Dataset *d, const char *folder, Err *e)
{
    char *from = path_format(e, "%s/dataset.json", d->folder);
    char *to = path_format(e, "%s/dataset.json", folder);
    const int code = from && to ? copy_file(from, to, e) : ERR_NOMEM;
    mem_free(to);
    mem_free(from);
    return code;
}

/* The label file as it is; or, where its axes are stored otherwise than the image's, turned onto the image's grid:
 * what is predicted lies there. */
static int put_reference(const Case *c, const char *to, Err *e)
{
    Geometry image, label;
    GridAxes axes;
    Array labels;
    TRY(image_probe(&image, &(int64_t){0}, c->images[0], e));
    TRY(image_probe(&label, &(int64_t){0}, c->label, e));
    if (grid_match(&label, &image, &axes) != GRID_TURNED) return copy_file(c->label, to, e);
    TRY(image_read_labels_onto(&labels, c->label, &image, e));
    const int code = image_write(to, &image, &labels, e);
    array_free(&labels);
    return code;
}

int output_references(const Dataset *d, const char *folder, Err *e)
{
    char *references = path_format(e, "%s/gt_segmentations", folder);
    int code = references ? file_make_folders(references, e) : ERR_NOMEM;
    for (int i = 0; i < d->training.count && !code; i++) {
        const Case *c = &d->training.cases[i];
        const char *ending = image_ending(c->label);
        char *to = path_format(e, "%s/%s%s", references, c->id, ending ? ending : "");
        code = to ? put_reference(c, to, e) : ERR_NOMEM;
        mem_free(to);
    }
    mem_free(references);
    return code;
}

/* What it was made from is removed first and written last: where it stands, it speaks of the file beside it. */
int output_fingerprint(const Fingerprint *f, const MadeFrom *made_from, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/dataset_fingerprint.yaml", folder);
    char *origin = path_format(e, "%s/%s", folder, FINGERPRINT_MADE_FROM);
    int code = path && origin ? 0 : ERR_NOMEM;
    if (!code && file_exists(origin)) code = file_remove(origin, e);
    if (!code) code = fingerprint_write(f, path, e);
    if (!code) code = made_from_write(made_from, origin, e);
    mem_free(origin);
    mem_free(path);
    return code;
}

int output_fingerprint_reuse(Fingerprint *f, bool *found, const MadeFrom *made_from, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/dataset_fingerprint.yaml", folder);
    char *origin = path_format(e, "%s/%s", folder, FINGERPRINT_MADE_FROM);
    Err unreadable = {0};
    MadeFrom then = {0};
    *found = false;
    const int code = path && origin ? 0 : ERR_NOMEM;
    if (!code && !made_from_check(made_from, NULL) && file_exists(origin) &&
        !made_from_read(&then, origin, &unreadable))
        *found = made_from_same(&then, made_from) && !fingerprint_read(f, path, &unreadable);
    made_from_free(&then);
    mem_free(origin);
    mem_free(path);
    return code;
}

static const char **case_names(const Dataset *d, Err *e)
{
    const char **names = mem_alloc((size_t)d->training.count * sizeof *names, e);
    for (int i = 0; names && i < d->training.count; i++) names[i] = d->training.cases[i].id;
    return names;
}

/* The user's own splits: names must be known; found is false where there is no such file. */
static int read_own(Splits *s, bool *found, const char *folder, const char *name, const Dataset *d, Err *e)
{
    if (*found) return 0;
    char *path = path_format(e, "%s/%s", folder, name);
    if (!path) return ERR_NOMEM;
    int code = 0;
    if (file_exists(path)) {
        code = splits_read(s, path, e);
        *found = !code;
    }
    mem_free(path);
    if (!*found) return code;
    const char **names = case_names(d, e);
    code = names ? 0 : ERR_NOMEM;
    for (int fold = 0; fold < s->count && !code; fold++) {
        Split split;
        code = splits_fold(&split, s, names, d->training.count, fold, e);
        if (!code) split_free(&split);
    }
    mem_free(names);
    if (!code) return 0;
    splits_free(s);
    *found = false;
    return err_context(e, "%s/%s (remove it to have it made anew)", folder, name);
}

static int find_own(Splits *s, bool *found, const char *folder, const Dataset *d, Err *e)
{
    *found = false;
    TRY(read_own(s, found, folder, "splits_final.json", d, e));
    TRY(read_own(s, found, d->folder, "splits_final.yaml", d, e));
    return read_own(s, found, d->folder, "splits_final.json", d, e);
}

static int make_splits(const Dataset *d, const char *folder, const char *path, Text *note, Err *e)
{
    Splits s;
    bool own;
    TRY(find_own(&s, &own, folder, d, e));
    if (!own && d->training.count < SPLITS_FOLDS) {
        text_add(note, "%d cases are too few for %d folds: no splits_final.yaml; train with fold \"all\"",
                 d->training.count, SPLITS_FOLDS);
        return 0;
    }
    if (!own) {
        const char **names = case_names(d, e);
        const int code = names ? splits_make(&s, names, d->training.count, e) : ERR_NOMEM;
        mem_free(names);
        if (code) return code;
    }
    text_add(note, own ? "splits: the dataset's own" : "splits: five folds by nnU-Net's rule");
    const int code = splits_write(&s, path, e);
    splits_free(&s);
    return code;
}

int output_splits(const Dataset *d, const char *folder, Text *note, Err *e)
{
    char *path = path_format(e, "%s/splits_final.yaml", folder);
    if (!path) return ERR_NOMEM;
    Splits s;
    bool there = false;
    int code = read_own(&s, &there, folder, "splits_final.yaml", d, e);
    if (there) {
        text_add(note, "splits: those that are there");
        splits_free(&s);
    } else if (!code) {
        code = make_splits(d, folder, path, note, e);
    }
    mem_free(path);
    return code;
}
