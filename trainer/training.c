#include "trainer/training.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "network/executor/precision.h"
#include "plans/meaning.h"
#include "preprocess/class_locations.h"
#include "recipe/plan_optimizer.h"
#include "recipe/recipe.h"
#include "recipe/run_length.h"
#include "trainer/absent_labels.h"
#include "trainer/augmentation_pictures.h"
#include "trainer/case_check.h"
#include "trainer/preprocessed.h"
#include "trainer/split_record.h"
#include "trainer/training_parts.h"
#include "trainer/validation.h"
#include "weights/weights_io.h"

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
    TRY(fold_cases_read(&t->fold_cases, o->preprocessed, o->fold, e));
    const Split *split = &t->fold_cases.split;
    const int channels = t->plan.configuration.channel_count;
    if (!split->val_count && t->plan.training.validation_iterations)
        return err_set(e, ERR_VALUE,
                       "no validation case (%s): add some to the fold, train fold all, or set "
                       "training.validation_iterations of %s/plans.yaml to 0",
                       t->fold_cases.told.data, o->preprocessed);
    char *folder = path_format(e, "%s/2d", o->preprocessed);
    int code = folder ? 0 : ERR_NOMEM;
    if (!code) code = case_set_open(&t->training_cases, folder, split->train, split->train_count, channels, e);
    if (!code) code = case_set_open(&t->validation_cases, folder, split->val, split->val_count, channels, e);
    const CaseCheck check = {o->preprocessed, &t->plan, &t->info, o->overrides.file, NULL};
    if (!code) code = case_check_set(&check, &t->training_cases, &t->contents, e);
    if (!code) code = case_check_set(&check, &t->validation_cases, &t->contents, e);
    mem_free(folder);
    return code;
}

static Sampler make_sampler(const Training *t, const CaseSet *cases, bool augment)
{
    const PlanConfiguration *c = &t->plan.configuration;
    Sampler s = {.cases = cases,
                 .geometry = patch_geometry((int64_t[]){c->patch_size[0], c->patch_size[1]}),
                 .adjacent_slices = c->adjacent_slices,
                 .slice_axes_count = c->slice_axes_count,
                 .batch_size = c->batch_size,
                 .oversample_foreground = t->plan.training.oversample_foreground,
                 .has_ignore = t->info.ignore_value >= 0,
                 .largest_label = t->info.ignore_value >= 0 ? t->info.ignore_value : t->info.max_value,
                 .augment = augment,
                 .seed = (uint64_t)t->plan.training.seed};
    memcpy(s.slice_axes, c->slice_axes, sizeof s.slice_axes);
    s.class_count = class_locations_classes(&t->info) - s.has_ignore;
    s.rules.largest_angle = s.geometry.largest_angle;
    s.rules.strength = t->plan.training.augmentation;
    s.rules.older = t->plan.compatibility == COMPATIBILITY_NNUNET_2_1;
    for (int i = 0; i < t->plan.inference.mirror_axes_count; i++)
        s.rules.mirror_axes[t->plan.inference.mirror_axes[i]] = true;
    for (int i = 0; i < c->channel_count; i++)
        s.mask_channel[c->adjacent_slices * c->channel_count + i] = c->use_mask_for_norm[i];
    const NetworkKind *kind = plan_network_kind(&t->plan);
    if (kind->mask) s.mask = kind->mask(&t->plan.network.config);
    return s;
}

/* The network only trains an encoder. */
static bool is_pretraining(const Training *t) { return plan_network_kind(&t->plan)->build_pretraining; }

static int new_dice(Training *t, Err *e)
{
    Ref counts;
    const int classes = dataset_head_count(&t->info);
    if (!graph_find(t->model.graph, "counts", &counts)) return 0;
    if (is_pretraining(t)) return pseudo_dice_new(&t->dice, classes - 1, PSEUDO_DICE_IMAGES, e);
    TRY(pseudo_dice_new(&t->dice, classes, t->info.has_regions ? PSEUDO_DICE_REGIONS : PSEUDO_DICE_LABELS, e));
    absent_labels_leave_out(&t->dice, &t->validation_cases);
    return 0;
}

static int make_network(Training *t, Err *e)
{
    if (t->info.has_regions && !is_pretraining(t)) TRY(model_region_loss(&t->region_loss, &t->plan, &t->info, e));
    TRY(model_new(&t->model, &t->plan, &t->info, e));
    TRY(plan_optimizer_new(&t->optimizer, t->model.parameters, &t->plan.training, e));
    if (t->plan.training.weight_averaging > 0) {
        TRY(parameters_new(&t->average, t->model.graph, e));
        optimizer_average(t->optimizer, t->average, t->plan.training.weight_averaging);
    }
    return new_dice(t, e);
}

static int take_pretrained(Training *t, Err *e)
{
    const char *path = t->plan.training.pretrained;
    WeightsFile weights = {0};
    if (!*path) return 0;
    TRY(weights_read(&weights, path, e));
    int code = import_weights(t->model.parameters, t->model.kind, &weights, &t->imported, e);
    if (code) err_context(e, "%s", path);
    weights_close(&weights);
    if (code) return code;
    text_free(&t->state.pretrained);
    text_add(&t->state.pretrained, "%s", t->imported.filled.data);
    return text_check(&t->state.pretrained, e);
}

/* Reports the parameters that were initialised from the given weights; the whole list is in the log. */
static void tell_pretrained(Training *t)
{
    const ImportReport *r = &t->imported;
    const int epochs = t->plan.training.freeze_encoder_epochs, total = t->plan.training.epochs;
    const char *file = path_base(t->plan.training.pretrained);
    if (!r->taken) return;
    training_tell(t, TRAINING_NOTE, "%s: %s (training_log.txt lists them)", file, r->summary.data);
    if (r->expected_taken < r->expected)
        training_tell(t, TRAINING_WARNING, "%s: %d of %d parameters %s do not fit and are initialised randomly", file,
                      r->expected - r->expected_taken, r->expected, r->expects);
    if (epochs && !t->model.kind->encoder.prefix)
        training_tell(t, TRAINING_WARNING,
                      "training.freeze_encoder_epochs is %d, but %s has no pretrained encoder: nothing is frozen",
                      epochs, t->model.kind->name);
    else if (epochs && r->expected_taken)
        training_tell(t, epochs < total ? TRAINING_NOTE : TRAINING_WARNING,
                      "the encoder is frozen in the first %d of %d epochs%s%s", epochs, total,
                      r->expected_taken < r->expected ? ", except for parameters that do not fit" : "",
                      epochs < total ? "" : ": it is never trained; training.freeze_encoder_epochs says for how long");
}

static int initialize(Training *t, Err *e)
{
    parameters_initialize(t->model.parameters, (uint64_t)t->plan.training.seed);
    TRY(take_pretrained(t, e));
    if (t->average) parameters_copy(t->average, t->model.parameters);
    return 0;
}

/* Fails if the plan has fewer epochs or iterations than are trained already. */
static int check_progress(const Training *t, const char *path, Err *e)
{
    const PlanTraining *p = &t->plan.training;
    if (t->state.epoch > p->epochs)
        return err_set(e, ERR_VALUE,
                       "%s has trained %d epochs, but the plan has %d: give --epochs %d, or more to continue", path,
                       t->state.epoch, p->epochs, t->state.epoch);
    if (t->state.iteration > p->iterations_per_epoch)
        return err_set(
            e, ERR_VALUE,
            "%s is at iteration %d of epoch %d, but the plan has %d iterations per epoch: give the number of "
            "the earlier run again, or --overwrite",
            path, t->state.iteration, t->state.epoch, p->iterations_per_epoch);
    return 0;
}

/* Reads the last checkpoint; without one the run starts from the beginning. */
static int resume(Training *t, Err *e)
{
    char *latest = run_folder_checkpoint(&t->folder, "latest", e),
         *final = run_folder_checkpoint(&t->folder, "final", e);
    bool has_latest, has_final;
    int code = file_is_there(latest, &has_latest, e);
    if (!code) code = file_is_there(final, &has_final, e);
    const char *path = code ? NULL : has_latest ? latest : has_final ? final : NULL;
    if (!code && path)
        code = checkpoint_read(path, &(CheckpointWeights){t->model.parameters, t->average}, t->optimizer, &t->state, e);
    if (!code && path) code = training_plan_check_checkpoint(&t->plan, &t->state.plan, path, t->options.results, e);
    if (!code && path) code = check_progress(t, path, e);
    if (!code && !path) code = initialize(t, e);
    mem_free(latest);
    mem_free(final);
    return code;
}

/* Counts of the validator have the same shape for all epochs. */
static int new_readings(Training *t, Err *e)
{
    const size_t counts = t->dice.classes ? (size_t)shape_count(executor_output_shape(t->validator, 1)) : 0;
    t->readings = t->device->alloc_host(t->device, sizeof *t->readings + ISSUED_MOST * counts * sizeof(float), e);
    if (!t->readings) return ERR_NOMEM;
    t->readings->seed = 1;
    return 0;
}

static int open_network(Training *t, RunMode mode, Err *e)
{
    TRY(make_network(t, e));
    t->state.best_ema = NAN;
    TRY(training_expect_room(t, e));
    TRY(mode == RUN_CONTINUE ? resume(t, e) : initialize(t, e));
    TRY(training_make_executors(t, e));
    return new_readings(t, e);
}

static void close_network(Training *t)
{
    if (t->readings) t->device->free_host(t->device, t->readings);
    t->readings = NULL;
    optimizer_free(t->optimizer);
    training_free_executors(t);
    parameters_free(t->average);
    model_free(&t->model);
    import_report_free(&t->imported);
    pseudo_dice_free(&t->dice);
    history_free(&t->state.history);
    text_free(&t->state.plan);
    text_free(&t->state.pretrained);
    t->optimizer = NULL;
    t->average = NULL;
    t->state = (RunState){0};
}

static int fit_length(Training *t, const TrainingOptions *o, Err *e)
{
    IterationTimes times;
    const TrainingOverrides *change = &o->overrides;
    const double planned = run_length_of(&t->plan.training);
    double (*const clock)(void) = change->cpu_minutes ? cpu_seconds : clock_seconds;
    TRY(training_time_iterations(t, &times, clock, change->minutes, e));
    run_length_fit(&t->plan.training, change->minutes, times);
    recipe_follow_length(&t->plan, planned);
    close_network(t);
    return open_network(t, o->mode, e);
}

/* The reference implementations refuse such a patch; here the other levels train. */
static void tell_constant_norms(Training *t)
{
    const int *patch = t->plan.configuration.patch_size;
    const char *first = NULL;
    int count = 0;
    for (int i = 0; i < executor_node_count(t->trainer); i++) {
        const Node *node = executor_node(t->trainer, i);
        if (!op_norms_one_value(node)) continue;
        if (!count++) first = node->name;
    }
    if (count)
        training_tell(t, TRAINING_WARNING,
                      "patch_size %dx%d is so small that %d norms of %s see a single pixel and are the same for any "
                      "image, first %s: their level learns nothing; give a larger patch_size",
                      patch[0], patch[1], count, t->plan.network.name, first);
}

static void tell_warmup(Training *t)
{
    const PlanTraining *p = &t->plan.training;
    const int64_t iterations = (int64_t)p->epochs * p->iterations_per_epoch;
    if (p->warmup_iterations < iterations) return;
    training_tell(t, TRAINING_WARNING,
                  "training.warmup_iterations is %d, but the run has %lld iterations: its learning rate only rises; "
                  "give fewer",
                  p->warmup_iterations, (long long)iterations);
}

static void tell_lines(Training *t, TrainingTell kind, const Text *lines)
{
    int length;
    for (const char *line = lines->data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        training_tell(t, kind, "%.*s", length, line);
    }
}

static int tell_absent(Training *t, Err *e)
{
    Text warnings = {0};
    if (is_pretraining(t)) return 0;
    const int code = absent_labels_tell(&warnings, &t->info, &t->training_cases, &t->validation_cases, e);
    tell_lines(t, TRAINING_WARNING, &warnings);
    text_free(&warnings);
    return code;
}

static int open_data(Training *t, const TrainingOptions *o, Err *e)
{
    TRY(read_dataset(t, o->preprocessed, e));
    TRY(open_cases(t, o, e));
    tell_lines(t, TRAINING_NOTE, &t->fold_cases.told);
    tell_lines(t, TRAINING_WARNING, &t->fold_cases.warnings);
    if (o->fold == SPLITS_FOLD_ALL) training_tell(t, TRAINING_WARNING, "%s", VALIDATION_OF_ALL);
    if (!t->validation_cases.count)
        training_tell(t, TRAINING_WARNING,
                      "the fold has no validation case: the quality of the "
                      "training is not measured");
    TRY(tell_absent(t, e));
    t->training_sampler = make_sampler(t, &t->training_cases, true);
    t->validation_sampler = make_sampler(t, &t->validation_cases, false);
    return 0;
}

static void tell_waiting(void *context)
{
    training_tell(context, TRAINING_NOTE, "another run is starting in %s: waiting for it",
                  ((const Training *)context)->options.results);
}

static int open_folder(Training *t, const TrainingOptions *o, Err *e)
{
    bool same;
    TRY(file_is_same(o->results, o->preprocessed, &same, e));
    if (same)
        return err_set(e, ERR_VALUE,
                       "%s: results cannot be written to the preprocessed folder, because both have a plans.yaml: "
                       "give another folder with -o",
                       o->results);
    /* Of several ranks only the first waits: they stop together, in the first iteration. */
    t->waiting = (RunWaiting){tell_waiting, o->ranks ? NULL : o->interrupted, t};
    if (!training_writes(t)) return run_folder_follow(&t->folder, o->results, o->fold, e);
    TRY(run_folder_open(&t->folder, o->results, o->fold, o->mode, &t->waiting, e));
    if (o->mode == RUN_CONTINUE && !t->folder.holds_run)
        training_tell(t, TRAINING_WARNING,
                      "%s: there is no checkpoint to continue from: the training starts from the beginning",
                      t->folder.fold);
    return 0;
}

static int choose_plan(Training *t, const TrainingOptions *o, Err *e)
{
    const int code = training_writes(t) ? training_plan_choose(&t->choice, o, &t->folder, e) : 0;
    if (!code) tell_lines(t, TRAINING_NOTE, &t->choice.notes);
    text_free(&t->choice.notes);
    t->plan = t->choice.plan;
    return code;
}

/* Fails if labels have another meaning than in the dataset.json of the results. */
static int check_meaning(const Training *t, const TrainingOptions *o, Err *e)
{
    DatasetInfo recorded;
    bool there = false;
    char *path = path_format(e, "%s/dataset.json", o->results);
    int code = file_is_there(path, &there, e);
    if (!code && there && t->choice.is_bound && !(code = dataset_info_read(&recorded, path, e))) {
        Text difference = {0};
        char *now = path_format(e, "%s/dataset.json", o->preprocessed);
        if (now) meaning_add_difference(&difference, &recorded, path, &t->info, now);
        code = now ? text_check(&difference, e) : ERR_NOMEM;
        if (!code && difference.length)
            code = err_set(e, ERR_VALUE,
                           "%s contains a training with other labels: %s; restore the labels in the dataset's "
                           "dataset.json and preprocess again, or give another results folder with -o",
                           o->results, difference.data);
        text_free(&difference);
        mem_free(now);
        dataset_info_free(&recorded);
    }
    mem_free(path);
    return code;
}

/* Compares the cases of a continued run with its record. */
static int check_record(Training *t, const TrainingOptions *o, Err *e)
{
    Text warnings = {0};
    if (!t->folder.holds_run || o->mode != RUN_CONTINUE || training_is_finished(t)) return 0;
    const int code = split_record_check(&warnings, &t->fold_cases, &t->contents, t->folder.path, e);
    if (!code) tell_lines(t, TRAINING_WARNING, &warnings);
    text_free(&warnings);
    return code;
}

/* Writes the record of cases; if the training is finished, the existing one is kept. */
static int write_record(const Training *t, Err *e)
{
    if (t->folder.holds_run && training_is_finished(t)) return 0;
    return split_record_write(&t->fold_cases, &t->contents, t->folder.path, e);
}

/* The first writes of a run. */
static int begin(Training *t, const TrainingOptions *o, Err *e)
{
    TRY(training_plan_record(&t->choice, o, run_folder_replaces(&t->folder) ? t->folder.path : o->results, e));
    TRY(run_folder_begin(&t->folder, e));
    return write_record(t, e);
}

/* A run that goes on may do so in another precision, which is recorded then. So may another fold; the plan keeps its own. */
static void choose_precision(Training *t, const TrainingOptions *o)
{
    const char *lacks, *planned = t->plan.training.precision == PRECISION_BF16 ? "bf16" : "fp32";
    t->precision = precision_of(o->overrides.precision ? o->overrides.precision : planned, t->device, &lacks);
    if (lacks) training_tell(t, TRAINING_WARNING, "%s", lacks);
}

static int check_all(Training *t, const TrainingOptions *o, Err *e)
{
    TRY(preprocessed_lock(&t->reading, o->preprocessed, e));
    TRY(open_folder(t, o, e));
    TRY(choose_plan(t, o, e));
    TRY(open_data(t, o, e));
    TRY(check_meaning(t, o, e));
    choose_precision(t, o);
    TRY(training_divide_batch(t, e));
    t->loader_threads = o->threads / 4 > 1 ? o->threads / 4 : 1;
    TRY(open_network(t, o->mode, e));
    return check_record(t, o, e);
}

/* All checks come before the first write. The other ranks read what rank 0 has checked: a refusal is that of rank 0. */
static int open_parts(Training *t, const TrainingOptions *o, Err *e)
{
    if (!training_writes(t)) TRY(training_share_choice(t, e));
    TRY(check_all(t, o, e));
    if (training_writes(t)) TRY(training_share_choice(t, e));
    TRY(training_agree(t, e));
    if (o->overrides.minutes > 0 && !t->choice.is_bound) TRY(fit_length(t, o, e));
    tell_pretrained(t);
    tell_constant_norms(t);
    tell_warmup(t);
    t->choice.plan = t->plan;
    TRY(training_meet(t, e));
    return training_writes(t) ? begin(t, o, e) : 0;
}

static Training *new_training(const TrainingOptions *o, Err *e)
{
    Training *t = mem_zalloc(1, sizeof *t, e);
    if (!t) return NULL;
    t->options = *o;
    t->device = o->device ? o->device : device_cpu();
    t->folder.lock.fd = t->folder.new_lock.fd = t->folder.results_lock.fd = t->reading.fd = -1;
    return t;
}

int training_open(Training **result, const TrainingOptions *o, Err *e)
{
    Training *t = *result = new_training(o, e);
    if (!t) return ERR_NOMEM;
    const int code = open_parts(t, o, e);
    if (code) {
        training_close(t);
        *result = NULL;
    }
    return code;
}

int training_show_patches(const TrainingOptions *o, int count, const char *folder, Err *e)
{
    Training *t = new_training(o, e);
    if (!t) return ERR_NOMEM;
    int code = preprocessed_lock(&t->reading, o->preprocessed, e);
    if (!code) code = training_plan_alone(&t->plan, o, e);
    if (!code) code = open_data(t, o, e);
    if (!code) code = augmentation_pictures_write(&t->training_sampler, &t->info, 0, count, folder, e);
    training_close(t);
    return code;
}

void training_close(Training *t)
{
    if (!t) return;
    loader_free(t->loader);
    close_network(t);
    case_set_close(&t->training_cases);
    case_set_close(&t->validation_cases);
    fold_cases_free(&t->fold_cases);
    made_from_free(&t->contents);
    if (t->has_info) dataset_info_free(&t->info);
    run_folder_close(&t->folder);
    folder_unlock(&t->reading);
    mem_free(t);
}

const Plan *training_plan(const Training *t) { return &t->plan; }
bool training_is_finished(const Training *t) { return t->state.epoch >= t->plan.training.epochs; }
bool training_has_validation(const Training *t) { return t->validation_cases.count && !is_pretraining(t); }
DType training_precision(const Training *t) { return t->precision; }
int training_epochs_done(const Training *t) { return t->state.epoch; }

size_t training_memory_bytes(const Training *t)
{
    const MemoryReport trainer = executor_memory(t->trainer), validator = executor_memory(t->validator);
    const size_t average = t->average ? t->average->mirror.bytes : 0;
    return memory_of_training(trainer, 0) + average + optimizer_bytes(t->optimizer) + validator.arena +
           validator.packed;
}

void training_tell(Training *t, TrainingTell kind, const char *format, ...)
{
    Text text = {0};
    va_list args;
    va_start(args, format);
    text_add_args(&text, format, args);
    va_end(args);
    if (!text_check(&text, NULL)) {
        if (t->options.tell) t->options.tell(t->options.context, kind, text.data);
        run_folder_note(&t->folder, "%s%s", kind == TRAINING_WARNING ? "warning: " : "", text.data);
    }
    text_free(&text);
}
