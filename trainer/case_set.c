#include "trainer/case_set.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"

static const char IMAGE_ENDING[] = ".npy", LABEL_ENDING[] = "_seg.npy", LOCATIONS_ENDING[] = "_locations.npy";

static int check_array(const Array *a, const char *name, const char *ending, DType dtype, int rank, Err *e)
{
    if (a->dtype == dtype && a->rank == rank) return 0;
    return err_set(e, ERR_SHAPE, "%s%s: expected %s of rank %d, found %s of rank %d", name, ending, dtype_name(dtype),
                   rank, dtype_name(a->dtype), a->rank);
}

/* Fails unless every location is a voxel of the case: training reads there without a check. */
static int check_locations(const TrainingCase *c, Err *e)
{
    TRY(check_array(&c->locations, c->name, LOCATIONS_ENDING, DTYPE_I32, 2, e));
    const int32_t *rows = c->locations.data;
    bool fits = c->locations.shape[1] == 4;
    for (int64_t i = 0; fits && i < c->locations.shape[0]; i++)
        for (int axis = 0; axis < 3; axis++)
            fits = fits && rows[4 * i + 1 + axis] >= 0 && rows[4 * i + 1 + axis] < c->labels.shape[axis];
    return fits ? 0
                : err_set(e, ERR_SHAPE, "%s%s: a location is outside of this case; preprocess again", c->name,
                          LOCATIONS_ENDING);
}

static int check_case(const TrainingCase *c, int channels, Err *e)
{
    const Array *image = &c->image, *labels = &c->labels;
    TRY(check_array(image, c->name, IMAGE_ENDING, DTYPE_F32, 4, e));
    TRY(check_array(labels, c->name, LABEL_ENDING, DTYPE_I16, 3, e));
    for (int axis = 0; axis < 3; axis++)
        if (image->shape[axis] != labels->shape[axis] || image->shape[axis] < 1)
            return err_set(e, ERR_SHAPE,
                           "%s: image and labels have %lld and %lld voxels along axis %d; preprocess again", c->name,
                           (long long)image->shape[axis], (long long)labels->shape[axis], axis);
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
