#include "inference/prediction.h"

#include <stdio.h>
#include <string.h>

#include "base/crew.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "inference/chosen_weights.h"
#include "inference/model_warnings.h"
#include "inference/output_file.h"
#include "inference/overlays.h"
#include "inference/prediction_job.h"
#include "inference/prediction_mean.h"
#include "inference/prediction_share.h"
#include "plans/meaning.h"
#include "plans/splits.h"

struct Prediction {
    const PredictionOptions *o;
    const Configuration *c;
    PredictionJob jobs[CONFIGURATION_MODELS];
    int job_count;      /* whose sources are opened */
    MadeFrom made_from; /* of the labels */
    FaultList warnings; /* that do not belong to a case */
    bool has_told;      /* them */

    PredictionCases cases; /* of the present round, as all below */
    OutputFolder output;
    bool *made;               /* by output_folder_decide */
    RecordTexts orientations; /* of all rounds so far (PredictionCases.orientations) */
};

static const ModelSource *source_of(const Prediction *p, int model) { return prediction_job_source(&p->jobs[model]); }

/* ---- checks before anything is computed ---- */

/* All models of a configuration get the same images. */
static int expect_same_channels(Prediction *p, Err *e)
{
    const ModelSource *first = source_of(p, 0);
    for (int i = 1; i < p->c->model_count; i++) {
        const ModelSource *other = source_of(p, i);
        const int count = first->info.channel_count;
        if (other->info.channel_count != count)
            return err_set(e, ERR_VALUE,
                           "%s was trained on images of %d channel%s, %s of %d: they cannot predict the same "
                           "images; remove one of them from the file of models",
                           first->results, count, count == 1 ? "" : "s", other->results, other->info.channel_count);
        for (int k = 0; k < count; k++)
            if (strcmp(first->info.channel_names[k], other->info.channel_names[k]))
                fault_add(&p->warnings, FAULT_WARNING,
                          "channel %d is %s for %s, and %s for %s: check that both were "
                          "trained on the same kind of images",
                          k, first->info.channel_names[k], first->results, other->info.channel_names[k],
                          other->results);
    }
    return 0;
}

/* Fails if the models' probabilities could not be averaged: before, not after, predicting. */
static int expect_same_order(const Prediction *p, Err *e)
{
    const ModelSource *first = source_of(p, 0);
    for (int i = 1; i < p->c->model_count; i++) {
        const ModelSource *other = source_of(p, i);
        const int *a = first->plan.transpose_forward, *b = other->plan.transpose_forward;
        if (memcmp(a, b, sizeof first->plan.transpose_forward))
            return err_set(
                e, ERR_VALUE,
                "%s/plans.yaml has transpose_forward [%d, %d, %d], %s/plans.yaml [%d, %d, %d]: "
                "probabilities with their axes in another order cannot be averaged; remove one of them from %s, "
                "or train it again with the value of the other (plan_and_preprocess --override)",
                first->results, a[0], a[1], a[2], other->results, b[0], b[1], b[2],
                p->c->file ? p->c->file : "the models");
    }
    return 0;
}

/* Plans with different readers (orientation, image_reader_writer) give the same order of axes for some images. */
static int expect_same_reading(const Prediction *p, InputCase *one, Err *e)
{
    Geometry g;
    int64_t channels;
    const ModelSource *first = source_of(p, 0);
    const ReaderAxes axes = plan_reader_axes(&first->plan);
    const int across = first->plan.transpose_forward[0];
    for (int i = 1; i < p->c->model_count && !one->fault; i++) {
        const ModelSource *other = source_of(p, i);
        const ReaderAxes others = plan_reader_axes(&other->plan);
        if (others == axes || image_probe(&g, &channels, one->files.images[0], NULL))
            continue; /* reported when it is read */
        const GridAxes a = grid_axes_read(&g, axes, across), b = grid_axes_read(&g, others, across);
        if (grid_axes_equal(&a, &b)) continue;
        one->fault =
            path_format(e,
                        "%s: by the plans of %s and %s it is read with its axes in another order (orientation, "
                        "image_reader_writer), and such probabilities cannot be averaged: store it as RAS, or predict "
                        "with one of them (-m)",
                        one->files.images[0], first->results, other->results);
        if (!one->fault) return ERR_NOMEM;
    }
    return 0;
}

static int open_source(Prediction *p, int model, Err *e)
{
    const Configuration *c = p->c;
    const ConfiguredModel *m = &c->models[model];
    PredictionJob *job = &p->jobs[model];
    *job = (PredictionJob){
        .o = p->o, .model = m, .number = model, .postprocessing = &c->postprocessing, .cases = &p->cases};
    if (model_source_open(&job->source, m->results, m->folds.numbers, m->folds.count, p->o->predictor.checkpoint, e))
        return c->file ? err_context(e, "%s", c->file) : (int)e->code;
    p->job_count++;
    if (fold_list_has(&job->source.unused, SPLITS_FOLD_ALL))
        prediction_tell(p->o, TELL_NOTE, "%s/fold_all is left out, because there are numbered folds (-f all uses it)",
                        m->results);
    const bool is_chosen = p->o->predictor.checkpoint || m->made_from.count;
    TRY(model_source_warnings(&p->warnings, &job->source, is_chosen, e));
    return predictor_expect_room(&job->source, &p->o->predictor, e);
}

static int open_sources(Prediction *p, Err *e)
{
    const Configuration *c = p->c;
    const char *results[CONFIGURATION_MODELS];
    const ModelSource *sources[CONFIGURATION_MODELS];
    for (int i = 0; i < c->model_count; i++) {
        TRY(open_source(p, i, e));
        results[i] = c->models[i].results;
        sources[i] = source_of(p, i);
    }
    TRY(meaning_expect_same_in(results, c->model_count, e));
    TRY(chosen_weights_expect(&p->warnings, c, sources, e));
    TRY(expect_same_channels(p, e));
    TRY(expect_same_order(p, e));
    if (p->o->save_probabilities && c->model_count > 1)
        fault_add(&p->warnings, FAULT_WARNING,
                  "--save-probabilities: the probabilities of each model are in model_1, model_2 …; "
                  "their mean is not written");
    return postprocessing_expect_labels(&c->postprocessing, &source_of(p, 0)->info, results[0], e);
}

/* Warnings are told once, also with several rounds. */
static void tell_warnings(Prediction *p)
{
    for (int i = 0; i < p->warnings.count && !p->has_told; i++)
        prediction_tell(p->o, TELL_WARNING, "%s", p->warnings.faults[i].text);
    p->has_told = true;
}

/* Takes the cases; those whose files do not fit together are reported once. */
static int take_cases(Prediction *p, InputList *inputs, Err *e)
{
    const PredictionOptions *o = p->o;
    TRY(prediction_cases_new(&p->cases, inputs, &p->orientations, e));
    InputList *list = &p->cases.inputs;
    for (int i = 0; i < list->count; i++) TRY(expect_same_reading(p, &list->cases[i], e));
    faults_move(&p->warnings, &list->warnings);
    tell_warnings(p);
    for (int i = 0; i < list->count; i++) {
        Err fault = {.code = ERR_VALUE};
        if (!list->cases[i].fault) continue;
        snprintf(fault.text, sizeof fault.text, "%s", list->cases[i].fault);
        o->report(o->context, list->cases[i].files.id, &fault);
        p->cases.fates[i] = CASE_FAILED;
    }
    return 0;
}

static void leave_cases(Prediction *p)
{
    prediction_cases_free(&p->cases);
    mem_free(p->made);
    p->made = NULL;
}

/* ---- into a folder ---- */

static void list_origins(MadeFrom *m, const Prediction *p)
{
    char prefix[32] = "";
    const Configuration *c = p->c;
    for (int i = 0; i < c->model_count; i++) {
        if (c->model_count > 1) snprintf(prefix, sizeof prefix, "model %d: ", i + 1);
        predictor_made_from(m, prefix, source_of(p, i), &p->o->predictor);
    }
    postprocessing_describe(m, &c->postprocessing);
}

/* In a watched folder the models stay open. */
static int run_job(Prediction *p, PredictionJob *job, Err *e)
{
    const int code = prediction_job_run(job, e);
    if (!p->o->watch) prediction_job_close(job);
    return code;
}

/* Predicts with each model into its own folder, then computes the mean. */
static int run_models(Prediction *p, Err *e)
{
    const char *folders[CONFIGURATION_MODELS] = {NULL};
    const bool is_written = *p->o->output;
    const PredictionMean mean = {.o = p->o,
                                 .cases = &p->cases,
                                 .output = &p->output,
                                 .folders = folders,
                                 .folder_count = p->c->model_count,
                                 .postprocessing = &p->c->postprocessing};
    int code = 0;
    for (int i = 0; i < p->c->model_count && !code; i++) {
        PredictionJob *job = &p->jobs[i];
        job->is_member = true;
        job->output = is_written ? &p->output : NULL;
        job->folder = folders[i] = path_format(e, "%s/model_%d", p->o->output, i + 1);
        code = folders[i] ? run_job(p, job, e) : ERR_NOMEM;
    }
    if (!code && is_written) code = prediction_mean_run(&mean, e);
    for (int i = 0; i < p->c->model_count; i++) mem_free((char *)folders[i]);
    return code;
}

static int run_jobs(Prediction *p, Err *e)
{
    if (p->c->model_count > 1) return run_models(p, e);
    PredictionJob *job = &p->jobs[0];
    job->output = p->output.path ? &p->output : NULL;
    job->file = p->o->into_file ? p->o->output : NULL;
    return run_job(p, job, e);
}

/* Decides which cases must be predicted; complete outputs are kept. */
static int decide(Prediction *p, Err *e)
{
    PredictionCases *c = &p->cases;
    TRY(output_folder_decide(&p->output, c, p->made, p->o, e));
    for (int i = 0; i < c->inputs.count; i++)
        if (c->fates[i] == CASE_WANTED && !p->made[i]) c->fates[i] = CASE_KEPT;
    return 0;
}

static int open_output(Prediction *p, Err *e)
{
    const PredictionOptions *o = p->o;
    const bool probabilities = o->save_probabilities && p->c->model_count == 1;
    if (!p->made_from.count) list_origins(&p->made_from, p);
    TRY(made_from_check(&p->made_from, e));
    TRY(output_folder_open(&p->output, o->output, source_of(p, 0)->info.file_ending, probabilities, &p->made_from,
                           o->overwrite, e));
    if (!o->watch) return 0;
    p->output.explains = true;
    prediction_record_prompt(p->output.record);
    return 0;
}

static int run_into_folder(Prediction *p, Err *e)
{
    int code = open_output(p, e);
    if (!code) code = decide(p, e);
    for (int i = 0; i < p->warnings.count && !code; i++)
        code = prediction_record_warn(p->output.record, NULL, p->warnings.faults[i].text, NULL, e);
    if (!code) code = run_jobs(p, e);
    const int closing = output_folder_close(&p->output, code ? NULL : e);
    return code ? code : closing;
}

/* ---- into a file ---- */

/* Checks for an output file, before anything is computed. */
static int expect_file(const Prediction *p, Err *e)
{
    const char *path = p->o->output;
    const PredictionCases *c = &p->cases;
    if (c->inputs.count > 1)
        return err_set(e, ERR_VALUE, "-o %s is one file, and there are %d cases (%s, %s%s): give a folder", path,
                       c->inputs.count, c->inputs.cases[0].files.id, c->inputs.cases[1].files.id,
                       c->inputs.count > 2 ? " …" : "");
    if (p->c->model_count > 1)
        return err_set(e, ERR_VALUE,
                       "-o %s is one file, and each of the %d models writes its probabilities to a folder: give a "
                       "folder with -o",
                       path, p->c->model_count);
    return output_file_expect(path, &c->inputs.cases[0].files, p->o->overwrite, e);
}

static int run_into_file(Prediction *p, Err *e)
{
    TRY(expect_file(p, e));
    return p->cases.fates[0] == CASE_WANTED ? run_jobs(p, e) : 0;
}

/* ---- the whole ---- */

static int count_failures(const Prediction *p, Err *e)
{
    const PredictionCases *c = &p->cases;
    const int failed = prediction_cases_count(c, CASE_FAILED), kept = prediction_cases_count(c, CASE_KEPT);
    if (kept)
        prediction_tell(
            p->o, TELL_NOTE,
            "%d of %d cases existed already, made by the same model and options from the same images, and are kept "
            "(--overwrite replaces them)",
            kept, c->inputs.count);
    if (!failed) return 0;
    return err_set(e, ERR_VALUE, "%d of %d cases %s (above)", failed, c->inputs.count,
                   *p->o->output ? "failed" : "cannot be predicted");
}

/* Of a watched folder. */
static int tell_kept(const Prediction *p)
{
    const int kept = prediction_cases_count(&p->cases, CASE_KEPT);
    if (kept) prediction_tell(p->o, TELL_NOTE, "%d case%s predicted before", kept, kept == 1 ? " was" : "s were");
    return 0;
}

static int run_and_write(Prediction *p, Err *e)
{
    const PredictionOptions *o = p->o;
    Overlays overlays = {0};
    int code = o->overlay ? overlays_open(&overlays, o, &p->cases, p->c->models[0].results, e) : 0;
    if (!code) code = o->into_file ? run_into_file(p, e) : run_into_folder(p, e);
    if (!code && o->overlay) code = overlays_draw(&overlays, e);
    const int closing = overlays_close(&overlays, code ? NULL : e);
    return code ? code : closing;
}

static void tell_later(const Prediction *p)
{
    const PredictionWatch *watch = p->o->watch;
    const PredictionCases *c = &p->cases;
    for (int i = 0; i < c->inputs.count && watch; i++)
        if (c->fates[i] == CASE_LATER) watch->later(watch->context, &c->inputs.cases[i].files);
}

int prediction_round(Prediction *p, InputList *inputs, Err *e)
{
    int code = take_cases(p, inputs, e);
    if (!code && !(p->made = mem_zalloc((size_t)p->cases.inputs.count, sizeof *p->made, e))) code = ERR_NOMEM;
    if (!code) code = *p->o->output ? run_and_write(p, e) : run_jobs(p, e);
    if (!code) code = p->o->watch ? tell_kept(p) : count_failures(p, e);
    tell_later(p);
    leave_cases(p);
    return code;
}

/* In a watched folder what the labels are made from is found at the start, and the models are opened. */
static int open_models(Prediction *p, Err *e)
{
    TRY(open_sources(p, e));
    if (!p->o->watch) return 0;
    list_origins(&p->made_from, p); /* the predictors keep their weights also if others take their names */
    for (int i = 0; i < p->job_count; i++) TRY(prediction_job_open(&p->jobs[i], e));
    tell_warnings(p);
    TRY(open_output(p, e)); /* refuses outputs of another model at the start */
    return output_folder_close(&p->output, e);
}

int prediction_open(Prediction **result, const PredictionOptions *o, const Configuration *c, Err *e)
{
    Prediction *p = *result = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    p->o = o;
    p->c = c;
    const int code = open_models(p, e);
    if (!code) return 0;
    prediction_close(p);
    *result = NULL;
    return code;
}

const DatasetInfo *prediction_dataset(const Prediction *p) { return &source_of(p, 0)->info; }

void prediction_close(Prediction *p)
{
    if (!p) return;
    for (int i = 0; i < p->job_count; i++) prediction_job_close(&p->jobs[i]);
    made_from_free(&p->made_from);
    faults_free(&p->warnings);
    record_texts_free(&p->orientations);
    mem_free(p);
}

/* In another process than rank 0, which decides what is predicted. */
static int serve(Prediction *p, InputList *inputs, Err *e)
{
    int code = take_cases(p, inputs, e);
    if (!code) code = prediction_share_serve(p->jobs, p->c->model_count, p->o, e);
    leave_cases(p);
    return code;
}

int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e)
{
    Prediction *p;
    InputList inputs;
    const bool serves = o->world && o->world->rank;
    TRY(prediction_open(&p, o, c, e));
    int code = inputs_list(&inputs, o->inputs, o->input_count, prediction_dataset(p), e);
    if (!code && serves) {
        code = serve(p, &inputs, e);
    } else if (!code) {
        code = prediction_round(p, &inputs, e);
        crew_dismiss(o->world);
    }
    prediction_close(p);
    return code;
}
