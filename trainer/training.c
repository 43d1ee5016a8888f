#include "trainer/training.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "network/precision.h"
#include "network/weights_io.h"
#include "preprocess/class_locations.h"
#include "trainer/augmentation_pictures.h"
#include "trainer/case_check.h"
#include "trainer/length.h"
#include "trainer/progress_picture.h"
#include "trainer/schedule.h"
#include "trainer/training_parts.h"
#include "trainer/training_plan.h"

/* ---- opening ---- */

static int read_dataset(Training *t, const char *preprocessed, Err *e)
{
    char *path = path_format(e, "%s/dataset.json", preprocessed);
    const int code = path ? dataset_info_read(&t->info, path, e) : ERR_NOMEM;
    t->has_info = !code;
    mem_free(path);
    return code;
}

static int open_cases(Training *t, const TrainingOptions *o, Err *e)
{
    Split split;
    TRY(case_split(&split, o->preprocessed, o->fold, e));
    const int channels = t->plan.configuration.channel_count;
    char *folder = path_format(e, "%s/2d", o->preprocessed);
    int code = folder ? 0 : ERR_NOMEM;
    if (!code && !split.val_count && t->plan.training.validation_iterations)
        code = err_set(e, ERR_VALUE, "%s/splits_final.yaml: fold %d has no case to validate on",
                       o->preprocessed, o->fold);
    if (!code) code = case_set_open(&t->training_cases, folder, split.train, split.train_count, channels, e);
    if (!code) code = case_set_open(&t->validation_cases, folder, split.val, split.val_count, channels, e);
    const CaseCheck check = {o->preprocessed, &t->plan, &t->info, o->overrides.file};
    if (!code) code = case_check_set(&check, &t->training_cases, e);
    if (!code) code = case_check_set(&check, &t->validation_cases, e);
    mem_free(folder);
    split_free(&split);
    return code;
}

static Sampler make_sampler(const Training *t, const CaseSet *cases, bool augment)
{
    const PlanConfiguration *c = &t->plan.configuration;
    Sampler s = {.cases = cases,
                 .geometry = patch_geometry((int64_t[]){c->patch_size[0], c->patch_size[1]}),
                 .batch_size = c->batch_size,
                 .oversample_foreground = t->plan.training.oversample_foreground,
                 .has_ignore = t->info.ignore_value >= 0,
                 .largest_label = t->info.ignore_value >= 0 ? t->info.ignore_value : t->info.max_value,
                 .augment = augment,
                 .seed = (uint64_t)t->plan.training.seed};
    s.class_count = class_locations_classes(&t->info) - s.has_ignore;
    s.rules.largest_angle = s.geometry.largest_angle;
    s.rules.older = t->plan.compatibility == COMPATIBILITY_NNUNET_2_1;
    for (int i = 0; i < t->plan.inference.mirror_axes_count; i++)
        s.rules.mirror_axes[t->plan.inference.mirror_axes[i]] = true;
    memcpy(s.mask_channel, c->use_mask_for_norm, sizeof s.mask_channel);
    return s;
}

static int new_executor(Executor **x, const Training *t, bool train, const bool *trained, Err *e)
{
    const PlanConfiguration *c = &t->plan.configuration;
    const Shape pixels = {c->batch_size, c->patch_size[0], c->patch_size[1], 1};
    const Shape inputs[] = {{pixels.n, pixels.h, pixels.w, c->channel_count}, pixels};
    Ref outputs[2];
    if (!graph_find(t->model.graph, "loss", &outputs[0]) || !graph_find(t->model.graph, "head0", &outputs[1]))
        return err_set(e, ERR_UNSUPPORTED, "the network %s has no output named loss, or none named head0",
                       t->plan.network.name);
    const ExecutorOptions options = {.inputs = inputs,
                                     .outputs = outputs,
                                     .output_count = train ? 1 : 2,
                                     .train = train,
                                     .recompute = train && t->plan.training.recompute,
                                     .trained = trained,
                                     .precision = t->precision,
                                     .lender = train ? NULL : t->trainer};
    return executor_new(x, t->model.graph, t->model.parameters, &options, e);
}

static void free_executors(Training *t)
{
    executor_free(t->validator);
    executor_free(t->trainer);
    t->trainer = t->validator = NULL;
}

/* In its first epochs a pretrained encoder stays as it is (official trainers: 10). */
static bool is_frozen(const Training *t)
{
    return *t->plan.training.pretrained && t->state.epoch < t->plan.training.freeze_encoder_epochs;
}

/* Training and validation take turns: one arena serves both. */
static int make_executors(Training *t, Err *e)
{
    bool *trained = NULL;
    t->encoder_frozen = is_frozen(t);
    if (t->encoder_frozen) {
        trained = mem_zalloc((size_t)graph_param_count(t->model.graph), sizeof *trained, e);
        if (!trained) return ERR_NOMEM;
        import_mark_unfrozen(t->model.graph, trained);
    }
    free_executors(t);
    int code = new_executor(&t->trainer, t, true, trained, e);
    if (!code) code = new_executor(&t->validator, t, false, NULL, e);
    mem_free(trained);
    return code ? code : optimizer_adopt(t->optimizer, executor_gradients(t->trainer), e);
}

static int begin_epoch(Training *t, Err *e)
{
    return t->encoder_frozen == is_frozen(t) ? 0 : make_executors(t, e);
}

static int new_optimizer(Optimizer **o, Parameters *parameters, const PlanTraining *p, Err *e)
{
    if (p->optimizer == OPTIMIZER_SGD) {
        const SGD sgd = {p->momentum, p->weight_decay, p->gradient_clip};
        return optimizer_new_sgd(o, parameters, &sgd, e);
    }
    const AdamW adamw = {0.9, 0.999, p->epsilon, p->weight_decay, p->gradient_clip};
    return optimizer_new_adamw(o, parameters, &adamw, e);
}

static int make_network(Training *t, Err *e)
{
    if (t->info.has_regions) TRY(model_region_loss(&t->region_loss, &t->plan, &t->info, e));
    TRY(model_new(&t->model, &t->plan, &t->info, e));
    TRY(new_optimizer(&t->optimizer, t->model.parameters, &t->plan.training, e));
    return pseudo_dice_new(&t->dice, dataset_head_count(&t->info),
                           t->info.has_regions ? t->region_loss.regions : NULL, e);
}

static int take_pretrained(Training *t, Err *e)
{
    const char *path = t->plan.training.pretrained;
    WeightsFile weights = {0};
    if (!*path) return 0;
    TRY(weights_read(&weights, path, e));
    int code = import_weights(t->model.parameters, &weights, &t->imported, e);
    if (code) err_context(e, "%s", path);
    weights_close(&weights);
    return code;
}

static int initialize(Training *t, Err *e)
{
    parameters_initialize(t->model.parameters, (uint64_t)t->plan.training.seed);
    return take_pretrained(t, e);
}

/* From the last checkpoint, or from the beginning where there is none. */
static int resume(Training *t, Err *e)
{
    char *latest = run_folder_checkpoint(&t->folder, "latest", e),
         *final = run_folder_checkpoint(&t->folder, "final", e);
    const char *path = latest && file_exists(latest) ? latest : final && file_exists(final) ? final : NULL;
    int code = latest && final ? 0 : ERR_NOMEM;
    if (!code && path) code = checkpoint_read(path, t->model.parameters, t->optimizer, &t->state, e);
    if (!code && !path) code = initialize(t, e);
    mem_free(latest);
    mem_free(final);
    return code;
}

static int open_network(Training *t, RunMode mode, Err *e)
{
    TRY(make_network(t, e));
    t->state.best_ema = NAN;
    TRY(mode == RUN_CONTINUE ? resume(t, e) : initialize(t, e));
    return make_executors(t, e);
}

static void close_network(Training *t)
{
    optimizer_free(t->optimizer);
    free_executors(t);
    model_free(&t->model);
    import_report_free(&t->imported);
    pseudo_dice_free(&t->dice);
    history_free(&t->state.history);
    t->optimizer = NULL;
    t->state = (RunState){0};
}

static int start_loader(Training *t, Err *e)
{
    const LoaderOptions o = {&t->training_sampler,
                             &t->validation_sampler,
                             t->plan.training.iterations_per_epoch,
                             t->plan.training.validation_iterations,
                             t->plan.training.epochs,
                             t->state.epoch,
                             t->state.iteration,
                             t->loader_threads,
                             t->loader_threads + 1};
    return loader_new(&t->loader, &o, e);
}

/* What an iteration takes, from a few of a run that is thrown away. */
static int time_iterations(Training *t, IterationTimes *times, Err *e)
{
    enum { WARMING = 1, TIMED = 3 };
    const PlanTraining planned = t->plan.training;
    double never_saved = INFINITY, loss, began = 0;
    t->plan.training.iterations_per_epoch = WARMING + TIMED;
    t->plan.training.validation_iterations = planned.validation_iterations ? TIMED : 0;
    int code = start_loader(t, e);
    t->plan.training.iterations_per_epoch = WARMING;
    if (!code) code = epoch_train(t, NULL, &never_saved, e);
    t->plan.training.iterations_per_epoch = WARMING + TIMED;
    began = clock_seconds();
    if (!code) code = epoch_train(t, NULL, &never_saved, e);
    times->training = (clock_seconds() - began) / TIMED;
    began = clock_seconds();
    if (!code) code = epoch_validate(t, NULL, &loss, e);
    times->validation = (clock_seconds() - began) / TIMED;
    loader_free(t->loader);
    t->loader = NULL;
    t->plan.training = planned;
    return code;
}

static int fit_length(Training *t, const TrainingOptions *o, Err *e)
{
    IterationTimes times;
    TRY(time_iterations(t, &times, e));
    length_fit(&t->plan.training, o->overrides.minutes, times);
    close_network(t);
    return open_network(t, o->mode, e);
}

static int open_parts(Training *t, const TrainingOptions *o, Err *e)
{
    bool is_bound;
    TRY(run_folder_open(&t->folder, o->results, o->fold, o->mode, e));
    TRY(training_plan_make(&t->plan, &is_bound, o, &t->folder, e));
    TRY(read_dataset(t, o->preprocessed, e));
    TRY(open_cases(t, o, e));
    t->training_sampler = make_sampler(t, &t->training_cases, true);
    t->validation_sampler = make_sampler(t, &t->validation_cases, false);
    t->precision = o->precision;
    t->loader_threads = o->threads / 4 > 1 ? o->threads / 4 : 1;
    TRY(open_network(t, o->mode, e));
    if (o->overrides.minutes > 0 && !is_bound) TRY(fit_length(t, o, e));
    return training_plan_record(&t->plan, o, e);
}

int training_open(Training **result, const TrainingOptions *o, Err *e)
{
    Training *t = *result = mem_zalloc(1, sizeof *t, e);
    if (!t) return ERR_NOMEM;
    t->folder.lock.fd = -1;
    const int code = open_parts(t, o, e);
    if (code) {
        training_close(t);
        *result = NULL;
    }
    return code;
}

void training_close(Training *t)
{
    if (!t) return;
    loader_free(t->loader);
    close_network(t);
    case_set_close(&t->training_cases);
    case_set_close(&t->validation_cases);
    if (t->has_info) dataset_info_free(&t->info);
    run_folder_close(&t->folder);
    mem_free(t);
}

const Plan *training_plan(const Training *t) { return &t->plan; }
bool training_is_finished(const Training *t) { return t->state.epoch >= t->plan.training.epochs; }
const char *training_imported(const Training *t) { return t->imported.text.data; }
int training_epochs_done(const Training *t) { return t->state.epoch; }

size_t training_memory_bytes(const Training *t)
{
    const MemoryReport trainer = executor_memory(t->trainer), validator = executor_memory(t->validator);
    return trainer.arena + trainer.parameters + trainer.parameter_gradients + optimizer_bytes(t->optimizer) +
           validator.arena;
}

int training_show_patches(const Training *t, int count, const char *folder, Err *e)
{
    return augmentation_pictures_write(&t->training_sampler, t->state.epoch, count, folder, e);
}

/* ---- running ---- */

int training_save(Training *t, const char *name, Err *e)
{
    char *path = run_folder_checkpoint(&t->folder, name, e);
    const int code = path ? checkpoint_write(path, t->model.parameters, t->optimizer, &t->state, e)
                          : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int write_curves(Training *t, Err *e)
{
    Text text = {0};
    history_text(&t->state.history, &text);
    char *path = path_format(e, "%s/metrics.csv", t->folder.path);
    int code = path ? text_check(&text, e) : ERR_NOMEM;
    if (!code) code = file_put(path, text.data, text.length, e);
    mem_free(path);
    text_free(&text);
    if (code) return code;
    path = path_format(e, "%s/progress.png", t->folder.path);
    code = path ? progress_picture_write(&t->state.history, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int log_epoch(Training *t, const EpochRecord *r, Err *e)
{
    Text classes = {0};
    for (int k = pseudo_dice_first(&t->dice); k < t->dice.classes; k++)
        text_add(&classes, " %.4f", pseudo_dice_of(&t->dice, k));
    int code = text_check(&classes, e);
    if (!code)
        code = run_folder_log(&t->folder, e,
                              "epoch %d: learning rate %.4g, training loss %.4f, validation loss %.4f, "
                              "pseudo Dice%s, mean %.4f, EMA %.4f, %.1f s",
                              r->epoch, r->learning_rate, r->train_loss, r->val_loss,
                              classes.data ? classes.data : "", r->pseudo_dice, r->ema_pseudo_dice,
                              r->seconds);
    text_free(&classes);
    return code;
}

/* The epoch is done: its record, and the state of the next one's beginning. */
static int finish_epoch(Training *t, double validation_loss, Err *e)
{
    RunState *s = &t->state;
    EpochRecord record = {.epoch = s->epoch,
                          .learning_rate = schedule_learning_rate(&t->plan.training, s->epoch),
                          .train_loss = s->loss_sum / t->plan.training.iterations_per_epoch,
                          .val_loss = validation_loss,
                          .pseudo_dice = pseudo_dice_mean(&t->dice),
                          .seconds = s->seconds};
    TRY(history_add(&s->history, record, e));
    const double ema = s->history.records[s->history.count - 1].ema_pseudo_dice;
    const bool is_best = !isnan(ema) && !(ema <= s->best_ema);
    if (is_best) s->best_ema = ema;
    s->epoch++;
    s->iteration = 0;
    s->loss_sum = s->seconds = 0;
    if (is_best) TRY(training_save(t, "best", e));
    TRY(training_save(t, "latest", e));
    TRY(write_curves(t, e));
    return log_epoch(t, &s->history.records[s->history.count - 1], e);
}

static int run_epochs(Training *t, const TrainingWatch *watch, Err *e)
{
    double saved_at = clock_seconds(), validation_loss;
    while (!training_is_finished(t)) {
        int code = begin_epoch(t, e);
        if (!code) code = epoch_train(t, watch, &saved_at, e);
        if (!code) code = epoch_validate(t, watch, &validation_loss, e);
        if (code == ERR_INTERRUPTED) {
            Err saving = {0};
            if (training_save(t, "latest", &saving)) return *e = saving, e->code;
        }
        if (code) return code;
        TRY(finish_epoch(t, validation_loss, e));
        saved_at = clock_seconds();
        if (watch->epoch)
            watch->epoch(watch->context, &t->state.history.records[t->state.history.count - 1], &t->dice);
    }
    return 0;
}

/* checkpoint_final takes the place of checkpoint_latest. Predictions of earlier weights go first. */
static int finish_run(Training *t, Err *e)
{
    char *latest = run_folder_checkpoint(&t->folder, "latest", e);
    int code = latest ? 0 : ERR_NOMEM;
    if (!code && file_exists(latest)) {
        code = run_folder_remove_validation(&t->folder, e);
        if (!code) code = training_save(t, "final", e);
        if (!code) code = file_remove(latest, e);
    }
    mem_free(latest);
    return code;
}

static int log_pretrained(Training *t, Err *e)
{
    const Text *text = &t->imported.text;
    return text->length ? run_folder_log(&t->folder, e, "%s: %.*s", t->plan.training.pretrained,
                                         (int)text->length - 1, text->data)
                        : 0;
}

/* From the loader's first patch to the last step: what patches took of all. */
static int run_loaded(Training *t, const TrainingWatch *watch, Err *e)
{
    const double began = cpu_seconds();
    TRY(start_loader(t, e));
    int code = run_epochs(t, watch, e);
    const double all = cpu_seconds() - began, loading = loader_cpu_seconds(t->loader);
    loader_free(t->loader);
    t->loader = NULL;
    const int logged = run_folder_log(&t->folder, code ? NULL : e, "the loader took %.1f of %.1f CPU seconds (%.1f %%)",
                                      loading, all, 100 * loading / all);
    return code ? code : logged;
}

int training_run(Training *t, const TrainingWatch *watch, Err *e)
{
    TRY(log_pretrained(t, e));
    TRY(run_folder_log(&t->folder, e,
                       "%s from epoch %d, iteration %d of %d epochs: %s, fold folder %s, %d training and "
                       "%d validation cases, batch %d of %dx%d, %s",
                       t->state.history.count || t->state.iteration ? "going on" : "beginning",
                       t->state.epoch, t->state.iteration, t->plan.training.epochs, t->plan.network.name,
                       path_base(t->folder.path), t->training_cases.count, t->validation_cases.count,
                       t->plan.configuration.batch_size, t->plan.configuration.patch_size[0],
                       t->plan.configuration.patch_size[1], precision_name(t->precision)));
    const int code = training_is_finished(t) ? 0 : run_loaded(t, watch, e);
    if (code) {
        run_folder_log(&t->folder, NULL, "stopped in epoch %d, iteration %d: %s", t->state.epoch,
                       t->state.iteration, e->text);
        return code;
    }
    return finish_run(t, e);
}
