#include "inference/probabilities.h"

#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "data/npy.h"
#include "inference/label_rule.h"

static void fill_outside(float *row, int64_t pixels, int heads, const DatasetInfo *info)
{
    for (int64_t i = 0; i < pixels; i++) probabilities_outside(row + i * heads, info);
}

/* ---- to a file ---- */

static char *file_name(const char *folder, const char *id, const char *ending, Err *e)
{
    return path_format(e, "%s/%s%s", folder, id, ending);
}

static int begin_file(void *context, const CaseProperties *p, const DatasetInfo *info, Err *e)
{
    ProbabilityFile *f = context;
    const int64_t *shape = p->shape_before_crop;
    f->heads = dataset_head_count(info);
    f->properties = *p;
    f->row_values = shape[2] * f->heads;
    f->row = mem_alloc((size_t)f->row_values * sizeof(float), e);
    f->outside = mem_alloc((size_t)f->row_values * sizeof(float), e);
    if (!f->row || !f->outside) return ERR_NOMEM;
    fill_outside(f->row, shape[2], f->heads, info);
    fill_outside(f->outside, shape[2], f->heads, info);
    char *path = file_name(f->folder, f->id, ".npy", e);
    const int64_t shape_zyxc[] = {shape[0], shape[1], shape[2], f->heads};
    const int code = path ? npy_create(&f->out, path, DTYPE_F32, 4, shape_zyxc, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* Writes rows outside the box, up to row `past`. */
static int skip_rows(ProbabilityFile *f, int64_t past, Err *e)
{
    for (; f->next_row < past; f->next_row++)
        TRY(file_write(&f->out, f->outside, (size_t)f->row_values * sizeof(float), e));
    return 0;
}

static int write_rows(void *context, const RowBlock *rows, Err *e)
{
    ProbabilityFile *f = context;
    const Box *box = &f->properties.box;
    const int64_t width = box->past[2] - box->first[2];
    const int64_t slice = (box->first[0] + rows->z) * f->properties.shape_before_crop[1];
    for (int64_t y = rows->y; y < rows->y + rows->count; y++) {
        TRY(skip_rows(f, slice + box->first[1] + y, e));
        memcpy(f->row + box->first[2] * f->heads, row_of(rows, y), (size_t)(width * f->heads) * sizeof(float));
        f->next_row++;
        TRY(file_write(&f->out, f->row, (size_t)f->row_values * sizeof(float), e));
    }
    return 0;
}

ProbabilitySink probability_file_sink(ProbabilityFile *f, const char *folder, const char *id)
{
    *f = (ProbabilityFile){.folder = folder, .id = id, .out = {FILE_CLOSED}};
    return (ProbabilitySink){begin_file, {write_rows, f}};
}

static int commit(ProbabilityFile *f, Err *e)
{
    const int64_t *shape = f->properties.shape_before_crop;
    TRY(skip_rows(f, shape[0] * shape[1], e));
    TRY(file_commit(&f->out, e));
    char *path = file_name(f->folder, f->id, ".yaml", e);
    const int code = path ? case_properties_write(&f->properties, path, NULL, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int probability_file_finish(ProbabilityFile *f, int code, Err *e)
{
    if (!code) code = commit(f, e);
    if (code) file_abort(&f->out);
    mem_free(f->row);
    mem_free(f->outside);
    return code;
}

int probabilities_exist(bool *there, const char *folder, const char *id, Err *e)
{
    static const char *const endings[] = {".yaml", ".npy"};
    *there = true;
    for (int i = 0; i < 2 && *there; i++) {
        char *path = file_name(folder, id, endings[i], e);
        const int code = file_is_there(path, there, e);
        mem_free(path);
        TRY(code);
    }
    return 0;
}

int probabilities_read(Array *a, CaseProperties *p, const char *folder, const char *id, const DatasetInfo *info, Err *e)
{
    *a = (Array){0};
    char *array = file_name(folder, id, ".npy", e), *yaml = file_name(folder, id, ".yaml", e);
    int code = array && yaml ? case_properties_read(p, yaml, NULL, e) : ERR_NOMEM;
    if (!code) code = npy_read(a, array, e);
    if (!code && (a->dtype != DTYPE_F32 || a->rank != 4 || a->shape[3] != dataset_head_count(info) ||
                  memcmp(a->shape, p->shape_before_crop, sizeof p->shape_before_crop))) {
        code = err_set(e, ERR_SHAPE,
                       "%s: expected float32 probabilities (z,y,x,classes) of %lldx%lldx%lld voxels and "
                       "%d classes, as in %s and dataset.json; predict again",
                       array, (long long)p->shape_before_crop[0], (long long)p->shape_before_crop[1],
                       (long long)p->shape_before_crop[2], dataset_head_count(info), yaml);
        array_free(a);
    }
    mem_free(array);
    mem_free(yaml);
    return code;
}

/* ---- to memory ---- */

static int begin_array(void *context, const CaseProperties *p, const DatasetInfo *info, Err *e)
{
    ProbabilityArray *a = context;
    int64_t shape[4];
    case_raw_shape(p, shape);
    shape[3] = dataset_head_count(info);
    if (a->memory) a->values = array_view(DTYPE_F32, 4, shape, a->memory);
    else TRY(array_new(&a->values, DTYPE_F32, 4, shape, e));
    fill_outside(a->values.data, shape[0] * shape[1] * shape[2], (int)shape[3], info);
    a->properties = *p;
    return 0;
}

static int paste_rows(void *context, const RowBlock *rows, Err *e)
{
    (void)e;
    const ProbabilityArray *a = context;
    const CaseProperties *p = &a->properties;
    const int64_t heads = a->values.shape[3];
    const Volume box = volume_cropped(case_view(p, volume_of_channel_last(&a->values, 0)), &p->box);
#pragma omp parallel for schedule(static)
    for (int64_t y = rows->y; y < rows->y + rows->count; y++) {
        char *to = volume_row(&box, rows->z, y);
        const float *from = row_of(rows, y);
        for (int64_t x = 0; x < box.shape[2]; x++, to += box.stride[2], from += heads)
            memcpy(to, from, (size_t)heads * sizeof(float));
    }
    return 0;
}

ProbabilitySink probability_array_sink(ProbabilityArray *a, float *memory)
{
    *a = (ProbabilityArray){.memory = memory};
    return (ProbabilitySink){begin_array, {paste_rows, a}};
}

/* ---- averages ---- */

void probabilities_mean(float *mean, const Array *members, int member_count, int64_t first, int64_t count)
{
    memset(mean, 0, (size_t)count * sizeof *mean);
    for (int m = 0; m < member_count; m++) {
        const void *data = members[m].data;
        if (members[m].dtype == DTYPE_F16)
            for (int64_t i = 0; i < count; i++) mean[i] += (float)half_to_double(((const uint16_t *)data)[first + i]);
        else
            for (int64_t i = 0; i < count; i++) mean[i] += ((const float *)data)[first + i];
    }
    for (int64_t i = 0; i < count; i++) mean[i] /= (float)member_count;
}
