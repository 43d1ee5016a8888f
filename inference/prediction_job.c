#include "inference/prediction_job.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_channels.h"
#include "inference/batch.h"
#include "inference/inputs.h"
#include "inference/probabilities.h"
#include "plans/splits.h"

static bool saves_probabilities(const PredictionJob *job)
{
    return job->is_member || job->o->save_probabilities;
}

void prediction_job_warn(const PredictionJob *job, const char *format, ...)
{
    char text[sizeof(Err)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    prediction_tell(job->o, TELL_WARNING, "case %s: %s", job->id, text);
}

static void show_tiles(void *context, int64_t done, int64_t tiles)
{
    const PredictionJob *job = context;
    char note[160];
    snprintf(note, sizeof note, "%s: tile %lld of %lld", job->id, (long long)done, (long long)tiles);
    progress_part(job->progress, (double)done / (double)tiles, note);
}

static int list_cases(PredictionJob *job, Err *e)
{
    const PredictionOptions *o = job->o;
    const char *ending = predictor_dataset(job->predictor)->file_ending;
    FaultList faults = {0};
    int code = 0;
    for (int i = 0; i < o->input_count && !code; i++)
        code = inputs_add(&job->list, o->inputs[i], ending, &faults, e);
    for (int i = 0; i < faults.count; i++) prediction_tell(o, TELL_WARNING, "%s", faults.faults[i].text);
    faults_free(&faults);
    return code;
}

static ChannelNames channels_wanted(const PredictionJob *job)
{
    const DatasetInfo *info = predictor_dataset(job->predictor);
    return (ChannelNames){info->channel_count, info->channel_names};
}

/* The headers of all files of a case; the first one's in headers[0]. */
static int probe_files(ImageHeader *headers, int64_t *channels, const PredictionJob *job, const Case *c, Err *e)
{
    const ChannelNames wanted = channels_wanted(job);
    for (int i = 0; i < c->image_count; i++)
        TRY(image_read_header(&headers[i], c->images[i], IMAGE_INTENSITIES, e));
    return image_expect_channels(channels, headers, (const char *const *)c->images, c->image_count, &wanted, e);
}

/* What the headers of a case say of its size. */
static int probe_case(CaseSize *size, const PredictionJob *job, const Case *c, Err *e)
{
    *size = (CaseSize){0};
    int64_t largest_file = 0;
    ImageHeader *headers = mem_zalloc((size_t)c->image_count, sizeof *headers, e);
    const int code = headers ? probe_files(headers, &size->channels, job, c, e) : ERR_NOMEM;
    const Geometry first = code ? (Geometry){0} : headers[0].geometry; /* the others are brought onto its grid */
    mem_free(headers);
    if (code) return code;
    const GridAxes axes = grid_axes_read(&first, plan_reader_axes(predictor_plan(job->predictor)));
    const Geometry g = grid_axes_apply(&axes, &first);
    for (int i = 0; i < c->image_count; i++) {
        const int64_t bytes = file_size(c->images[i]);
        if (bytes > largest_file) largest_file = bytes;
    }
    memcpy(size->shape_zyx, g.shape_zyx, sizeof size->shape_zyx);
    memcpy(size->spacing_zyx_mm, g.spacing_zyx_mm, sizeof size->spacing_zyx_mm);
    const int64_t samples = size->channels * size->shape_zyx[0] * size->shape_zyx[1] * size->shape_zyx[2];
    const bool several = c->image_count > 1; /* they are put together in a block of its own */
    size->reading_bytes = largest_file + samples * (int64_t)(sizeof(uint16_t) + several * sizeof(float));
    size->finishing_bytes = postprocessing_bytes(job->postprocessing, size->shape_zyx);
    return 0;
}

int prediction_job_cost(const PredictionJob *job, const Case *c, PredictionCost *cost, Err *e)
{
    CaseSize size;
    TRY(probe_case(&size, job, c, e));
    return predictor_cost(job->predictor, &size, cost, e);
}

static int predict_labels(const PredictionJob *job, Image *image, Array *labels, const char *id, Err *e)
{
    const double *spacing_mm = image->geometry.spacing_zyx_mm;
    const GridAxes axes = grid_axes_read(&image->geometry, plan_reader_axes(predictor_plan(job->predictor)));
    if (!saves_probabilities(job))
        return predictor_predict(job->predictor, &image->voxels, spacing_mm, &axes, labels, NULL, e);
    ProbabilityFile file;
    const ProbabilitySink sink = probability_file_sink(&file, job->folder, id);
    const int code = predictor_predict(job->predictor, &image->voxels, spacing_mm, &axes, labels, &sink, e);
    return probability_file_finish(&file, code, e);
}

/* Of a lone file predicted into its own folder. */
static int expect_no_input(const char *path, const Case *c, Err *e)
{
    char *output = path_absolute(path, e), *input = path_absolute(c->images[0], e);
    int code = output && input ? 0 : e->code;
    if (!code && !strcmp(output, input))
        code = err_set(e, ERR_VALUE, "its labels would replace the image %s: name another folder with -o",
                       path);
    mem_free(output);
    mem_free(input);
    return code;
}

/* All channels, on the first one's grid. */
static int read_case(const PredictionJob *job, const Case *c, Image *image, Err *e)
{
    FaultList notes = {0};
    const ChannelNames wanted = channels_wanted(job);
    const int code = image_read_channels(image, (const char *const *)c->images, c->image_count, &wanted,
                                         &notes, e);
    for (int i = 0; i < notes.count && !code; i++) prediction_job_warn(job, "%s", notes.faults[i].text);
    faults_free(&notes);
    return code;
}

/* Whether the plan's list, "RAS, LPS", has this one; of a 2-D image, "RA", the third axis may be any. */
static bool has_orientation(const char *list, const char *code)
{
    for (size_t length; *list; list += length + strspn(list + length, ", ")) {
        length = strcspn(list, ", ");
        const size_t other = strlen(code), both = length < other ? length : other;
        if (!strncmp(list, code, both) && (length == other || both == 2)) return true;
    }
    return false;
}

/* A network that never saw an orientation may take left for right. */
static void warn_of_orientation(const PredictionJob *job, const Case *c, const Geometry *g)
{
    const Plan *plan = predictor_plan(job->predictor);
    char code[GRID_CODE_BYTES];
    grid_axes_code(g, code);
    if (!*plan->orientations || plan_reader_axes(plan) != READER_STORED || has_orientation(plan->orientations, code)) return;
    prediction_job_warn(job, "%s: its orientation is %s, and training saw %s only: the network may take its sides for others; "
                        "reorient the image, or train with \"orientation: canonical\"", c->images[0], code,
                        plan->orientations);
}

static int predict_image(const PredictionJob *job, const Case *c, const char *path, Err *e)
{
    Image image;
    Array labels = {0};
    PredictionCost cost;
    TRY(prediction_job_cost(job, c, &cost, e));
    TRY(read_case(job, c, &image, e));
    warn_of_orientation(job, c, &image.geometry);
    int code = predict_labels(job, &image, &labels, c->id, e);
    if (!code && !job->is_member) code = postprocessing_apply(job->postprocessing, &labels, e);
    if (!code) code = image_write(path, &image.geometry, &labels, e); /* last: where they stand, all does */
    array_free(&labels);
    image_free(&image);
    return code;
}

static const char *case_name(const void *context, int index)
{
    return ((const PredictionJob *)context)->list.cases[index].id;
}

static char *label_path(const PredictionJob *job, const char *folder, const char *id, Err *e)
{
    return path_format(e, "%s/%s%s", folder, id, predictor_dataset(job->predictor)->file_ending);
}

/* Whether all that is wanted of the case stands there; of a member also where the mean does. */
static int is_finished(const PredictionJob *job, const char *id, const char *path, bool *finished, Err *e)
{
    TRY(file_is_there(path, finished, e));
    if (*finished && saves_probabilities(job)) TRY(probabilities_exist(finished, job->folder, id, e));
    if (!job->is_member || *finished) return 0;
    char *mean = label_path(job, job->o->output, id, e);
    const int code = file_is_there(mean, finished, e);
    mem_free(mean);
    return code;
}

static int predict_case(void *context, int index, Progress *progress, bool *kept, Err *e)
{
    PredictionJob *job = context;
    const Case *c = &job->list.cases[index];
    char *path = label_path(job, job->folder, c->id, e);
    if (!path) return ERR_NOMEM;
    job->progress = progress;
    job->id = c->id;
    int code = file_exists(path) ? expect_no_input(path, c, e) : 0;
    if (!code && !job->o->overwrite) code = is_finished(job, c->id, path, kept, e);
    if (!code && !*kept) code = predict_image(job, c, path, e);
    mem_free(path);
    return code;
}

static int save_dataset(const PredictionJob *job, Err *e)
{
    char *path = path_format(e, "%s/dataset.json", job->folder);
    const int code = path ? dataset_info_write(predictor_dataset(job->predictor), path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int expect_possible(int impossible, int count, Err *e)
{
    if (!impossible) return 0;
    return err_set(e, ERR_VALUE, "%d of %d cases cannot be predicted (above)", impossible, count);
}

/* Folds that are there and do not predict. */
static void tell_unused_folds(const PredictionJob *job)
{
    const ModelSource *s = predictor_source(job->predictor);
    char name[FOLD_NAME_BYTES];
    for (int i = 0; i < s->unused.count; i++) {
        const int fold = s->unused.numbers[i];
        if (fold == SPLITS_FOLD_ALL && s->folds.count)
            prediction_tell(job->o, TELL_NOTE, "%s/fold_all is left out: numbered folds are there (-f all takes it)",
                            s->results);
        else
            prediction_tell(job->o, TELL_WARNING,
                            "%s/fold_%s is left out: it has no checkpoint_%s; its training is not finished",
                            s->results, fold_name(name, fold), s->checkpoint);
    }
}

static void tell_start(const PredictionJob *job)
{
    const ModelSource *s = predictor_source(job->predictor);
    Text folds = {0};
    fold_list_text(&s->folds, &folds);
    prediction_tell(job->o, TELL_NOTE, "%s, %s, %d case%s", s->plan.network.name, folds.data ? folds.data : "",
                    job->list.count, job->list.count == 1 ? "" : "s");
    text_free(&folds);
    tell_unused_folds(job);
}

static int run_cases(PredictionJob *job, Err *e)
{
    const PredictionOptions *o = job->o;
    int kept;
    TRY(file_make_folders(job->folder, e));
    if (saves_probabilities(job)) TRY(save_dataset(job, e));
    tell_start(job);
    const Batch batch = {.title = "predict",
                         .count = job->list.count,
                         .quiet = o->quiet,
                         .id = case_name,
                         .work = predict_case,
                         .report = o->report,
                         .context = job};
    const int code = batch_run(&batch, &kept, e);
    prediction_tell_kept(o, kept, job->list.count);
    return code;
}

static int run_job(PredictionJob *job, Err *e)
{
    TRY(list_cases(job, e));
    const int impossible = job->o->explain ? prediction_job_explain(job) : 0;
    return *job->o->output ? run_cases(job, e) : expect_possible(impossible, job->list.count, e);
}

int prediction_job_run(const PredictionOptions *o, const ConfiguredModel *model, const char *folder,
                       bool is_member, const Postprocessing *postprocessing, Err *e)
{
    PredictionJob job = {.o = o,
                         .results = model->results,
                         .is_member = is_member,
                         .postprocessing = postprocessing,
                         .folder = folder};
    PredictorOptions options = o->predictor;
    options.folds = model->folds.numbers;
    options.fold_count = model->folds.count;
    options.progress = show_tiles;
    options.context = &job;
    TRY(predictor_open(&job.predictor, model->results, &options, e));
    const int code = run_job(&job, e);
    case_list_free(&job.list);
    predictor_close(job.predictor);
    return code;
}
