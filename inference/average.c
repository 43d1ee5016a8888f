#include "inference/average.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/image_io.h"
#include "inference/label_rule.h"
#include "inference/meaning.h"
#include "inference/prediction_record.h"
#include "inference/prediction_record_file.h"

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

/* ---- which cases ---- */

typedef struct Work {
    const AverageJob *job;
    DatasetInfo info;
    FileList ids;             /* of all folders, each once */
    RecordContent *records;   /* (folders): what predict recorded there; empty where it did not */
} Work;

/* Whether CASE.yaml's array is there too. */
static int has_array(bool *there, const char *folder, const char *name, const char *ending, Err *e)
{
    char *path = path_format(e, "%s/%.*s.npy", folder, (int)(strlen(name) - strlen(ending)), name);
    const int code = file_is_there(path, there, e);
    mem_free(path);
    return code;
}

/* Moves the cases whose probabilities are in a folder to ids, which has room for them. */
static int take_cases(FileList *ids, FileList *files, const char *folder, Err *e)
{
    static const char ending[] = ".yaml";
    for (int i = 0; i < files->count; i++) {
        char *name = files->names[i];
        bool is_case = false;
        if (path_ends_with(name, ending)) TRY(has_array(&is_case, folder, name, ending, e));
        if (!is_case) continue;
        name[strlen(name) - strlen(ending)] = '\0';
        ids->names[ids->count++] = name;
        files->names[i] = NULL;
    }
    return 0;
}

static int add_folder(FileList *ids, const char *folder, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    void *names = ids->names;
    const size_t used = (size_t)ids->count * sizeof *ids->names;
    int code = mem_grow(&names, used, used + (size_t)files.count * sizeof *ids->names, e);
    if (!code) {
        ids->names = names;
        code = take_cases(ids, &files, folder, e);
    }
    file_list_free(&files);
    return code;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The cases of all folders: one that a folder lacks is that case's error, not left out. */
static int list_cases(FileList *ids, const AverageJob *job, Err *e)
{
    for (int i = 0; i < job->folder_count; i++) TRY(add_folder(ids, job->folders[i], e));
    if (!ids->count) return 0;
    qsort(ids->names, (size_t)ids->count, sizeof *ids->names, by_name);
    int kept = 1;
    for (int i = 1; i < ids->count; i++) {
        if (strcmp(ids->names[i], ids->names[kept - 1])) ids->names[kept++] = ids->names[i];
        else mem_free(ids->names[i]);
    }
    ids->count = kept;
    return 0;
}

/* ---- what was recorded ---- */

static int read_records(Work *w, Err *e)
{
    const AverageJob *job = w->job;
    w->records = mem_zalloc((size_t)job->folder_count, sizeof *w->records, e);
    if (!w->records) return ERR_NOMEM;
    for (int i = 0; i < job->folder_count; i++) {
        bool there;
        char *path = path_format(e, "%s/" PREDICTION_RECORD_NAME, job->folders[i]);
        int code = file_is_there(path, &there, e);
        if (!code && there) code = record_content_read(&w->records[i], path, e);
        mem_free(path);
        TRY(code);
    }
    return 0;
}

/* Images that both records name must have the same content. */
static int expect_same_images(const Work *w, const RecordedCase *first, const RecordedCase *other, int index, Err *e)
{
    const MadeFrom a = recorded_files_view(&first->inputs), b = recorded_files_view(&other->inputs);
    for (int i = 0; i < a.count; i++) {
        const char *value = made_from_find(&b, a.items[i].key);
        if (!value || !strcmp(value, a.items[i].value)) continue;
        return err_set(e, ERR_VALUE, "its predictions were made from different images: %s is not the same in "
                       "%s/" PREDICTION_RECORD_NAME " and %s/" PREDICTION_RECORD_NAME "; predict both again",
                       a.items[i].key, w->job->folders[0], w->job->folders[index]);
    }
    return 0;
}

/* Whether every folder has the case's probabilities, as finished and from the same images. */
static int expect_members(const Work *w, const char *id, Err *e)
{
    const AverageJob *job = w->job;
    const RecordedCase *first = record_content_find(&w->records[0], id);
    for (int i = 0; i < job->folder_count; i++) {
        bool there;
        TRY(probabilities_exist(&there, job->folders[i], id, e));
        if (!there)
            return err_set(e, ERR_VALUE, "its probabilities are not in %s, but in another of the folders: predict it "
                           "there too, with --save-probabilities", job->folders[i]);
        const RecordedCase *own = record_content_find(&w->records[i], id);
        if (own && own->state != RECORD_DONE)
            return err_set(e, ERR_VALUE, "its prediction in %s was not finished (%s/" PREDICTION_RECORD_NAME
                           "): predict it again", job->folders[i], job->folders[i]);
        if (i && first && own) TRY(expect_same_images(w, first, own, i, e));
    }
    return 0;
}

/* ---- the work ---- */

static const char *case_id(const void *context, int index)
{
    return ((const Work *)context)->ids.names[index];
}

static int write_case(const Work *w, const char *id, const char *path, Err *e)
{
    const AverageJob *job = w->job;
    Geometry geometry;
    Array labels = {0};
    TRY(expect_members(w, id, e));
    char *first = path_format(e, "%s/%s%s", job->folders[0], id, w->info.file_ending);
    int code = first ? image_probe_labels(&geometry, first, e) : ERR_NOMEM;
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
    TRY(list_cases(&w->ids, job, e));
    job->case_count = w->ids.count;
    if (!w->ids.count) return 0;
    TRY(read_records(w, e));
    TRY(file_make_folders(job->output, e));
    const Batch batch = {.title = "average", .count = w->ids.count, .quiet = job->quiet, .id = case_id,
                         .work = work_on_case, .report = job->report, .context = w};
    return batch_run(&batch, &job->kept, e);
}

/* Each folder says by its dataset.json what its classes mean; only where the job names one may it lack it. */
static int expect_same_labels(const AverageJob *job, const DatasetInfo *info, const char *file, Err *e)
{
    for (int i = 0; i < job->folder_count; i++) {
        bool there;
        DatasetInfo own = {0};
        char *path = path_format(e, "%s/dataset.json", job->folders[i]);
        int code = file_is_there(path, &there, e);
        if (!code && !there && !job->dataset)
            code = err_set(e, ERR_VALUE, "%s is not there: what the classes in this folder mean is not known; predict "
                           "--save-probabilities writes it, or name one for all folders with -d", path);
        if (!code && there) code = dataset_info_read(&own, path, e);
        if (!code && there) code = meaning_expect_same(info, file, &own, path, e);
        dataset_info_free(&own);
        mem_free(path);
        TRY(code);
    }
    return 0;
}

static void free_work(Work *w)
{
    for (int i = 0; w->records && i < w->job->folder_count; i++) record_content_free(&w->records[i]);
    mem_free(w->records);
    file_list_free(&w->ids);
    dataset_info_free(&w->info);
}

int average_run(AverageJob *job, Err *e)
{
    Work w = {.job = job};
    char *own = job->dataset ? NULL : path_format(e, "%s/dataset.json", job->folders[0]);
    const char *dataset = job->dataset ? job->dataset : own;
    int code = dataset ? dataset_info_read(&w.info, dataset, e) : ERR_NOMEM;
    if (!code) code = expect_same_labels(job, &w.info, dataset, e);
    if (!code) code = run_cases(job, &w, e);
    free_work(&w);
    mem_free(own);
    return code;
}
