#include "inference/average.h"

#include <string.h>

#include "base/memory.h"
#include "data/image_io.h"
#include "inference/label_rule.h"

typedef struct Members {
    Array arrays[AVERAGE_MEMBERS];
    CaseProperties properties; /* of the first */
    int count;
} Members;

static void members_close(Members *m)
{
    for (int i = 0; i < m->count; i++) array_free(&m->arrays[i]);
}

static int members_open(Members *m, const char *const *folders, int folder_count, const char *id,
                        const DatasetInfo *info, Err *e)
{
    m->count = 0;
    if (folder_count > AVERAGE_MEMBERS)
        return err_set(e, ERR_VALUE, "%d folders, at most %d are possible", folder_count, AVERAGE_MEMBERS);
    while (m->count < folder_count) {
        CaseProperties p, *first = &m->properties;
        TRY(probabilities_read(&m->arrays[m->count], &p, folders[m->count], id, info, e));
        if (!m->count++) *first = p;
        if (memcmp(p.shape_before_crop, first->shape_before_crop, sizeof p.shape_before_crop) ||
            !grid_axes_equal(&p.axes, &first->axes) ||
            memcmp(p.transpose_forward, first->transpose_forward, sizeof p.transpose_forward))
            return err_set(e, ERR_SHAPE,
                           "case %s: the probabilities in %s and %s have another shape or order of axes", id,
                           folders[0], folders[m->count - 1]);
    }
    return 0;
}

/* The mapped values first … past - 1 have been read: they need not stay in memory. */
static void forget_values(const Members *m, int64_t first, int64_t past)
{
    for (int i = 0; i < m->count; i++)
        if (m->arrays[i].owner == ARRAY_MAPPED)
            file_forget((const float *)m->arrays[i].data + first, (size_t)(past - first) * sizeof(float));
}

static int label_rows(const Members *m, const Volume *labels, const DatasetInfo *info, Err *e)
{
    enum { KEPT_VALUES = 1 << 20 };
    const int64_t width = labels->shape[2], values = width * dataset_head_count(info);
    int64_t forgotten = 0;
    float *mean = mem_alloc((size_t)values * sizeof *mean, e);
    uint16_t *row = mem_alloc((size_t)width * sizeof *row, e);
    const int code = mean && row ? 0 : ERR_NOMEM;
    for (int64_t r = 0; r < labels->shape[0] * labels->shape[1] && !code; r++) {
        probabilities_mean(mean, m->arrays, m->count, r * values, values);
        labels_of_probabilities(row, mean, width, info);
        label_row_put(labels, r / labels->shape[1], r % labels->shape[1], row);
        if ((r + 1) * values - forgotten < KEPT_VALUES) continue;
        forget_values(m, forgotten, (r + 1) * values);
        forgotten = (r + 1) * values;
    }
    mem_free(mean);
    mem_free(row);
    return code;
}

int average_labels(Array *labels, const char *const *folders, int folder_count, const char *id,
                   const DatasetInfo *info, Err *e)
{
    Members m;
    *labels = (Array){0};
    int64_t shape[3];
    int code = members_open(&m, folders, folder_count, id, info, e);
    if (!code) {
        case_raw_shape(&m.properties, shape);
        code = array_new(labels, label_dtype(info), 3, shape, e);
    }
    if (!code) {
        const Volume rows = case_view(&m.properties, volume_of_array(labels));
        code = label_rows(&m, &rows, info, e);
    }
    members_close(&m);
    if (code) array_free(labels);
    return code;
}

/* Whether CASE.yaml's array is there too. */
static int has_array(bool *there, const char *folder, const char *name, const char *ending, Err *e)
{
    char *path = path_format(e, "%s/%.*s.npy", folder, (int)(strlen(name) - strlen(ending)), name);
    const int code = file_is_there(path, there, e);
    mem_free(path);
    return code;
}

/* The cases whose probabilities are in a folder. */
static int list_cases(FileList *ids, const char *folder, Err *e)
{
    static const char ending[] = ".yaml";
    TRY(file_list(ids, folder, e));
    int kept = 0, code = 0;
    for (int i = 0; i < ids->count; i++) {
        char *name = ids->names[i];
        bool is_case = false;
        if (!code && path_ends_with(name, ending)) code = has_array(&is_case, folder, name, ending, e);
        if (is_case) {
            name[strlen(name) - strlen(ending)] = '\0';
            ids->names[kept++] = name;
        } else {
            mem_free(name);
        }
    }
    ids->count = kept;
    return code;
}

typedef struct Work {
    const AverageJob *job;
    DatasetInfo info;
    FileList ids;
} Work;

static const char *case_id(const void *context, int index)
{
    return ((const Work *)context)->ids.names[index];
}

static int write_case(const Work *w, const char *id, const char *path, Err *e)
{
    const AverageJob *job = w->job;
    Geometry geometry;
    int64_t channels;
    Array labels = {0};
    char *first = path_format(e, "%s/%s%s", job->folders[0], id, w->info.file_ending);
    int code = first ? image_probe(&geometry, &channels, first, e) : ERR_NOMEM;
    mem_free(first);
    if (!code) code = average_labels(&labels, job->folders, job->folder_count, id, &w->info, e);
    if (!code) code = postprocessing_apply(job->postprocessing, &labels, e);
    if (!code) code = image_write(path, &geometry, &labels, e);
    array_free(&labels);
    return code;
}

static int work_on_case(void *context, int index, Progress *progress, bool *kept, Err *e)
{
    (void)progress;
    const Work *w = context;
    const char *id = w->ids.names[index];
    char *path = path_format(e, "%s/%s%s", w->job->output, id, w->info.file_ending);
    if (!path) return ERR_NOMEM;
    int code = w->job->overwrite ? 0 : file_is_there(path, kept, e);
    if (!code && !*kept) code = write_case(w, id, path, e);
    mem_free(path);
    return code;
}

static int run_cases(AverageJob *job, Work *w, Err *e)
{
    TRY(list_cases(&w->ids, job->folders[0], e));
    job->case_count = w->ids.count;
    if (!w->ids.count) return 0;
    TRY(file_make_folders(job->output, e));
    const Batch batch = {.title = "average", .count = w->ids.count, .quiet = job->quiet, .id = case_id,
                         .work = work_on_case, .report = job->report, .context = w};
    return batch_run(&batch, &job->kept, e);
}

int average_run(AverageJob *job, Err *e)
{
    Work w = {.job = job};
    char *own = job->dataset ? NULL : path_format(e, "%s/dataset.json", job->folders[0]);
    const char *dataset = job->dataset ? job->dataset : own;
    int code = dataset ? dataset_info_read(&w.info, dataset, e) : ERR_NOMEM;
    mem_free(own);
    if (code) return code;
    code = run_cases(job, &w, e);
    file_list_free(&w.ids);
    dataset_info_free(&w.info);
    return code;
}
