#include "library/model.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/simd_level.h"
#include "base/threads.h"
#include "data/orientation_code.h"
#include "inference/chosen_weights.h"
#include "inference/label_rule.h"
#include "inference/model_choice.h"
#include "inference/model_warnings.h"
#include "library/worker.h"
#include "network/executor/precision.h"

const char *swin_version(void) { return PROGRAM_VERSION; }

/* ---- which networks ---- */

/* The choice is freed on success only, as model_choice_find has it. */
static int choose(ModelChoice *choice, const char *path, const char *folds, const char *checkpoint, Err *e)
{
    FoldList list = {0};
    int code = folds && fold_list_parse(&list, folds, e) ? err_context(e, "folds") : 0;
    if (!code) code = model_choice_find(choice, path, &list, checkpoint, e);
    fold_list_free(&list);
    const int models = code ? 1 : choice->configuration.model_count;
    if (models == 1) return code;
    model_choice_free(choice);
    return err_set(e, ERR_UNSUPPORTED, "%s has %d models: the library opens one; predict averages several", path,
                   models);
}

static int set_options(PredictorOptions *to, const swin_options *o, const swin_listener *listener, Err *e)
{
    const char *lacks, *precision = o->precision ? o->precision : "fp32", *checkpoint = o->checkpoint;
    if (strcmp(precision, "fp32") && strcmp(precision, "bf16"))
        return err_set(e, ERR_VALUE, "precision %s: expected fp32 or bf16", precision);
    if (checkpoint && strcmp(checkpoint, "final") && strcmp(checkpoint, "best") && strcmp(checkpoint, "latest"))
        return err_set(e, ERR_VALUE, "checkpoint %s: expected final, best or latest", checkpoint);
    if (o->step && !(o->step >= 0.01 && o->step <= 1))
        return err_set(e, ERR_VALUE, "step %g: expected a number from 0.01 to 1, or 0", o->step);
    if (o->memory < 0 || o->threads < 0)
        return err_set(e, ERR_VALUE, "memory %lld, threads %d: expected 0 or more", (long long)o->memory, o->threads);
    to->checkpoint = checkpoint;
    to->mirroring = !o->mirroring ? SWITCH_AUTO : o->mirroring > 0 ? SWITCH_ON : SWITCH_OFF;
    to->step = o->step;
    to->memory = o->memory;
    to->in_host = true;
    to->device = device_named(o->device ? o->device : "cpu", e);
    if (!to->device) return e->code;
    to->precision = precision_of(precision, to->device, &lacks);
    if (lacks) model_warn(listener, lacks);
    return 0;
}

/* ---- what it is ---- */

static const char *label_name(const DatasetInfo *info, int value)
{
    for (int i = 0; i < info->label_count; i++)
        if (info->labels[i].values[0] == value && info->labels[i].value_count == 1) return info->labels[i].name;
    return "";
}

static swin_class class_of(const DatasetInfo *info, int head)
{
    if (!info->has_regions) return (swin_class){label_name(info, head), head};
    return (swin_class){info->labels[dataset_foreground(info, head)].name, info->regions_class_order[head]};
}

static int describe(swin_model *m, int threads, Err *e)
{
    const Plan *plan = predictor_plan(m->predictor);
    const DatasetInfo *d = predictor_dataset(m->predictor);
    const int *patch = plan->configuration.patch_size;
    m->info = (swin_info){.network = plan->network.name,
                          .dataset = plan->dataset_name,
                          .file_ending = d->file_ending,
                          .channel_count = d->channel_count,
                          .channel_names = d->channel_names,
                          .class_count = dataset_head_count(d),
                          .has_regions = d->has_regions,
                          .label_bytes = (int)dtype_size(label_dtype(d)),
                          .fold_count = predictor_fold_count(m->predictor),
                          .patch_yx = {patch[0], patch[1]},
                          .threads = threads};
    for (int i = 0; i < 3; i++)
        m->info.median_spacing_zyx_mm[i] = plan->original_median_spacing_mm[plan->transpose_backward[i]];
    orientation_volume_codes(m->orientation, sizeof m->orientation, plan->orientations);
    m->info.orientation = *m->orientation ? m->orientation : NULL;
    m->info.dataset_json = m->dataset_json = path_format(e, "%s/dataset.json", m->configuration.models[0].results);
    if (!m->dataset_json) return ERR_NOMEM;
    m->info.classes = m->classes = mem_zalloc((size_t)m->info.class_count, sizeof *m->classes, e);
    if (!m->classes) return ERR_NOMEM;
    for (int i = 0; i < m->info.class_count; i++) m->classes[i] = class_of(d, i);
    return 0;
}

/* ---- opening ---- */

typedef struct Opening {
    swin_model *model;
    const char *path;
    swin_options options;
    swin_listener listener;
    PredictorOptions predictor;
} Opening;

static int choose_threads(const Opening *o)
{
    int bounded;
    const ThreadSetting setting = threads_setting(o->options.threads);
    const int threads = threads_choose(&setting, &bounded);
    if (bounded)
        model_warn(&o->listener,
                   "fewer threads are used than were asked for: OpenMP or the processors do not allow more");
    threads_use(threads);
    return threads;
}

static int find_networks(Opening *o, ModelChoice *choice, Err *e)
{
    TRY(simd_level_check(e));
    TRY(set_options(&o->predictor, &o->options, &o->listener, e));
    TRY(choose(choice, o->path, o->options.folds, o->predictor.checkpoint, e));
    if (*choice->note) model_warn(&o->listener, choice->note);
    o->predictor.checkpoint = choice->checkpoint;
    o->model->configuration = choice->configuration; /* the model's from now on */
    choice->configuration = (Configuration){0};
    return 0;
}

static int check_source(const Opening *o, const ModelSource *s, Err *e)
{
    FaultList warnings = {0};
    const Configuration *c = &o->model->configuration;
    const bool is_chosen = o->predictor.checkpoint || c->models[0].made_from.count;
    int code = model_source_warnings(&warnings, s, is_chosen, e);
    if (!code) code = chosen_weights_expect(&warnings, c, &s, e);
    for (int i = 0; i < warnings.count && !code; i++) model_warn(&o->listener, warnings.faults[i].text);
    faults_free(&warnings);
    if (!code) code = postprocessing_expect_labels(&c->postprocessing, &s->info, s->results, e);
    return code ? code : predictor_expect_room(s, &o->predictor, e);
}

static int open_source(Opening *o, Err *e)
{
    ModelSource source;
    const ConfiguredModel *m = &o->model->configuration.models[0];
    TRY(model_source_open(&source, m->results, m->folds.numbers, m->folds.count, o->predictor.checkpoint, e));
    const int code = check_source(o, &source, e);
    if (!code) return predictor_open_source(&o->model->predictor, &source, &o->predictor, e);
    model_source_free(&source);
    return code;
}

static int open_networks(Opening *o, Err *e)
{
    ModelChoice choice;
    TRY(find_networks(o, &choice, e));
    const int code = open_source(o, e);
    model_choice_free(&choice);
    return code;
}

static int open_model(void *context, Err *e)
{
    Opening *o = context;
    const int threads = choose_threads(o);
    o->predictor = (PredictorOptions){.progress = model_progress, .context = o->model};
    TRY(open_networks(o, e));
    return describe(o->model, threads, e);
}

static int begin_model(Opening *o, const char *path, const swin_options *options, const swin_listener *listener, Err *e)
{
    if (!path || !*path) return err_set(e, ERR_VALUE, "the path of the model is empty: give a results folder");
    TRY(model_take(&o->listener, sizeof o->listener, listener, "swin_listener", e));
    TRY(model_take(&o->options, sizeof o->options, options, "swin_options", e));
    o->path = path;
    o->model = mem_zalloc(1, sizeof *o->model, e);
    if (!o->model) return ERR_NOMEM;
    pthread_mutex_init(&o->model->lock, NULL);
    pthread_cond_init(&o->model->changed, NULL);
    return worker_run(0, open_model, o, e);
}

swin_model *swin_open(const char *path, const swin_options *options, const swin_listener *listener, swin_error *error)
{
    Err e = {0};
    Opening o = {0};
    const int code = begin_model(&o, path, options, listener, &e);
    model_report(error, code, &e);
    if (!code) return o.model;
    swin_close(o.model);
    return NULL;
}

void swin_close(swin_model *m)
{
    if (!m) return;
    predictor_close(m->predictor);
    configuration_free(&m->configuration);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->classes);
    mem_free(m->dataset_json);
    mem_free(m);
}

const swin_info *swin_model_info(const swin_model *model) { return &model->info; }
