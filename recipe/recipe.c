#include "recipe/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/simd_level.h"
#include "model/training_memory.h"
#include "network/executor/precision.h"
#include "plans/plan_keys.h"
#include "recipe/run_length.h"
#include "recipe/smaller.h"
#include "recipe/step_time.h"

/* The numbers of the rule (docs/recipes.md). */
enum {
    LEAST_ITERATIONS = 1000,  /* below, a smaller patch is better, or a narrower network */
    WANTED_ITERATIONS = 4000, /* above, a larger batch is better */
    ADJACENT_SLICES = 1,
    LEAST_BATCH = 2,
    MOST_BATCH = 64,
    WARMUP = 20,   /* the first 1/20 of a run */
    AVERAGED = 20, /* the horizon of the averaging is 1/20 of a run */
    EPOCH = 250,
    EPOCH_VALIDATION = 25,
    FROZEN_EPOCHS = 1 /* of an encoder with pretrained weights: as the rise, 1/20 of a run at most */
};
static const double MOST_ANISOTROPY = 3;       /* of adjacent slices: nnU-Net's threshold */
static const double MOST_DIFFERENCE = 1.5;     /* of spacings, for slices across all axes */
static const double MOST_AVERAGING = 1 - 1e-6; /* the plan's limit */
static const double RATE = 3e-3, WEIGHT_DECAY = 0.05;
static const double BF16_GAIN = 1.1;      /* bf16 is taken if steps are faster by this factor */
static const double LOADING = 1.02;       /* an iteration with augmentation, as a multiple of its step */
static const double VALIDATION = 1 / 3.0; /* a validation iteration: no backward pass */

/* A choice that is being made. */
typedef struct Choice {
    Plan *plan;
    const RecipeTask *task;
    StepTime time;     /* of the plan's network, in the plan's precision */
    bool lacks_memory; /* a step had to be smaller for it */
    Text why;
} Choice;

bool recipe_named(PlanRecipe *recipe, const char *name)
{
    static const char *const names[] = {"paper", "nnunet", "time"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) {
            *recipe = RECIPE_PAPER + i;
            return true;
        }
    return false;
}

const char *recipe_network(PlanRecipe recipe)
{
    return recipe == RECIPE_NNUNET || recipe == RECIPE_TIME ? "nnunet" : NULL;
}

/* ---- the speed of this machine ---- */

static DType precision_of_plan(const Plan *plan)
{
    return plan->training.precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
}

/* The stages of nnU-Net's architecture: features, and blocks (residual) or convolutions. */
static int describe_stages(Text *key, const Plan *plan, Err *e)
{
    static const char *const names[] = {"features_per_stage", "n_conv_per_stage", "n_blocks_per_stage"};
    MadeFrom keys = {0};
    plan_keys(&keys, plan);
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "architecture.arch_kwargs.%s", names[i]);
        const char *value = made_from_find(&keys, name);
        if (value) text_add(key, ", %s %s", names[i], value);
    }
    const int code = made_from_check(&keys, e);
    made_from_free(&keys);
    return code;
}

/* What the time of a step depends on, beside the number of pixels. */
static int describe_step(Text *key, const Plan *plan, const RecipeTask *task, Err *e)
{
    const PlanConfiguration *c = &plan->configuration;
    const PlanTraining *t = &plan->training;
    text_add(key, "%s %s, %d threads, ", task->device->name, simd_level_name(simd_level()), task->threads);
    TRY(plan_describe_network(key, plan, e));
    if (plan_uses_architecture(plan)) TRY(describe_stages(key, plan, e));
    text_add(key, ", %d channels, %d classes, patch %dx%d, %s, optimizer %d%s%s%s", plan_input_channels(plan),
             dataset_head_count(task->dataset), c->patch_size[0], c->patch_size[1],
             precision_name(precision_of_plan(plan)), (int)t->optimizer,
             plan_deep_supervision(plan) ? ", deep supervision" : "", t->weight_averaging > 0 ? ", averaged" : "",
             t->recompute ? ", recomputed" : "");
    return text_check(key, e);
}

static int read_time(StepTime *time, const char *text, const char *key, Err *e)
{
    if (sscanf(text, "%lf %lf", &time->fixed, &time->pixel) == 2 && time->fixed >= 0 && time->fixed < INFINITY &&
        time->pixel > 0 && time->pixel < INFINITY)
        return 0;
    return err_set(
        e, ERR_FORMAT,
        "the kept time of a step: found \"%s\", expected its seconds and those of a pixel, above 0 (--overwrite "
        "times again): %s",
        text, key);
}

/* Takes the time as a later run reads it: both then choose the same values. */
static int measure_new(StepTime *time, const Plan *plan, const RecipeTask *task, const char *key, Err *e)
{
    RecipeStepTime *const step_time = task->step_time ? task->step_time : step_time_measure;
    char text[64];
    TRY(step_time(time, plan, task->dataset, precision_of_plan(plan), task->device, e));
    snprintf(text, sizeof text, "%.4g %.4g", time->fixed, time->pixel);
    TRY(read_time(time, text, key, e));
    if (!task->measured) return 0;
    made_from_add(task->measured, key, "%s", text);
    return made_from_check(task->measured, e);
}

static int processes_of(const Choice *c) { return c->task->processes > 1 ? c->task->processes : 1; }

static int measure(Choice *c, Err *e)
{
    Text key = {0};
    int code = describe_step(&key, c->plan, c->task, e);
    const char *known = !code && c->task->measured ? made_from_find(c->task->measured, key.data) : NULL;
    if (known) code = read_time(&c->time, known, key.data, e);
    else if (!code) code = measure_new(&c->time, c->plan, c->task, key.data, e);
    c->time.pixel /= processes_of(c); /* each has its part of the batch; the sums of gradients are not counted */
    text_free(&key);
    return code;
}

static IterationTimes iteration_times(const Choice *c, int batch)
{
    const double training = LOADING * step_time_of(c->time, batch, c->plan->configuration.patch_size);
    return (IterationTimes){training, VALIDATION * training};
}

static double iterations(const Choice *c, int batch)
{
    return run_length_iterations(&c->plan->training, c->plan->training.minutes, iteration_times(c, batch));
}

/* ---- the rule ---- */

static void set_values(PlanTraining *t)
{
    t->optimizer = OPTIMIZER_ADAMW;
    t->learning_rate = RATE;
    t->weight_decay = WEIGHT_DECAY;
    t->schedule = SCHEDULE_COSINE;
    t->schedule_step = SCHEDULE_BY_ITERATION;
    t->deep_supervision = SWITCH_ON;
    t->weight_averaging = 0.99; /* so that it is measured; recipe_length sets it */
    t->iterations_per_epoch = EPOCH;
    if (t->freeze_encoder_epochs > FROZEN_EPOCHS) t->freeze_encoder_epochs = FROZEN_EPOCHS;
    t->validation_iterations = EPOCH_VALIDATION;
}

/* Adjacent slices show the third dimension of volumes, unless they are far away, or more channels than a network takes. */
static void choose_slices(Choice *c)
{
    const double *spacing = c->plan->original_median_spacing_mm;
    const bool is_volume = c->plan->original_median_shape[0] > 1;
    PlanConfiguration *p = &c->plan->configuration;
    p->adjacent_slices =
        is_volume && spacing[0] <= MOST_ANISOTROPY * fmax(spacing[1], spacing[2]) ? ADJACENT_SLICES : 0;
    if (plan_input_channels(c->plan) > PLAN_MAX_CHANNELS) p->adjacent_slices = 0;
    if (p->adjacent_slices) text_add(&c->why, "%d adjacent slice on each side; ", p->adjacent_slices);
}

/* Volumes that look alike from all sides: with about the same spacing along all axes, and at least half a patch thick. */
static bool is_isotropic(const Plan *plan)
{
    const PlanConfiguration *c = &plan->configuration;
    const double across = plan->original_median_spacing_mm[0], *in = c->spacing_mm;
    const double least = fmin(across, fmin(in[0], in[1])), most = fmax(across, fmax(in[0], in[1]));
    const int side = c->patch_size[0] < c->patch_size[1] ? c->patch_size[0] : c->patch_size[1];
    return most <= MOST_DIFFERENCE * least && 2 * plan->original_median_shape[0] >= side;
}

/* Slices across all axes: each voxel is then predicted three times, in other surroundings. */
static void choose_axes(Choice *c)
{
    PlanConfiguration *p = &c->plan->configuration;
    p->slice_axes_count = p->adjacent_slices && is_isotropic(c->plan) ? 3 : 1;
    for (int i = 0; i < 3; i++) p->slice_axes[i] = i < p->slice_axes_count ? i : 0;
    if (p->slice_axes_count > 1) text_add(&c->why, "slices across all three axes; ");
}

/* Takes bfloat16 where the device has it and steps are faster by it. */
static int choose_precision(Choice *c, Err *e)
{
    c->plan->training.precision = PRECISION_FP32;
    TRY(measure(c, e));
    const StepTime fp32 = c->time;
    if (!c->task->device->supports(c->task->device, DTYPE_BF16)) {
        text_add(&c->why, "fp32, as %s has no bf16; ", c->task->device->name);
        return 0;
    }
    c->plan->training.precision = PRECISION_BF16;
    TRY(measure(c, e));
    text_add(&c->why, "%s: a megapixel takes %.2g s in bf16, %.2g in fp32; ",
             BF16_GAIN * c->time.pixel < fp32.pixel ? "bf16" : "fp32", 1e6 * c->time.pixel, 1e6 * fp32.pixel);
    if (BF16_GAIN * c->time.pixel < fp32.pixel) return 0;
    c->plan->training.precision = PRECISION_FP32;
    c->time = fp32;
    return 0;
}

static int fits_memory(const Choice *c, int batch, bool *fits, Err *e)
{
    const PlanConfiguration *p = &c->plan->configuration;
    const int processes = processes_of(c);
    const TrainingSetup setup = {(batch + processes - 1) / processes,
                                 {p->patch_size[0], p->patch_size[1]},
                                 precision_of_plan(c->plan),
                                 c->task->device};
    const int64_t bytes = training_memory(c->plan, c->task->dataset, &setup, e);
    *fits = (double)bytes <= c->task->memory_gb * (1 << 30);
    return bytes < 0 ? (int)bytes : 0;
}

static int least_batch(const Choice *c) { return processes_of(c) > LEAST_BATCH ? processes_of(c) : LEAST_BATCH; }

static int is_too_large(Choice *c, bool *large, Err *e)
{
    bool fits = true;
    *large = iterations(c, least_batch(c)) < LEAST_ITERATIONS;
    if (!*large) TRY(fits_memory(c, processes_of(c), &fits, e));
    if (!fits) *large = c->lacks_memory = true;
    return 0;
}

static void tell_size(Choice *c, const int planned_yx[2], bool narrowed)
{
    const int *patch = c->plan->configuration.patch_size;
    char cause[64];
    if (c->lacks_memory) snprintf(cause, sizeof cause, "do not fit into %.3g GiB", c->task->memory_gb);
    else snprintf(cause, sizeof cause, "leave fewer than %d iterations", LEAST_ITERATIONS);
    if (patch[0] != planned_yx[0] || patch[1] != planned_yx[1])
        text_add(&c->why, "patch %dx%d, since larger ones (planned %dx%d) %s; ", patch[0], patch[1], planned_yx[0],
                 planned_yx[1], cause);
    if (narrowed) text_add(&c->why, "a narrower network, since wider ones %s; ", cause);
}

/* Makes steps smaller until LEAST_ITERATIONS fit into the time, and one patch into the memory. */
static int choose_size(Choice *c, Err *e)
{
    const int planned[2] = {c->plan->configuration.patch_size[0], c->plan->configuration.patch_size[1]};
    bool reduced = true, narrowed = false, large;
    TRY(is_too_large(c, &large, e));
    while (reduced && large) {
        TRY(smaller_patch(c->plan, &reduced, e));
        if (!reduced && (reduced = smaller_width(c->plan))) {
            narrowed = true;
            TRY(measure(c, e));
        }
        TRY(is_too_large(c, &large, e));
    }
    TRY(measure(c, e));
    tell_size(c, planned, narrowed);
    return 0;
}

/* The largest batch with which WANTED_ITERATIONS fit into the time and a step into the memory. */
static int choose_batch(Choice *c, Err *e)
{
    const double pixels = (double)c->plan->configuration.patch_size[0] * c->plan->configuration.patch_size[1];
    const double all_steps = step_time_of(c->time, 1, c->plan->configuration.patch_size) * iterations(c, 1);
    const double fitting = (all_steps / WANTED_ITERATIONS - c->time.fixed) / (c->time.pixel * pixels);
    int batch = (int)fmax(fmin(fitting, MOST_BATCH), least_batch(c));
    bool fits;
    TRY(fits_memory(c, batch, &fits, e));
    while (!fits && batch > processes_of(c)) {
        batch = batch / 2 > processes_of(c) ? batch / 2 : processes_of(c);
        TRY(fits_memory(c, batch, &fits, e));
    }
    if (!fits)
        return err_set(e, ERR_VALUE,
                       "%s: a patch of %dx%d does not fit into %.3g GiB: give plan_and_preprocess more --memory-target",
                       c->plan->network.name, c->plan->configuration.patch_size[0],
                       c->plan->configuration.patch_size[1], c->task->memory_gb);
    c->plan->configuration.batch_size = batch;
    return 0;
}

static int choose_for_time(Choice *c, Err *e)
{
    if (c->plan->training.minutes <= 0)
        return err_set(e, ERR_VALUE, "training.recipe: time needs the time: give --minutes N, or training.minutes");
    set_values(&c->plan->training);
    c->plan->inference.mirroring = true;
    choose_slices(c);
    choose_axes(c);
    TRY(choose_precision(c, e));
    TRY(choose_size(c, e));
    return choose_batch(c, e);
}

static void train_as_nnunet(Plan *plan)
{
    plan_set_training(plan, network_kind("nnunet"));
    plan->training.deep_supervision = SWITCH_ON;
    plan->inference.mirroring = true;
}

static int keep_reasons(Plan *plan, const Text *why, Err *e)
{
    TRY(text_check(why, e));
    snprintf(plan->training.reasons, sizeof plan->training.reasons, "%s", why->data ? why->data : "");
    return 0;
}

int recipe_choose(Plan *plan, const RecipeTask *task, Err *e)
{
    Choice c = {.plan = plan, .task = task};
    switch (plan->training.recipe) {
    case RECIPE_AUTO:
    case RECIPE_PAPER: plan_set_training(plan, plan_network_kind(plan)); return 0;
    case RECIPE_NNUNET: train_as_nnunet(plan); return 0;
    case RECIPE_TIME: break;
    }
    int code = choose_for_time(&c, e);
    if (!code) code = keep_reasons(plan, &c.why, e);
    text_free(&c.why);
    return code;
}

static int warmup_of(double count) { return (int)(count / WARMUP); }
static double averaging_of(double count) { return fmin(fmax(0, 1 - AVERAGED / count), MOST_AVERAGING); }

static void set_length(Choice *c)
{
    PlanTraining *t = &c->plan->training;
    const int threads = c->task->threads, processes = processes_of(c);
    char each[48] = "";
    if (processes > 1) snprintf(each, sizeof each, " in each of %d processes", processes);
    const IterationTimes times = iteration_times(c, c->plan->configuration.batch_size);
    run_length_fit(t, t->minutes, times);
    const double count = run_length_of(t);
    t->warmup_iterations = warmup_of(count);
    t->weight_averaging = averaging_of(count);
    text_add(&c->why, "%g minutes with %d thread%s%s, %s; %sbatch %d: %.0f iterations of %.2g s", t->minutes, threads,
             threads == 1 ? "" : "s", each, c->plan->network.name, t->reasons, c->plan->configuration.batch_size, count,
             times.training);
}

int recipe_length(Plan *plan, const RecipeTask *task, Err *e)
{
    Choice c = {.plan = plan, .task = task};
    if (plan->training.recipe != RECIPE_TIME) return 0;
    TRY(measure(&c, e));
    set_length(&c);
    const int code = keep_reasons(plan, &c.why, e);
    text_free(&c.why);
    return code;
}

void recipe_follow_length(Plan *plan, double before)
{
    PlanTraining *t = &plan->training;
    const double count = run_length_of(t);
    if (t->recipe != RECIPE_TIME || count == before) return;
    if (t->warmup_iterations == warmup_of(before)) t->warmup_iterations = warmup_of(count);
    if (t->weight_averaging == averaging_of(before)) t->weight_averaging = averaging_of(count);
    const size_t used = strlen(t->reasons);
    snprintf(t->reasons + used, sizeof t->reasons - used, "; changed to %.0f", count);
}

void recipe_leave(Plan *plan)
{
    Plan plain;
    PlanTraining *t = &plan->training;
    plan_defaults(&plain);
    if (t->recipe == RECIPE_TIME || t->recipe == RECIPE_NNUNET) {
        t->deep_supervision = plain.training.deep_supervision;
        plan->inference.mirroring = plain.inference.mirroring;
    }
    if (t->recipe != RECIPE_TIME) return;
    t->minutes = 0;
    *t->reasons = 0;
    t->epochs = plain.training.epochs;
    t->iterations_per_epoch = plain.training.iterations_per_epoch;
    t->validation_iterations = plain.training.validation_iterations;
    t->schedule_step = plain.training.schedule_step;
    t->warmup_iterations = plain.training.warmup_iterations;
    t->weight_averaging = plain.training.weight_averaging;
    t->precision = plain.training.precision;
    plan->configuration.adjacent_slices = plain.configuration.adjacent_slices;
    plan_copy_slice_axes(plan, &plain);
}
