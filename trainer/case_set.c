#include "trainer/case_set.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"

static const char LABEL_ENDING[] = "_seg.npy";

int case_names(char ***names, int *count, const char *folder, Err *e)
{
    FileList files = {0};
    *names = NULL;
    *count = 0;
    TRY(file_list(&files, folder, e));
    int code = ERR_NOMEM;
    char **list = mem_zalloc((size_t)files.count + 1, sizeof *list, e);
    if (!list) goto done;
    for (int i = 0; i < files.count; i++) {
        if (!path_ends_with(files.names[i], LABEL_ENDING)) continue;
        files.names[i][strlen(files.names[i]) - strlen(LABEL_ENDING)] = '\0';
        if (!(list[*count] = mem_strdup(files.names[i], e))) goto done;
        ++*count;
    }
    code = 0;
    if (!*count) code = err_set(e, ERR_VALUE, "%s: no preprocessed case (NAME.npy with NAME_seg.npy) is there; "
                                "run plan_and_preprocess first", folder);
    if (!code) *names = list;
done:
    if (code) case_names_free(list, *count);
    file_list_free(&files);
    return code;
}

void case_names_free(char **names, int count)
{
    for (int i = 0; names && i < count; i++) mem_free(names[i]);
    mem_free(names);
}

static int check_case(const TrainingCase *c, int channels, Err *e)
{
    const Array *image = &c->image, *labels = &c->labels;
    if (image->dtype != DTYPE_F32 || image->rank != 4)
        return err_set(e, ERR_SHAPE, "%s.npy: expected a float32 array (Z,Y,X,C), found %s of rank %d", c->name,
                       dtype_name(image->dtype), image->rank);
    if (labels->dtype != DTYPE_I16 || labels->rank != 3)
        return err_set(e, ERR_SHAPE, "%s%s: expected an int16 array (Z,Y,X), found %s of rank %d", c->name,
                       LABEL_ENDING, dtype_name(labels->dtype), labels->rank);
    for (int axis = 0; axis < 3; axis++)
        if (image->shape[axis] != labels->shape[axis] || image->shape[axis] < 1)
            return err_set(e, ERR_SHAPE, "%s: image and labels have %lld and %lld voxels along axis %d", c->name,
                           (long long)image->shape[axis], (long long)labels->shape[axis], axis);
    if (image->shape[3] != channels)
        return err_set(e, ERR_SHAPE, "%s.npy: %lld channels, but the plan has %d; preprocess again", c->name,
                       (long long)image->shape[3], channels);
    return 0;
}

static int open_case(TrainingCase *c, const char *folder, const char *name, int channels, Err *e)
{
    char *image = path_format(e, "%s/%s.npy", folder, name);
    char *labels = path_format(e, "%s/%s%s", folder, name, LABEL_ENDING);
    int code = ERR_NOMEM;
    if (!image || !labels || !(c->name = mem_strdup(name, e))) goto done;
    code = npy_read(&c->image, image, e);
    if (!code) code = npy_read(&c->labels, labels, e);
    if (!code) code = check_case(c, channels, e);
done:
    mem_free(image);
    mem_free(labels);
    return code;
}

int case_set_open(CaseSet *set, const char *folder, char *const *names, int count, int channels, Err *e)
{
    *set = (CaseSet){.channels = channels};
    pthread_mutex_init(&set->lock, NULL);
    int code = 0;
    set->cases = mem_zalloc((size_t)count, sizeof *set->cases, e);
    if (!set->cases) code = ERR_NOMEM;
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
        foreground_index_free(&c->index);
    }
    mem_free(set->cases);
    if (set->channels) pthread_mutex_destroy(&set->lock);
    *set = (CaseSet){0};
}

int case_set_index(CaseSet *set, int i, const ForegroundIndex **index, Err *e)
{
    TrainingCase *c = &set->cases[i];
    int code = 0;
    pthread_mutex_lock(&set->lock);
    if (!c->is_indexed) {
        code = foreground_index_new(&c->index, c->labels.data, c->labels.shape, e);
        if (code) err_context(e, "%s%s", c->name, LABEL_ENDING);
        c->is_indexed = !code;
    }
    pthread_mutex_unlock(&set->lock);
    *index = &c->index;
    return code;
}
