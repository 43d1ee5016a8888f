/* recipe/: the rule of the recipe time with given times of steps, the other recipes, and that times are measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/progress.h"
#include "network/models/unet_topology.h"
#include "plans/plan.h"
#include "plans/plan_keys.h"
#include "recipe/recipe.h"
#include "recipe/smaller.h"
#include "tests/support/reference_network.h"
#include "tests/support/says.h"

static const DatasetLabel labels[] = {{.name = "background"}, {.name = "organ"}};
static const char *const channels[] = {"MRI"};
static const DatasetInfo dataset = {.channel_count = 1,
                                    .channel_names = channels,
                                    .labels = labels,
                                    .label_count = 2,
                                    .max_value = 1,
                                    .ignore_value = -1,
                                    .num_training = 20};

/* A machine whose steps take so long. */
static StepTime of_fp32, of_bf16;
static int measurements;

static int given_time(StepTime *time, const Plan *plan, const DatasetInfo *info, DType precision, const Device *device,
                      Err *e)
{
    (void)info, (void)device, (void)e;
    const double narrow = plan->configuration.architecture.features_per_stage[0] / 32.0;
    measurements++;
    *time = precision == DTYPE_BF16 ? of_bf16 : of_fp32;
    time->pixel *= narrow * narrow;
    return 0;
}

static bool has_bf16(const Device *device, DType precision)
{
    (void)device, (void)precision;
    return true;
}

static bool lacks_bf16(const Device *device, DType precision)
{
    (void)device;
    return precision == DTYPE_F32;
}

/* nnU-Net's plan for images of this size. */
static void plan_images(Plan *plan, int side)
{
    UnetTopology t;
    Err e = {0};
    plan_defaults(plan);
    plan_choose_network(plan, "nnunet");
    PlanConfiguration *c = &plan->configuration;
    c->channel_count = c->mask_count = 1;
    for (int i = 0; i < 2; i++) c->spacing_mm[i] = 1;
    assert_int_equal(unet_topology(&t, c->spacing_mm, (const double[]){side, side}, &e), 0);
    unet_write_architecture(&c->architecture, &t, false);
    memcpy(c->patch_size, t.patch, sizeof t.patch);
    c->batch_size = 12;
}

static int processes = 1; /* that share a batch */

static int choose(Plan *plan, double minutes, double memory_gb, bool bf16, MadeFrom *measured, Err *e)
{
    Device device = *device_cpu();
    device.supports = bf16 ? has_bf16 : lacks_bf16;
    const RecipeTask task = {.dataset = &dataset,
                             .memory_gb = memory_gb,
                             .device = &device,
                             .threads = 2,
                             .processes = processes,
                             .measured = measured,
                             .step_time = given_time};
    plan->training.recipe = RECIPE_TIME;
    plan->training.minutes = minutes;
    TRY(recipe_choose(plan, &task, e));
    TRY(recipe_length(plan, &task, e));
    return plan_check(plan, e);
}

static double iterations(const Plan *plan)
{
    return (double)plan->training.epochs * plan->training.iterations_per_epoch;
}

/* Small images: there is time for a large batch. */
static void time_decides_the_batch(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    int before = 0;
    of_fp32 = (StepTime){0.01, 2e-6};
    for (int minutes = 1; minutes <= 64; minutes *= 4) {
        plan_images(&plan, 64);
        assert_int_equal(choose(&plan, minutes, 8, false, NULL, &e), 0);
        assert_true(plan.configuration.batch_size > before);
        before = plan.configuration.batch_size;
        const double seconds = iterations(&plan) * (0.01 + 2e-6 * before * 64 * 64);
        assert_true(seconds > 0.7 * 60 * minutes && seconds < 60 * minutes);
    }
    assert_int_equal(plan.configuration.patch_size[0], 64);
}

/* Several processes are as one that is faster; each has at least one patch of a batch. */
static void processes_share_the_batch(void **state)
{
    (void)state;
    Plan faster, plan;
    Err e = {0};
    for (int minutes = 4; minutes <= 64; minutes *= 4) {
        of_fp32 = (StepTime){0.01, 5e-7};
        plan_images(&faster, 64);
        assert_int_equal(choose(&faster, minutes, 8, false, NULL, &e), 0);
        of_fp32 = (StepTime){0.01, 2e-6};
        processes = 4;
        plan_images(&plan, 64);
        assert_int_equal(choose(&plan, minutes, 8, false, NULL, &e), 0);
        processes = 1;
        assert_int_equal(plan.configuration.batch_size, faster.configuration.batch_size);
        assert_true(iterations(&plan) == iterations(&faster));
        assert_non_null(strstr(plan.training.reasons, "with 2 threads in each of 4 processes, nnunet"));
    }
    const int many[] = {7, 100};
    for (int i = 0; i < 2; i++) {
        processes = many[i];
        plan_images(&plan, 64);
        assert_int_equal(choose(&plan, 0.5, 8, false, NULL, &e), 0);
        assert_int_equal(plan.configuration.batch_size, many[i]);
    }
    processes = 1;
}

/* Large images: the patch is reduced, and nnU-Net's architecture with it; the least that helps is a narrow network. */
static void too_little_time_reduces_patch_and_width(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    of_fp32 = (StepTime){0.01, 2e-6};
    plan_images(&plan, 1024);
    assert_int_equal(choose(&plan, 10, 8, false, NULL, &e), 0);
    assert_true(plan.configuration.patch_size[0] < 1024 && plan.configuration.patch_size[0] >= 256);
    assert_int_equal(plan.configuration.architecture.features_per_stage[0], 32);
    assert_non_null(strstr(plan.training.reasons, "planned 1024x1024"));
    assert_true(iterations(&plan) >= 900);
    plan_images(&plan, 1024);
    assert_int_equal(choose(&plan, 0.5, 8, false, NULL, &e), 0);
    assert_int_equal(plan.configuration.patch_size[0], 128);
    assert_non_null(strstr(plan.training.reasons, "a narrower network, since"));
    assert_true(plan.configuration.architecture.features_per_stage[0] < 32);
    assert_int_equal(plan.configuration.batch_size, 2);
}

/* The number of axes across which slices lie is that of isotropic volumes of at least half a patch (64). */
static void volumes_have_adjacent_slices_and_isotropic_ones_all_axes(void **state)
{
    (void)state;
    const struct {
        int slices;
        double spacing;
        int adjacent, axes;
    } cases[] = {{32, 1, 1, 3},    {31, 1, 1, 1}, {60, 1.5, 1, 3}, {60, 1.51, 1, 1}, {60, 0.67, 1, 3},
                 {60, 0.66, 1, 1}, {30, 3, 1, 1}, {60, 3.1, 0, 1}, {1, 1, 0, 1},     {1, 999, 0, 1}};
    of_fp32 = (StepTime){0.01, 2e-6};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Plan plan;
        Err e = {0};
        plan_images(&plan, 64);
        plan.original_median_shape[0] = cases[i].slices;
        plan.original_median_spacing_mm[0] = cases[i].spacing;
        plan.original_median_spacing_mm[1] = plan.original_median_spacing_mm[2] = 1;
        assert_int_equal(choose(&plan, 10, 8, false, NULL, &e), 0);
        assert_int_equal(plan.configuration.adjacent_slices, cases[i].adjacent);
        assert_true(!strstr(plan.training.reasons, "adjacent") == !cases[i].adjacent);
        assert_int_equal(plan.configuration.slice_axes_count, cases[i].axes);
        for (int k = 0; k < cases[i].axes; k++) assert_int_equal(plan.configuration.slice_axes[k], k);
        assert_true(!strstr(plan.training.reasons, "across all three axes") == (cases[i].axes == 1));
        recipe_leave(&plan);
        assert_int_equal(plan.configuration.slice_axes_count, 1);
    }
}

/* A network takes at most PLAN_MAX_CHANNELS. */
static void adjacent_slices_leave_room_for_channels(void **state)
{
    (void)state;
    of_fp32 = (StepTime){0.01, 2e-6};
    for (int count = 21; count <= PLAN_MAX_CHANNELS; count++) {
        Plan plan;
        Err e = {0};
        plan_images(&plan, 32);
        plan.configuration.channel_count = plan.configuration.mask_count = count;
        plan.original_median_shape[0] = 30;
        for (int i = 0; i < 3; i++) plan.original_median_spacing_mm[i] = 1;
        assert_int_equal(choose(&plan, 1, 8, false, NULL, &e), 0);
        assert_int_equal(plan.configuration.adjacent_slices, count == 21);
    }
}

/* The longest run has a plan that can be read. */
static void very_much_time_stays_in_the_limits_of_a_plan(void **state)
{
    (void)state;
    Plan plan, again;
    Text text = {0};
    Err e = {0};
    of_fp32 = (StepTime){0, 1e-12};
    plan_images(&plan, 32);
    assert_int_equal(choose(&plan, 1e6, 8, false, NULL, &e), 0);
    assert_int_equal(plan_text(&plan, &text, &e), 0);
    if (plan_parse(&again, "plan", text.data, text.length, &e)) fail_msg("%s", e.text);
    text_free(&text);
}

/* Another length, by a user or by train: warm-up and averaging follow, unless they are a user's. */
static void warmup_and_averaging_follow_the_length(void **state)
{
    (void)state;
    Plan plan, own;
    Err e = {0};
    of_fp32 = (StepTime){0.01, 2e-6};
    plan_images(&plan, 64);
    assert_int_equal(choose(&plan, 10, 8, false, NULL, &e), 0);
    own = plan;
    own.training.warmup_iterations = 7;
    const double before = iterations(&plan);
    plan.training.epochs = own.training.epochs = 4;
    plan.training.iterations_per_epoch = own.training.iterations_per_epoch = 50;
    recipe_follow_length(&plan, before);
    assert_int_equal(plan.training.warmup_iterations, 10);
    assert_float_equal(plan.training.weight_averaging, 0.9, 1e-9);
    assert_non_null(strstr(plan.training.reasons, "; changed to 200"));
    recipe_follow_length(&own, before);
    assert_int_equal(own.training.warmup_iterations, 7);
    own.training.recipe = RECIPE_PAPER;
    own.training.minutes = 0;
    own.training.epochs = 8;
    const Plan kept = own;
    recipe_follow_length(&own, 200);
    assert_memory_equal(&own, &kept, sizeof own);
}

/* Nothing of the recipe time is left in another one but the size of its steps. */
/* Its authors freeze it for 10 of 1000 epochs: too many of 20. */
static void a_pretrained_encoder_is_frozen_for_one_epoch(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    of_fp32 = (StepTime){0.01, 2e-6};
    plan_images(&plan, 64);
    plan_choose_network(&plan, "swin_umamba");
    assert_int_equal(plan.training.freeze_encoder_epochs, 10);
    assert_int_equal(choose(&plan, 10, 8, false, NULL, &e), 0);
    assert_int_equal(plan.training.freeze_encoder_epochs, 1);
}

static void a_recipe_is_left(void **state)
{
    (void)state;
    Plan plan, paper;
    Err e = {0};
    of_fp32 = of_bf16 = (StepTime){0.01, 2e-6};
    of_bf16.pixel /= 2;
    plan_images(&plan, 64);
    plan.original_median_shape[0] = 30;
    for (int i = 0; i < 3; i++) plan.original_median_spacing_mm[i] = 1;
    paper = plan;
    paper.training.recipe = RECIPE_PAPER;
    assert_int_equal(choose(&plan, 10, 8, true, NULL, &e), 0);
    assert_int_equal(plan.training.precision, PRECISION_BF16);
    recipe_leave(&plan);
    plan.training.recipe = RECIPE_PAPER;
    assert_int_equal(recipe_choose(&plan, NULL, &e), 0);
    plan.configuration.batch_size = paper.configuration.batch_size;
    Text differences = {0};
    if (plan_differences(&differences, &paper, &plan, &e)) fail_msg("%s", differences.data);
}

static void bf16_is_taken_where_it_is_faster(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    of_fp32 = (StepTime){0.01, 2e-6};
    const struct {
        double pixel;
        bool has;
        PlanPrecision expected;
    } cases[] = {{1e-6, true, PRECISION_BF16}, {1.95e-6, true, PRECISION_FP32}, {1e-6, false, PRECISION_FP32}};
    for (int i = 0; i < 3; i++) {
        of_bf16 = (StepTime){0.01, cases[i].pixel};
        plan_images(&plan, 64);
        assert_int_equal(choose(&plan, 10, 8, cases[i].has, NULL, &e), 0);
        assert_int_equal(plan.training.precision, cases[i].expected);
    }
}

static void memory_limits_the_batch(void **state)
{
    (void)state;
    Plan wide, tight;
    Err e = {0};
    of_fp32 = (StepTime){0.001, 1e-8};
    plan_images(&wide, 128);
    plan_images(&tight, 128);
    assert_int_equal(choose(&wide, 10, 64, false, NULL, &e), 0);
    assert_int_equal(choose(&tight, 10, 1, false, NULL, &e), 0);
    assert_true(tight.configuration.batch_size < wide.configuration.batch_size);
    plan_images(&tight, 1024);
    assert_int_equal(choose(&tight, 10, 0.5, false, NULL, &e), 0);
    assert_true(tight.configuration.patch_size[0] >= 128 && tight.configuration.patch_size[0] < 1024);
    assert_non_null(strstr(tight.training.reasons, "(planned 1024x1024) do not fit into 0.5 GiB"));
    plan_images(&tight, 128);
    assert_int_equal(choose(&tight, 10, 0.001, false, NULL, &e), ERR_VALUE);
    assert_says(&e, "does not fit into 0.001 GiB");
}

/* What was measured is not measured again. */
static void a_choice_is_repeated(void **state)
{
    (void)state;
    Plan first, second;
    Err e = {0};
    MadeFrom measured = {0};
    of_fp32 = (StepTime){0.01, 2e-6};
    measurements = 0;
    plan_images(&first, 64);
    plan_images(&second, 64);
    assert_int_equal(choose(&first, 10, 8, false, &measured, &e), 0);
    assert_int_equal(measurements, 1);
    of_fp32 = (StepTime){0.1, 9e-6};
    assert_int_equal(choose(&second, 10, 8, false, &measured, &e), 0);
    assert_int_equal(measurements, 1);
    assert_int_equal(memcmp(&first.training, &second.training, sizeof first.training), 0);
    made_from_free(&measured);
}

/* A time that was measured now and the same time when it is kept give the same plan: it is rounded before it is used. */
static void a_kept_time_is_the_measured_one(void **state)
{
    (void)state;
    const double times[] = {2.349996e-6, 2.350004e-6};
    for (int i = 0; i < 2; i++) {
        Plan first, second;
        Err e = {0};
        MadeFrom measured = {0};
        of_fp32 = (StepTime){0.01, times[i]};
        of_bf16 = (StepTime){0.01, times[i] / 2};
        plan_images(&first, 64);
        plan_images(&second, 64);
        assert_int_equal(choose(&first, 10, 8, true, &measured, &e), 0);
        assert_int_equal(choose(&second, 10, 8, true, &measured, &e), 0);
        assert_non_null(strstr(first.training.reasons, "in fp32"));
        assert_string_equal(first.training.reasons, second.training.reasons);
        assert_int_equal(memcmp(&first.training, &second.training, sizeof first.training), 0);
        made_from_free(&measured);
    }
}

/* Whatever changes the time of a step is measured by itself. */
static void another_step_is_measured(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    MadeFrom measured = {0};
    of_fp32 = (StepTime){0.01, 2e-6};
    const RecipeTask task = {
        .dataset = &dataset, .device = device_cpu(), .threads = 2, .measured = &measured, .step_time = given_time};
    plan_images(&plan, 64);
    assert_int_equal(choose(&plan, 10, 8, false, &measured, &e), 0);
    plan.training.deep_supervision = SWITCH_OFF;
    measurements = 0;
    assert_int_equal(recipe_length(&plan, &task, &e), 0);
    assert_int_equal(measurements, 1);
    plan.configuration.architecture.n_conv_per_stage[1]++;
    assert_int_equal(recipe_length(&plan, &task, &e), 0);
    assert_int_equal(measurements, 2);
    plan.configuration.architecture.features_per_stage[2] *= 2;
    assert_int_equal(recipe_length(&plan, &task, &e), 0);
    assert_int_equal(measurements, 3);
    assert_int_equal(recipe_length(&plan, &task, &e), 0);
    assert_int_equal(measurements, 3);
    made_from_free(&measured);
}

/* Values that were changed after recipe_choose are those that the length is chosen for. */
static void a_batch_of_the_user_changes_the_length(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    of_fp32 = (StepTime){0, 2e-6};
    const RecipeTask task = {
        .dataset = &dataset, .memory_gb = 8, .device = device_cpu(), .threads = 2, .step_time = given_time};
    plan_images(&plan, 64);
    assert_int_equal(choose(&plan, 10, 8, false, NULL, &e), 0);
    const double before = iterations(&plan);
    plan.configuration.batch_size *= 2;
    assert_int_equal(recipe_length(&plan, &task, &e), 0);
    assert_true(fabs(iterations(&plan) / before - 0.5) < 0.05);
}

static void other_recipes_are_those_of_their_authors(void **state)
{
    (void)state;
    Plan plan, paper;
    Err e = {0};
    const RecipeTask task = {
        .dataset = &dataset, .memory_gb = 8, .device = device_cpu(), .threads = 2, .step_time = given_time};
    plan_images(&plan, 64);
    plan_choose_network(&plan, "swin_umamba");
    paper = plan;
    plan.training.learning_rate = 7;
    plan.training.recipe = paper.training.recipe = RECIPE_PAPER;
    assert_int_equal(recipe_choose(&plan, &task, &e), 0);
    assert_int_equal(recipe_length(&plan, &task, &e), 0);
    assert_int_equal(memcmp(&plan.training, &paper.training, sizeof plan.training), 0);
    plan.training.recipe = RECIPE_NNUNET;
    assert_int_equal(recipe_choose(&plan, &task, &e), 0);
    assert_int_equal(plan.training.optimizer, OPTIMIZER_SGD);
    assert_float_equal(plan.training.learning_rate, 0.01, 0);
    assert_true(plan.inference.mirroring && plan_deep_supervision(&plan));
    plan.training.recipe = RECIPE_TIME;
    plan.training.minutes = 0;
    assert_int_equal(recipe_choose(&plan, &task, &e), ERR_VALUE);
    assert_says(&e, "give --minutes");
}

static void networks_get_narrower_to_a_quarter(void **state)
{
    (void)state;
    Plan plan;
    const char *const names[] = {"nnunet", "swin_umamba_d"};
    for (int i = 0; i < 2; i++) {
        plan_images(&plan, 64);
        plan_choose_network(&plan, names[i]);
        assert_true(smaller_width(&plan));
        assert_true(smaller_width(&plan));
        assert_false(smaller_width(&plan));
    }
    plan_choose_network(&plan, "unetr");
    assert_false(smaller_width(&plan));
}

/* Each patch is one that the network takes. */
static void patches_are_halved_to_a_limit(void **state)
{
    (void)state;
    Plan plan;
    Err e = {0};
    for (int i = 0; i < 2; i++) {
        bool done = true;
        int count = 0;
        plan_images(&plan, 600);
        if (i) plan_choose_network(&plan, "swin_umamba_d");
        for (; done; count++) {
            assert_int_equal(smaller_patch(&plan, &done, &e), 0);
            assert_int_equal(plan_check(&plan, &e), 0);
        }
        assert_int_equal(count, 3);
        assert_true(plan.configuration.patch_size[0] >= 128 && plan.configuration.patch_size[0] < 256);
    }
}

/* A small step that was disturbed does not make large ones cheap: a run would take many times its minutes. */
static void a_disturbed_step_is_not_cheap(void **state)
{
    (void)state;
    StepTime time = step_time_between(0.3, 1e5, 0.5, 2e5);
    assert_float_equal(time.fixed, 0.1, 1e-9);
    assert_float_equal(time.pixel, 2e-6, 1e-12);
    time = step_time_between(9, 1e5, 0.4, 2e5);
    assert_float_equal(time.pixel, 0.5e-6, 1e-12);
    assert_float_equal(step_time_of(time, 2, (const int[]){200, 500}), 0.4, 1e-9);
}

/* What cannot be the time of a step is told with what to do. */
static void kept_times_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"abc", "", "1", "0 0", "-1 1", "nan nan", "1 inf"};
    of_fp32 = (StepTime){0.01, 2e-6};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Plan plan;
        Err e = {0};
        MadeFrom measured = {0}, edited = {0};
        plan_images(&plan, 64);
        assert_int_equal(choose(&plan, 10, 8, false, &measured, &e), 0);
        made_from_add(&edited, measured.items[0].key, "%s", wrong[i]);
        plan_images(&plan, 64);
        assert_int_equal(choose(&plan, 10, 8, false, &edited, &e), ERR_FORMAT);
        assert_says(&e, "--overwrite times again");
        made_from_free(&edited);
        made_from_free(&measured);
    }
}

static void steps_are_measured(void **state)
{
    (void)state;
    Plan plan;
    StepTime time;
    Err e = {0};
    plan_images(&plan, 32);
    plan.configuration.architecture.features_per_stage[0] = 2;
    for (int i = 1; i < plan.configuration.architecture.features_count; i++)
        plan.configuration.architecture.features_per_stage[i] = 2;
    plan.training.weight_averaging = 0.9;
    const Device *device = reference_device(&e);
    if (!device) fail_msg("%s", e.text);
    const double begun = clock_seconds();
    if (step_time_measure(&time, &plan, &dataset, DTYPE_F32, device, &e)) fail_msg("%s", e.text);
    const double taken = clock_seconds() - begun; /* on a busy machine as long as you like */
    assert_true(time.pixel > 0 && time.pixel * 32 * 32 < taken);
    assert_true(time.fixed >= 0 && time.fixed < taken);
    assert_true(step_time_of(time, 2, (const int[]){64, 32}) > step_time_of(time, 2, (const int[]){32, 32}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_decides_the_batch),
        cmocka_unit_test(processes_share_the_batch),
        cmocka_unit_test(too_little_time_reduces_patch_and_width),
        cmocka_unit_test(volumes_have_adjacent_slices_and_isotropic_ones_all_axes),
        cmocka_unit_test(adjacent_slices_leave_room_for_channels),
        cmocka_unit_test(very_much_time_stays_in_the_limits_of_a_plan),
        cmocka_unit_test(warmup_and_averaging_follow_the_length),
        cmocka_unit_test(a_pretrained_encoder_is_frozen_for_one_epoch),
        cmocka_unit_test(a_recipe_is_left),
        cmocka_unit_test(bf16_is_taken_where_it_is_faster),
        cmocka_unit_test(memory_limits_the_batch),
        cmocka_unit_test(a_choice_is_repeated),
        cmocka_unit_test(a_kept_time_is_the_measured_one),
        cmocka_unit_test(another_step_is_measured),
        cmocka_unit_test(a_batch_of_the_user_changes_the_length),
        cmocka_unit_test(other_recipes_are_those_of_their_authors),
        cmocka_unit_test(networks_get_narrower_to_a_quarter),
        cmocka_unit_test(patches_are_halved_to_a_limit),
        cmocka_unit_test(a_disturbed_step_is_not_cheap),
        cmocka_unit_test(kept_times_are_checked),
        cmocka_unit_test(steps_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
