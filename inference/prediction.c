#include "inference/prediction.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "inference/chosen_weights.h"
#include "inference/model_warnings.h"
#include "inference/output_file.h"
#include "inference/overlays.h"
#include "inference/prediction_job.h"
#include "inference/prediction_mean.h"
#include "plans/meaning.h"
#include "plans/splits.h"

/* The state of a prediction. */
typedef struct PredictionRun {
    const PredictionOptions *o;
    const Configuration *c;
    ModelSource sources[CONFIGURATION_MODELS]; /* opened; each is moved to its job */
    PredictionCases cases;
    OutputFolder output;
    bool *made;         /* by output_folder_decide */
    FaultList warnings; /* that do not belong to a case */
} PredictionRun;

/* ---- checks before anything is computed ---- */

/* All models of a configuration get the same images. */
static int expect_same_channels(PredictionRun *run, Err *e)
{
    const ModelSource *first = &run->sources[0];
    for (int i = 1; i < run->c->model_count; i++) {
        const ModelSource *other = &run->sources[i];
        const int count = first->info.channel_count;
        if (other->info.channel_count != count)
            return err_set(e, ERR_VALUE,
                           "%s was trained on images of %d channel%s, %s of %d: they cannot predict the same "
                           "images; remove one of them from the file of models",
                           first->results, count, count == 1 ? "" : "s", other->results, other->info.channel_count);
        for (int k = 0; k < count; k++)
            if (strcmp(first->info.channel_names[k], other->info.channel_names[k]))
                fault_add(&run->warnings, FAULT_WARNING,
                          "channel %d is %s for %s, and %s for %s: check that both were "
                          "trained on the same kind of images",
                          k, first->info.channel_names[k], first->results, other->info.channel_names[k],
                          other->results);
    }
    return 0;
}

/* Fails if the models' probabilities could not be averaged: before, not after, predicting. */
static int expect_same_order(const PredictionRun *run, Err *e)
{
    const ModelSource *first = &run->sources[0];
    for (int i = 1; i < run->c->model_count; i++) {
        const ModelSource *other = &run->sources[i];
        const int *a = first->plan.transpose_forward, *b = other->plan.transpose_forward;
        if (memcmp(a, b, sizeof first->plan.transpose_forward))
            return err_set(
                e, ERR_VALUE,
                "%s/plans.yaml has transpose_forward [%d, %d, %d], %s/plans.yaml [%d, %d, %d]: "
                "probabilities with their axes in another order cannot be averaged; remove one of them from %s, "
                "or train it again with the value of the other (plan_and_preprocess --override)",
                first->results, a[0], a[1], a[2], other->results, b[0], b[1], b[2],
                run->c->file ? run->c->file : "the models");
    }
    return 0;
}

/* Plans with different readers (orientation, image_reader_writer) give the same order of axes for some images. */
static int expect_same_reading(const PredictionRun *run, InputCase *one, Err *e)
{
    Geometry g;
    int64_t channels;
    const ModelSource *first = &run->sources[0];
    const ReaderAxes axes = plan_reader_axes(&first->plan);
    const int across = first->plan.transpose_forward[0];
    for (int i = 1; i < run->c->model_count && !one->fault; i++) {
        const ModelSource *other = &run->sources[i];
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

static int open_sources(PredictionRun *run, Err *e)
{
    const Configuration *c = run->c;
    const char *results[CONFIGURATION_MODELS];
    for (int i = 0; i < c->model_count; i++) {
        const ConfiguredModel *m = &c->models[i];
        if (model_source_open(&run->sources[i], m->results, m->folds.numbers, m->folds.count,
                              run->o->predictor.checkpoint, e))
            return c->file ? err_context(e, "%s", c->file) : (int)e->code;
        results[i] = m->results;
        if (fold_list_has(&run->sources[i].unused, SPLITS_FOLD_ALL))
            prediction_tell(run->o, TELL_NOTE,
                            "%s/fold_all is left out, because there are numbered folds (-f all uses it)", m->results);
        const bool is_chosen = run->o->predictor.checkpoint || m->made_from.count;
        TRY(model_source_warnings(&run->warnings, &run->sources[i], is_chosen, e));
        TRY(predictor_expect_room(&run->sources[i], &run->o->predictor, e));
    }
    TRY(meaning_expect_same_in(results, c->model_count, e));
    TRY(chosen_weights_expect(&run->warnings, c, run->sources, e));
    TRY(expect_same_channels(run, e));
    TRY(expect_same_order(run, e));
    if (run->o->save_probabilities && c->model_count > 1)
        fault_add(&run->warnings, FAULT_WARNING,
                  "--save-probabilities: the probabilities of each model are in model_1, model_2 …; "
                  "their mean is not written");
    return postprocessing_expect_labels(&c->postprocessing, &run->sources[0].info, results[0], e);
}

/* Lists the cases; those whose files do not fit together are reported once. */
static int list_cases(PredictionRun *run, Err *e)
{
    const PredictionOptions *o = run->o;
    TRY(prediction_cases_list(&run->cases, o->inputs, o->input_count, &run->sources[0].info, e));
    InputList *list = &run->cases.inputs;
    for (int i = 0; i < list->count; i++) TRY(expect_same_reading(run, &list->cases[i], e));
    faults_move(&run->warnings, &list->warnings);
    for (int i = 0; i < run->warnings.count; i++) prediction_tell(o, TELL_WARNING, "%s", run->warnings.faults[i].text);
    for (int i = 0; i < list->count; i++) {
        Err fault = {.code = ERR_VALUE};
        if (!list->cases[i].fault) continue;
        snprintf(fault.text, sizeof fault.text, "%s", list->cases[i].fault);
        o->report(list->cases[i].files.id, &fault);
        run->cases.fates[i] = CASE_FAILED;
    }
    return 0;
}

/* ---- into a folder ---- */

static void list_origins(MadeFrom *m, const PredictionRun *run)
{
    char prefix[32] = "";
    const Configuration *c = run->c;
    for (int i = 0; i < c->model_count; i++) {
        if (c->model_count > 1) snprintf(prefix, sizeof prefix, "model %d: ", i + 1);
        predictor_made_from(m, prefix, &run->sources[i], &run->o->predictor);
    }
    postprocessing_describe(m, &c->postprocessing);
}

static PredictionJob job_of(PredictionRun *run, int model)
{
    PredictionJob job = {.o = run->o,
                         .model = &run->c->models[model],
                         .source = run->sources[model],
                         .postprocessing = &run->c->postprocessing,
                         .cases = &run->cases};
    run->sources[model] = (ModelSource){0};
    return job;
}

/* Predicts with each model into its own folder, then computes the mean. */
static int run_models(PredictionRun *run, Err *e)
{
    const char *folders[CONFIGURATION_MODELS] = {NULL};
    const bool is_written = *run->o->output;
    const PredictionMean mean = {.o = run->o,
                                 .cases = &run->cases,
                                 .output = &run->output,
                                 .folders = folders,
                                 .folder_count = run->c->model_count,
                                 .postprocessing = &run->c->postprocessing};
    int code = 0;
    for (int i = 0; i < run->c->model_count && !code; i++) {
        PredictionJob job = job_of(run, i);
        job.is_member = true;
        job.output = is_written ? &run->output : NULL;
        job.folder = folders[i] = path_format(e, "%s/model_%d", run->o->output, i + 1);
        code = folders[i] ? prediction_job_run(&job, e) : ERR_NOMEM;
    }
    if (!code && is_written) code = prediction_mean_run(&mean, e);
    for (int i = 0; i < run->c->model_count; i++) mem_free((char *)folders[i]);
    return code;
}

static int run_jobs(PredictionRun *run, Err *e)
{
    if (run->c->model_count > 1) return run_models(run, e);
    PredictionJob job = job_of(run, 0);
    job.output = run->output.path ? &run->output : NULL;
    job.file = run->o->into_file ? run->o->output : NULL;
    return prediction_job_run(&job, e);
}

/* Decides which cases must be predicted; complete outputs are kept. */
static int decide(PredictionRun *run, Err *e)
{
    PredictionCases *c = &run->cases;
    TRY(output_folder_decide(&run->output, c, run->made, run->o, e));
    for (int i = 0; i < c->inputs.count; i++)
        if (c->fates[i] == CASE_WANTED && !run->made[i]) c->fates[i] = CASE_KEPT;
    return 0;
}

static int run_into_folder(PredictionRun *run, Err *e)
{
    const PredictionOptions *o = run->o;
    OutputFolder *f = &run->output;
    MadeFrom made_from = {0};
    list_origins(&made_from, run);
    const bool probabilities = o->save_probabilities && run->c->model_count == 1;
    int code = made_from_check(&made_from, e);
    if (!code)
        code = output_folder_open(f, o->output, run->sources[0].info.file_ending, probabilities, &made_from,
                                  o->overwrite, e);
    if (!code) code = decide(run, e);
    for (int i = 0; i < run->warnings.count && !code; i++)
        code = prediction_record_warn(f->record, NULL, run->warnings.faults[i].text, NULL, e);
    if (!code) code = run_jobs(run, e);
    const int closing = output_folder_close(f, code ? NULL : e);
    made_from_free(&made_from);
    return code ? code : closing;
}

/* ---- into a file ---- */

/* Checks for an output file, before anything is computed. */
static int expect_file(const PredictionRun *run, Err *e)
{
    const char *path = run->o->output;
    const PredictionCases *c = &run->cases;
    if (c->inputs.count > 1)
        return err_set(e, ERR_VALUE, "-o %s is one file, and there are %d cases (%s, %s%s): give a folder", path,
                       c->inputs.count, c->inputs.cases[0].files.id, c->inputs.cases[1].files.id,
                       c->inputs.count > 2 ? " …" : "");
    if (run->c->model_count > 1)
        return err_set(e, ERR_VALUE,
                       "-o %s is one file, and each of the %d models writes its probabilities to a folder: give a "
                       "folder with -o",
                       path, run->c->model_count);
    return output_file_expect(path, &c->inputs.cases[0].files, run->o->overwrite, e);
}

static int run_into_file(PredictionRun *run, Err *e)
{
    TRY(expect_file(run, e));
    return run->cases.fates[0] == CASE_WANTED ? run_jobs(run, e) : 0;
}

/* ---- the whole ---- */

static int count_failures(const PredictionRun *run, Err *e)
{
    const PredictionCases *c = &run->cases;
    const int failed = prediction_cases_count(c, CASE_FAILED), kept = prediction_cases_count(c, CASE_KEPT);
    if (kept)
        prediction_tell(
            run->o, TELL_NOTE,
            "%d of %d cases existed already, made by the same model and options from the same images, and are kept "
            "(--overwrite replaces them)",
            kept, c->inputs.count);
    if (!failed) return 0;
    return err_set(e, ERR_VALUE, "%d of %d cases %s (above)", failed, c->inputs.count,
                   *run->o->output ? "failed" : "cannot be predicted");
}

static int run_and_write(PredictionRun *run, Err *e)
{
    const PredictionOptions *o = run->o;
    Overlays overlays = {0};
    int code = o->overlay ? overlays_open(&overlays, o, &run->cases, run->c->models[0].results, e) : 0;
    if (!code) code = o->into_file ? run_into_file(run, e) : run_into_folder(run, e);
    if (!code && o->overlay) code = overlays_draw(&overlays, e);
    const int closing = overlays_close(&overlays, code ? NULL : e);
    return code ? code : closing;
}

static int run_all(PredictionRun *run, Err *e)
{
    TRY(open_sources(run, e));
    TRY(list_cases(run, e));
    run->made = mem_zalloc((size_t)run->cases.inputs.count, sizeof *run->made, e);
    if (!run->made) return ERR_NOMEM;
    TRY(*run->o->output ? run_and_write(run, e) : run_jobs(run, e));
    return count_failures(run, e);
}

int prediction_run(const PredictionOptions *o, const Configuration *c, Err *e)
{
    PredictionRun *run = mem_zalloc(1, sizeof *run, e);
    if (!run) return ERR_NOMEM;
    run->o = o;
    run->c = c;
    const int code = run_all(run, e);
    for (int i = 0; i < c->model_count; i++) model_source_free(&run->sources[i]);
    prediction_cases_free(&run->cases);
    faults_free(&run->warnings);
    mem_free(run->made);
    mem_free(run);
    return code;
}
