#include "inference/average_job.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "data/image_io.h"
#include "inference/prediction_record.h"
#include "inference/prediction_record_file.h"
#include "plans/meaning.h"

/* ---- which cases ---- */

typedef enum Fate { FATE_MAKE, FATE_KEEP, FATE_CHANGED } Fate;

typedef struct Work {
    const AverageJob *job;
    DatasetInfo info;
    FileList ids;             /* of all folders, each once */
    RecordContent *records;   /* (folders): predict.yaml of each; empty if there is none */
    MadeFrom made_from;       /* inputs common to all outputs */
    PredictionRecord *record; /* of the outputs */
    Fate *fates;              /* (ids) */
} Work;

/* Whether CASE.yaml's array is there too. */
static int has_array(bool *there, const char *folder, const char *name, const char *ending, Err *e)
{
    char *path = path_format(e, "%s/%.*s.npy", folder, (int)(strlen(name) - strlen(ending)), name);
    const int code = file_is_there(path, there, e);
    mem_free(path);
    return code;
}

/* Moves the ids of the cases with probabilities in a folder to ids, which must have room for them. */
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

/* Lists the cases of all folders. A case that one folder lacks is listed too: it becomes an error of that case. */
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

/* ---- checks by the records ---- */

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
        return err_set(e, ERR_VALUE,
                       "its predictions were made from different images: %s is not the same in "
                       "%s/" PREDICTION_RECORD_NAME " and %s/" PREDICTION_RECORD_NAME "; predict both again",
                       a.items[i].key, w->job->folders[0], w->job->folders[index]);
    }
    return 0;
}

/* Fails if the probabilities are not the files that predict wrote. */
static int expect_as_written(const char *folder, const char *id, const RecordedCase *recorded, Err *e)
{
    if (!recorded_file(&recorded->outputs, ".npy"))
        return err_set(e, ERR_VALUE,
                       "%s/%s.npy belongs to an earlier prediction than the present labels (%s/" PREDICTION_RECORD_NAME
                       "): predict the case again, with --save-probabilities and --overwrite",
                       folder, id, folder);
    for (int i = 0; i < recorded->outputs.count; i++) {
        char hash[HASH_BYTES];
        const MadeFromItem *file = &recorded->outputs.items[i];
        if (!path_ends_with(file->key, ".npy") && !path_ends_with(file->key, ".yaml"))
            continue; /* labels are not checked */
        char *path = path_format(e, "%s/%s", folder, file->key);
        int code = path ? hash_file(hash, path, e) : ERR_NOMEM;
        if (!code && strcmp(hash, file->value))
            code = err_set(e, ERR_VALUE,
                           "%s was changed since predict wrote it (%s/" PREDICTION_RECORD_NAME "): predict "
                           "the case again",
                           path, folder);
        mem_free(path);
        TRY(code);
    }
    return 0;
}

/* Fails unless every folder has the case's probabilities, finished and from the same images. */
static int expect_members(const Work *w, const char *id, Err *e)
{
    const AverageJob *job = w->job;
    const RecordedCase *first = record_content_find(&w->records[0], id);
    for (int i = 0; i < job->folder_count; i++) {
        bool there;
        TRY(probabilities_exist(&there, job->folders[i], id, e));
        if (!there)
            return err_set(e, ERR_VALUE,
                           "its probabilities are not in %s, but in another of the folders: predict "
                           "it there too, with --save-probabilities",
                           job->folders[i]);
        const RecordedCase *own = record_content_find(&w->records[i], id);
        if (own && own->state != RECORD_DONE)
            return err_set(e, ERR_VALUE,
                           "its prediction in %s was not finished (%s/" PREDICTION_RECORD_NAME "): predict it again",
                           job->folders[i], job->folders[i]);
        if (own) TRY(expect_as_written(job->folders[i], id, own, e));
        if (i && first && own) TRY(expect_same_images(w, first, own, i, e));
    }
    return 0;
}

/* ---- existing labels ---- */

/* Adds what every model was made from, by its folder's record, and the post-processing of the mean. */
static int list_origins(Work *w, Err *e)
{
    MadeFrom *m = &w->made_from;
    made_from_add(m, "ensemble", "%d models", w->job->folder_count);
    for (int i = 0; i < w->job->folder_count; i++) {
        const MadeFrom *model = &w->records[i].made_from;
        for (int k = 0; k < model->count; k++) {
            char *key = path_format(e, "model %d: %s", i + 1, model->items[k].key);
            if (!key) return ERR_NOMEM;
            made_from_add(m, key, "%s", model->items[k].value);
            mem_free(key);
        }
    }
    postprocessing_describe(m, w->job->postprocessing);
    return made_from_check(m, e);
}

/* Lists the hashes of the probabilities that a case's labels are made from. */
static int list_inputs(MadeFrom *inputs, const Work *w, const char *id, Err *e)
{
    static const char *const endings[] = {".npy", ".yaml"};
    *inputs = (MadeFrom){0};
    for (int i = 0; i < 2 * w->job->folder_count; i++) {
        char *path = path_format(e, "%s/%s%s", w->job->folders[i / 2], id, endings[i % 2]);
        char *key = path_format(e, "%d/%s%s", i / 2 + 1, id, endings[i % 2]);
        if (path && key) made_from_add_file(inputs, key, path);
        const bool failed = !path || !key;
        mem_free(path);
        mem_free(key);
        if (failed) return ERR_NOMEM;
    }
    return made_from_check(inputs, e);
}

static char *output_name(const Work *w, const char *id, Err *e)
{
    return path_format(e, "%s%s", id, w->info.file_ending);
}

/* Whether the labels were made from the same inputs. On an error returns false: computing the labels reports it. */
static bool is_same(const Work *w, const char *id)
{
    MadeFrom inputs;
    const bool same = !list_inputs(&inputs, w, id, NULL) && prediction_record_same_inputs(w->record, id, &inputs, NULL);
    made_from_free(&inputs);
    return same;
}

static int decide_case(Work *w, int index, Err *e)
{
    OutputState state;
    const char *id = w->ids.names[index];
    char *name = output_name(w, id, e), *which = NULL;
    if (!name) return ERR_NOMEM;
    int code = prediction_record_look(w->record, id, (const char *const *)&name, 1, &state, &which, e);
    if (!code && state == OUTPUT_FOREIGN)
        code = err_set(e, ERR_VALUE,
                       "%s/%s exists already, and %s/" PREDICTION_RECORD_NAME " does not record from "
                       "what it was made: give another folder with -o, or replace it with --overwrite",
                       w->job->output, which, w->job->output);
    if (!code && state == OUTPUT_CHANGED) w->fates[index] = FATE_CHANGED;
    if (!code && state == OUTPUT_WHOLE && is_same(w, id)) w->fates[index] = FATE_KEEP;
    if (!code && w->fates[index] == FATE_MAKE) code = prediction_record_plan(w->record, id, e);
    mem_free(which);
    mem_free(name);
    return code;
}

static int expect_another_folder(const AverageJob *job, Err *e)
{
    for (int i = 0; i < job->folder_count; i++) {
        bool same;
        TRY(file_is_same(job->folders[i], job->output, &same, e));
        if (same)
            return err_set(e, ERR_VALUE, "-o %s is one of the folders that are averaged: give another one",
                           job->output);
    }
    return 0;
}

static int open_record(Work *w, Err *e)
{
    const AverageJob *job = w->job;
    Text differences = {0};
    TRY(list_origins(w, e));
    w->fates = mem_zalloc((size_t)w->ids.count, sizeof *w->fates, e);
    if (!w->fates) return ERR_NOMEM;
    TRY(prediction_record_open(&w->record, job->output, &w->made_from, job->overwrite, e));
    int code = 0;
    if (prediction_record_is_other(w->record, &differences))
        code = err_set(e, ERR_VALUE,
                       "%s holds predictions that were made by other models or with other options "
                       "(%.400s): give another folder with -o, or replace them with --overwrite",
                       job->output, differences.data ? differences.data : "");
    text_free(&differences);
    for (int i = 0; i < w->ids.count && !code; i++) code = decide_case(w, i, e);
    return code ? code : prediction_record_begin(w->record, e);
}

/* ---- the work ---- */

static const char *case_id(const void *context, int index) { return ((const Work *)context)->ids.names[index]; }

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

static int make_case(const Work *w, const char *id, const char *name, Err *e)
{
    MadeFrom inputs = {0};
    char *path = path_format(e, "%s/%s", w->job->output, name);
    int code = path ? write_case(w, id, path, e) : ERR_NOMEM;
    if (!code) code = list_inputs(&inputs, w, id, e);
    if (!code) code = prediction_record_done(w->record, id, &inputs, &name, 1, e);
    else prediction_record_failed(w->record, id, e->text, NULL, &name, 1, NULL);
    made_from_free(&inputs);
    mem_free(path);
    return code;
}

static int work_on_case(void *context, int index, Progress *progress, bool *kept, Err *e)
{
    (void)progress;
    const Work *w = context;
    const char *id = w->ids.names[index];
    *kept = w->fates[index] == FATE_KEEP;
    if (*kept) return 0;
    char *name = output_name(w, id, e);
    int code = name ? 0 : ERR_NOMEM;
    if (!code && w->fates[index] == FATE_CHANGED)
        code = err_set(e, ERR_VALUE,
                       "%s/%s was changed since ensemble wrote it; if it was corrected by hand, move "
                       "it to another folder; --overwrite replaces it",
                       w->job->output, name);
    if (!code) code = make_case(w, id, name, e);
    mem_free(name);
    return code;
}

static int run_cases(AverageJob *job, Work *w, Err *e)
{
    BatchEnd end;
    TRY(list_cases(&w->ids, job, e));
    job->case_count = w->ids.count;
    if (!w->ids.count) return 0;
    TRY(read_records(w, e));
    TRY(open_record(w, e));
    const CaseBatch batch = {.title = "average",
                             .count = w->ids.count,
                             .quiet = job->quiet,
                             .id = case_id,
                             .work = work_on_case,
                             .context = w,
                             .report = job->report,
                             .report_context = job->context};
    TRY(batch_run(&batch, &end, e));
    job->kept = end.kept;
    return end.failed ? err_set(e, ERR_VALUE, "%d of %d cases failed (above)", end.failed, batch.count) : 0;
}

static int expect_folders(const AverageJob *job, Err *e)
{
    for (int i = 0; i < job->folder_count; i++) {
        bool there, is_folder;
        TRY(file_is_there(job->folders[i], &there, e));
        TRY(file_is_folder(job->folders[i], &is_folder, e));
        if (is_folder) continue;
        err_set(e, ERR_VALUE, "%s: %s; expected a folder that predict --save-probabilities wrote", job->folders[i],
                there ? "this is not a folder" : "it does not exist");
        return path_hint(e, job->folders[i]);
    }
    return 0;
}

/* The meaning of a folder's classes is defined by its dataset.json, which may be missing only if job->dataset is given. */
static int folder_dataset(char **path, const AverageJob *job, int index, Err *e)
{
    bool there;
    *path = path_format(e, "%s/dataset.json", job->folders[index]);
    int code = file_is_there(*path, &there, e);
    if (!code && there) return 0;
    if (!code && !job->dataset)
        code = err_set(e, ERR_VALUE,
                       "%s does not exist, so the meaning of the classes in this folder is not known; predict "
                       "--save-probabilities writes it, or give one for all folders with -d",
                       *path);
    mem_free(*path);
    *path = NULL;
    return code;
}

static int expect_same_labels(const AverageJob *job, const DatasetInfo *info, const char *file, Err *e)
{
    for (int i = 0; i < job->folder_count; i++) {
        DatasetInfo own = {0};
        char *path;
        TRY(folder_dataset(&path, job, i, e));
        int code = path ? dataset_info_read(&own, path, e) : 0;
        if (!code && path) code = meaning_expect_same(info, file, &own, path, e);
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
    made_from_free(&w->made_from);
    mem_free(w->fates);
    file_list_free(&w->ids);
    dataset_info_free(&w->info);
}

int average_run(AverageJob *job, Err *e)
{
    Work w = {.job = job};
    char *own = NULL;
    TRY(expect_folders(job, e));
    TRY(expect_another_folder(job, e));
    int code = job->dataset ? 0 : folder_dataset(&own, job, 0, e);
    const char *dataset = job->dataset ? job->dataset : own;
    if (!code) code = dataset_info_read(&w.info, dataset, e);
    if (!code) code = expect_same_labels(job, &w.info, dataset, e);
    if (!code) code = postprocessing_expect_labels(job->postprocessing, &w.info, dataset, e);
    if (!code) code = run_cases(job, &w, e);
    const int closed = prediction_record_close(w.record, code ? NULL : e);
    if (!code) code = closed;
    free_work(&w);
    mem_free(own);
    return code;
}
