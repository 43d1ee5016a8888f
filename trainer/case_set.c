#include "trainer/case_set.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"

static const char IMAGE_ENDING[] = ".npy", LABEL_ENDING[] = "_seg.npy", LOCATIONS_ENDING[] = "_locations.npy";

static void free_names(char **names, int count)
{
    for (int i = 0; i < count; i++) mem_free(names[i]);
    mem_free(names);
}

/* The names of all cases in a folder, sorted; *names is owned by the caller, on failure too. */
static int list_cases(char ***names, int *count, const char *folder, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    *names = mem_zalloc((size_t)files.count + 1, sizeof **names, e);
    if (!*names) code = ERR_NOMEM;
    for (int i = 0; i < files.count && !code; i++) {
        if (!path_ends_with(files.names[i], LABEL_ENDING)) continue;
        files.names[i][strlen(files.names[i]) - strlen(LABEL_ENDING)] = '\0';
        (*names)[*count] = mem_strdup(files.names[i], e);
        if ((*names)[*count]) ++*count;
        else code = ERR_NOMEM;
    }
    file_list_free(&files);
    if (code || *count) return code;
    return err_set(e, ERR_VALUE, "%s: no preprocessed case (NAME.npy with NAME_seg.npy) is there; run "
                   "plan_and_preprocess first", folder);
}

static int report_no_splits(const char *path, int cases, int fold, Err *e)
{
    if (cases >= SPLITS_FOLDS)
        return err_set(e, ERR_IO, "%s: not there, so there is no fold %d; run plan_and_preprocess again", path, fold);
    return err_set(e, ERR_VALUE,
                   "%d case%s too few for five folds: train fold \"all\", or write %s yourself (a list of "
                   "{train: [CASE, ...], val: [CASE, ...]})",
                   cases, cases == 1 ? " is" : "s are", path);
}

/* Without a file of splits there are no folds, but `all` still means every case. */
static int choose_fold(Split *split, const char *path, char **names, int count, int fold, Err *e)
{
    Splits splits = {0};
    if (file_exists(path)) TRY(splits_read(&splits, path, e));
    else if (fold != SPLITS_FOLD_ALL) return report_no_splits(path, count, fold, e);
    int code = splits_fold(split, &splits, (const char *const *)names, count, fold, e);
    splits_free(&splits);
    if (!code && !split->train_count) {
        split_free(split);
        code = err_set(e, ERR_VALUE, "%s: fold %d has no case to train on", path, fold);
    }
    return code;
}

int case_split(Split *split, const char *preprocessed, int fold, Err *e)
{
    char *folder = path_format(e, "%s/2d", preprocessed),
         *path = path_format(e, "%s/splits_final.yaml", preprocessed);
    char **names = NULL;
    int count = 0;
    int code = folder && path ? list_cases(&names, &count, folder, e) : ERR_NOMEM;
    if (!code) code = choose_fold(split, path, names, count, fold, e);
    free_names(names, count);
    mem_free(path);
    mem_free(folder);
    return code;
}

static int check_array(const Array *a, const char *name, const char *ending, DType dtype, int rank, Err *e)
{
    if (a->dtype == dtype && a->rank == rank) return 0;
    return err_set(e, ERR_SHAPE, "%s%s: expected %s of rank %d, found %s of rank %d", name, ending,
                   dtype_name(dtype), rank, dtype_name(a->dtype), a->rank);
}

/* Every location must be a voxel of the case: training reads there unchecked. */
static int check_locations(const TrainingCase *c, Err *e)
{
    TRY(check_array(&c->locations, c->name, LOCATIONS_ENDING, DTYPE_I32, 2, e));
    const int32_t *rows = c->locations.data;
    bool fits = c->locations.shape[1] == 4;
    for (int64_t i = 0; fits && i < c->locations.shape[0]; i++)
        for (int axis = 0; axis < 3; axis++)
            fits = fits && rows[4 * i + 1 + axis] >= 0 && rows[4 * i + 1 + axis] < c->labels.shape[axis];
    return fits ? 0
                : err_set(e, ERR_SHAPE, "%s%s: not locations in this case; preprocess again", c->name,
                          LOCATIONS_ENDING);
}

static int check_case(const TrainingCase *c, int channels, Err *e)
{
    const Array *image = &c->image, *labels = &c->labels;
    TRY(check_array(image, c->name, IMAGE_ENDING, DTYPE_F32, 4, e));
    TRY(check_array(labels, c->name, LABEL_ENDING, DTYPE_I16, 3, e));
    for (int axis = 0; axis < 3; axis++)
        if (image->shape[axis] != labels->shape[axis] || image->shape[axis] < 1)
            return err_set(e, ERR_SHAPE, "%s: image and labels have %lld and %lld voxels along axis %d; preprocess again",
                           c->name, (long long)image->shape[axis], (long long)labels->shape[axis], axis);
    if (image->shape[3] != channels)
        return err_set(e, ERR_SHAPE, "%s%s: %lld channels, but the plan has %d; preprocess again", c->name,
                       IMAGE_ENDING, (long long)image->shape[3], channels);
    return check_locations(c, e);
}

static int read_part(Array *a, const char *folder, const char *name, const char *ending, Err *e)
{
    char *path = path_format(e, "%s/%s%s", folder, name, ending);
    const int code = path ? npy_read(a, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int open_case(TrainingCase *c, const char *folder, const char *name, int channels, Err *e)
{
    c->name = mem_strdup(name, e);
    if (!c->name) return ERR_NOMEM;
    TRY(read_part(&c->image, folder, name, IMAGE_ENDING, e));
    TRY(read_part(&c->labels, folder, name, LABEL_ENDING, e));
    TRY(read_part(&c->locations, folder, name, LOCATIONS_ENDING, e));
    return check_case(c, channels, e);
}

int case_set_open(CaseSet *set, const char *folder, char *const *names, int count, int channels, Err *e)
{
    *set = (CaseSet){.channels = channels};
    set->cases = mem_zalloc((size_t)count, sizeof *set->cases, e);
    int code = set->cases ? 0 : ERR_NOMEM;
    while (!code && set->count < count) {
        code = open_case(&set->cases[set->count], folder, names[set->count], channels, e);
        set->count++;
    }
    if (code) case_set_close(set);
    return code;
}

void case_set_close(CaseSet *set)
{
    for (int i = 0; i < set->count; i++) {
        TrainingCase *c = &set->cases[i];
        mem_free(c->name);
        array_free(&c->image);
        array_free(&c->labels);
        array_free(&c->locations);
    }
    mem_free(set->cases);
    *set = (CaseSet){0};
}
