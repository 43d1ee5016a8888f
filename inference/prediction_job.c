#include "inference/prediction_job.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/batch.h"
#include "inference/probabilities.h"
#include "plans/meaning.h"

static int show_tiles(void *context, int64_t done, int64_t tiles, Err *e)
{
    (void)e;
    const PredictionJob *job = context;
    char note[160];
    if (job->o->stops)
        job->o->stops(job->o->context); /* the case is finished all the same: so the wait is no sign of a fault */
    if (!job->progress) return 0;       /* another process shows it */
    snprintf(note, sizeof note, "%s: tile %lld of %lld", job->id, (long long)done, (long long)tiles);
    progress_part(job->progress, (double)done / (double)tiles, note);
    return 0;
}

/* ---- one case after another ---- */

static const char *case_name(const void *context, int turn)
{
    const PredictionJob *job = context;
    return job->cases->inputs.cases[job->turns[turn]].files.id;
}

OutputFolder *prediction_job_folder(PredictionJob *job) { return job->is_member ? &job->own : job->output; }

static int predict_case(PredictionJob *job, int index, Err *e)
{
    MadeFrom inputs;
    OutputFolder *folder = prediction_job_folder(job);
    const Case *c = &job->cases->inputs.cases[index].files;
    if (!folder) return prediction_job_predict(job, c, job->file, e);
    TRY(prediction_cases_inputs(&inputs, job->cases, index,
                                e)); /* hashed before reading, so that a later change is detected */
    made_from_free(&inputs);
    char *path = output_folder_labels(folder, c->id, e);
    int code = path ? prediction_job_predict(job, c, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* Records a failure with the inputs that it belongs to. One of reading or writing, or for lack of memory, belongs to none: it
 * may go away. */
static int record_failure(OutputFolder *folder, PredictionJob *job, int index, const Err *fault, Err *e)
{
    MadeFrom inputs;
    const bool may_go_away = fault->code == ERR_IO || fault->code == ERR_NOMEM;
    const bool known = !may_go_away && !prediction_cases_inputs(&inputs, job->cases, index, NULL);
    const int code = output_folder_failed(folder, job->id, fault->text, known ? &inputs : NULL, e);
    if (known) made_from_free(&inputs);
    return code;
}

/* Records a case that cannot be predicted, in the folder of the mean too. */
static int note_failure(PredictionJob *job, int index, const Err *fault, Err *e)
{
    if (job->is_member) TRY(record_failure(&job->own, job, index, fault, e));
    return job->output ? record_failure(job->output, job, index, fault, e) : 0;
}

/* Predicts the case. Of several models each begins it anew: the program may end in between. */
static int run_case(PredictionJob *job, int index, Err *e)
{
    const bool is_counted = job->o->watch && job->output;
    int code = is_counted ? prediction_record_start_case(job->output->record, job->id, e) : 0;
    if (!code) code = predict_case(job, index, e);
    if (!code && prediction_job_folder(job))
        code = output_folder_done(prediction_job_folder(job), job->cases, index, e);
    if (!code && is_counted && job->is_member) prediction_record_put_off(job->output->record, job->id);
    return code;
}

/* Leaves a case to a later round. */
static int leave(PredictionJob *job, int index)
{
    job->cases->fates[index] = CASE_LATER;
    return BATCH_LATER;
}

/* What follows the prediction of a case: a failure is recorded. Returns the code, or BATCH_LATER. */
static int end_case(PredictionJob *job, int index, int code, Err *e)
{
    const PredictionWatch *watch = job->o->watch;
    const Case *c = &job->cases->inputs.cases[index].files;
    Err unwritten = {0};
    if (!code && watch && !job->is_member) watch->done(watch->context, c);
    if (!code) return 0;
    if (watch && !watch->fails(watch->context, c, e)) {
        if (job->output) prediction_record_put_off(job->output->record, job->id);
        return leave(job, index);
    }
    job->cases->fates[index] = CASE_FAILED;
    if (note_failure(job, index, e, &unwritten)) prediction_tell_unwritten(job->o, job->id, &unwritten);
    return code;
}

static int take_turn(void *context, int turn, Progress *progress, bool *kept, Err *e)
{
    (void)kept;
    PredictionJob *job = context;
    const PredictionWatch *watch = job->o->watch;
    const int index = job->turns[turn];
    const Case *c = &job->cases->inputs.cases[index].files;
    job->progress = progress;
    job->id = case_name(job, turn);
    if ((job->o->stops && job->o->stops(job->o->context)) || (watch && !watch->begins(watch->context, c)))
        return leave(job, index);
    return end_case(job, index, run_case(job, index, e), e);
}

static int expect_labels(const char *path, const ModelSource *model, Err *e)
{
    DatasetInfo info;
    TRY(dataset_info_read(&info, path, e));
    int code = meaning_expect_same(&info, path, &model->info, model->results, e);
    if (!code && strcmp(info.file_ending, model->info.file_ending))
        code = err_set(e, ERR_VALUE, "%s exists already and has the file ending %s, the model has %s", path,
                       info.file_ending, model->info.file_ending);
    dataset_info_free(&info);
    return code;
}

/* Writes dataset.json, which belongs to the probabilities; an existing one must be equivalent. */
static int save_dataset(const PredictionJob *job, Err *e)
{
    const OutputFolder *folder = job->is_member ? &job->own : job->output;
    char *path = path_format(e, "%s/dataset.json", folder->path);
    bool there = false;
    int code = file_is_there(path, &there, e);
    if (!code && there && !folder->replace) code = expect_labels(path, predictor_source(job->predictor), e);
    else if (!code) code = dataset_info_write(predictor_dataset(job->predictor), path, e);
    mem_free(path);
    return code;
}

static void tell_start(const PredictionJob *job)
{
    const ModelSource *s = prediction_job_source(job);
    Text folds = {0};
    fold_list_text(&s->folds, &folds);
    if (job->o->watch) prediction_tell(job->o, TELL_NOTE, "%s, %s", s->plan.network.name, folds.data ? folds.data : "");
    else
        prediction_tell(job->o, TELL_NOTE, "%s, %s, %d case%s", s->plan.network.name, folds.data ? folds.data : "",
                        job->turn_count, job->turn_count == 1 ? "" : "s");
    text_free(&folds);
}

/* ---- cases of other processes ---- */

static void tell_warnings(const PredictionJob *job, const char *at, const char *past)
{
    while (at < past) {
        const char *code = at, *text = code + strlen(code) + 1;
        if (*code) prediction_job_warn_orientation(job, code, text);
        else prediction_job_warn(job, "%s", text);
        at = text + strlen(text) + 1;
    }
}

static int take_result(void *context, int turn, const char *result, size_t bytes, Err *e)
{
    PredictionJob *job = context;
    const int index = job->turns[turn];
    job->id = case_name(job, turn);
    memcpy(e, result, sizeof *e);
    tell_warnings(job, result + sizeof *e, result + bytes);
    int code = e->code;
    if (!code) code = output_folder_done(prediction_job_folder(job), job->cases, index, e);
    return end_case(job, index, code, e);
}

/* ---- all cases ---- */

/* Failures of single cases are reported already, and counted by their state. Other processes write into a folder, too. */
static int run_cases(PredictionJob *job, Err *e)
{
    BatchEnd end;
    char names[HASH_BYTES];
    prediction_cases_hash(names, job->cases);
    if (prediction_job_saves_probabilities(job)) TRY(save_dataset(job, e));
    const CaseBatch batch = {.title = "predict",
                             .count = job->turn_count,
                             .quiet = job->o->quiet,
                             .id = case_name,
                             .work = take_turn,
                             .context = job,
                             .world = prediction_job_folder(job) ? job->o->world : NULL,
                             .names = names,
                             .kind = job->number,
                             .parameters = job->turns,
                             .bytes = (size_t)job->turn_count * sizeof *job->turns,
                             .take = take_result,
                             .report = job->o->report,
                             .report_context = job->o->context};
    return batch_run(&batch, &end, e);
}

/* ---- the job ---- */

/* Lists the cases to predict: the wanted ones; for a member, those without probabilities. */
static int find_turns(PredictionJob *job, Err *e)
{
    PredictionCases *c = job->cases;
    const size_t count = (size_t)c->inputs.count;
    job->turn_count = 0;
    job->turns = mem_zalloc(count, sizeof *job->turns, e);
    job->made = mem_zalloc(count, sizeof *job->made, e);
    if (!job->turns || !job->made) return ERR_NOMEM;
    if (job->is_member && job->output) TRY(output_folder_decide(&job->own, c, job->made, job->o, e));
    for (int i = 0; i < c->inputs.count; i++)
        if (c->fates[i] == CASE_WANTED && (job->made[i] || !job->is_member)) job->turns[job->turn_count++] = i;
    return 0;
}

int prediction_job_open(PredictionJob *job, Err *e)
{
    PredictorOptions options = job->o->predictor;
    options.progress = show_tiles;
    options.context = job;
    if (job->predictor) return 0;
    if (job->o->watch) tell_start(job);
    return predictor_open_source(&job->predictor, &job->source, &options, e);
}

static int run_job(PredictionJob *job, Err *e)
{
    const bool is_written = *job->o->output;
    if (is_written) {
        TRY(find_turns(job, e));
        if (!job->o->watch) tell_start(job);
    }
    if (!job->turn_count && !job->o->explain) return 0;
    TRY(prediction_job_open(job, e));
    if (job->o->explain) prediction_job_explain(job);
    return job->turn_count ? run_cases(job, e) : 0;
}

/* What the outputs are made from is found once: the predictor keeps its weights also if others take their names. */
static int open_own_folder(PredictionJob *job, Err *e)
{
    const ModelSource *s = prediction_job_source(job);
    if (!job->made_from.count) predictor_made_from(&job->made_from, "", s, &job->o->predictor);
    return output_folder_open(&job->own, job->folder, s->info.file_ending, true, &job->made_from, job->o->overwrite, e);
}

int prediction_job_run(PredictionJob *job, Err *e)
{
    int code = job->is_member && job->output ? open_own_folder(job, e) : 0;
    if (!code) code = run_job(job, e);
    const int closing = output_folder_close(&job->own, code ? NULL : e);
    mem_free(job->turns);
    mem_free(job->made);
    job->turns = NULL;
    job->made = NULL;
    return code ? code : closing;
}

void prediction_job_close(PredictionJob *job)
{
    predictor_close(job->predictor);
    model_source_free(&job->source);
    made_from_free(&job->made_from);
    job->predictor = NULL;
}

const ModelSource *prediction_job_source(const PredictionJob *job)
{
    return job->predictor ? predictor_source(job->predictor) : &job->source;
}
