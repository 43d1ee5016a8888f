#include "inference/prediction_mean.h"

#include "base/memory.h"
#include "data/image_io.h"
#include "inference/average.h"
#include "inference/batch.h"
#include "inference/prediction_job.h"

typedef struct Work {
    const PredictionMean *mean;
    DatasetInfo info;
    int *turns, count; /* indices of the wanted cases */
} Work;

static const char *case_name(const void *context, int turn)
{
    const Work *w = context;
    return w->mean->cases->inputs.cases[w->turns[turn]].files.id;
}

/* Writes the labels with the geometry of the first model's labels, which is the image's. */
static int write_labels(const Work *w, const char *id, const char *path, Err *e)
{
    const PredictionMean *mean = w->mean;
    Geometry geometry;
    Array labels = {0};
    char *first = path_format(e, "%s/%s%s", mean->folders[0], id, w->info.file_ending);
    int code = first ? image_probe_labels(&geometry, first, e) : ERR_NOMEM;
    mem_free(first);
    if (!code) code = average_labels(&labels, mean->folders, mean->folder_count, id, &w->info, e);
    if (!code) code = postprocessing_apply(mean->postprocessing, &labels, e);
    if (!code) code = image_write(path, &geometry, &labels, e);
    array_free(&labels);
    return code;
}

static int make_labels(const Work *w, int index, Err *e)
{
    const PredictionMean *mean = w->mean;
    const char *id = mean->cases->inputs.cases[index].files.id;
    char *path = output_folder_labels(mean->output, id, e);
    const int code = path ? write_labels(w, id, path, e) : ERR_NOMEM;
    mem_free(path);
    return code ? code : output_folder_done(mean->output, mean->cases, index, e);
}

static int take_turn(void *context, int turn, Progress *progress, bool *kept, Err *e)
{
    (void)progress;
    (void)kept;
    const Work *w = context;
    const PredictionMean *mean = w->mean;
    const PredictionWatch *watch = mean->o->watch;
    const int index = w->turns[turn];
    const Case *c = &mean->cases->inputs.cases[index].files;
    Err unwritten = {0};
    int code = watch ? prediction_record_start_case(mean->output->record, c->id, e) : 0;
    if (!code) code = make_labels(w, index, e);
    if (!code && watch) watch->done(watch->context, c);
    if (!code) return 0;
    if (watch && !watch->fails(watch->context, c, e)) {
        prediction_record_put_off(mean->output->record, c->id);
        mean->cases->fates[index] = CASE_LATER;
        return BATCH_LATER;
    }
    mean->cases->fates[index] = CASE_FAILED;
    if (output_folder_failed(mean->output, c->id, e->text, NULL, &unwritten))
        prediction_tell_unwritten(mean->o, c->id, &unwritten);
    return code;
}

static int run_cases(Work *w, Err *e)
{
    const PredictionCases *c = w->mean->cases;
    const PredictionOptions *o = w->mean->o;
    BatchEnd end;
    w->turns = mem_zalloc((size_t)c->inputs.count, sizeof *w->turns, e);
    if (!w->turns) return ERR_NOMEM;
    for (int i = 0; i < c->inputs.count; i++)
        if (c->fates[i] == CASE_WANTED) w->turns[w->count++] = i;
    const CaseBatch batch = {.title = "average",
                             .count = w->count,
                             .quiet = o->quiet,
                             .id = case_name,
                             .work = take_turn,
                             .context = w,
                             .report = o->report,
                             .report_context = o->context};
    return batch_run(&batch, &end, e);
}

int prediction_mean_run(const PredictionMean *mean, Err *e)
{
    Work w = {.mean = mean};
    if (!prediction_cases_count(mean->cases, CASE_WANTED)) return 0;
    char *path = path_format(e, "%s/dataset.json", mean->folders[0]);
    int code = path ? dataset_info_read(&w.info, path, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    code = run_cases(&w, e);
    mem_free(w.turns);
    dataset_info_free(&w.info);
    return code;
}
