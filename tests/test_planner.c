/* planner/: sampling and statistics against simple implementations, topologies, memory, stamps, pictures, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "network/models/unet_topology.h"
#include "pictures/label_colors.h"
#include "planner/case_loop.h"
#include "planner/contact_sheet.h"
#include "planner/experiment_planner.h"
#include "planner/intensities.h"
#include "planner/order_statistics.h"
#include "planner/origins.h"
#include "planner/outputs.h"
#include "plans/splits.h"
#include "preprocess/case_settings.h"
#include "tests/support/folder.h"
#include "tests/support/says.h"
#include "tests/support/team.h"

/* ---- order statistics ---- */

static void percentiles_round_as_numpy(void **state)
{
    (void)state;
    /* numpy.percentile([.1, .2, .4, .7], [0, 10, 50, 99.5, 100]) */
    static const double v[] = {.1, .2, .4, .7}, percents[] = {0, 10, 50, 99.5, 100};
    static const double expected[] = {.1, .13, .30000000000000004, .6954999999999999, .7};
    for (int i = 0; i < 5; i++) assert_true(sorted_percentile(v, 4, percents[i]) == expected[i]);
    assert_true(sorted_median(v, 4) == .30000000000000004);
    assert_true(sorted_median(v, 3) == .2);
    assert_true(sorted_percentile(v, 1, 99.5) == .1);
}

/* ---- sampling ---- */

static void draws_are_numpys(void **state)
{
    (void)state;
    static const int64_t populations[] = {1, 2, 3, 37, 64, 65, 1000, 70000};
    DrawStream *stream = mem_alloc(sizeof *stream, NULL);
    for (size_t p = 0; p < sizeof populations / sizeof *populations; p++) {
        const int64_t n = populations[p], draws = 30000;
        const size_t places = (size_t)mt_mask((uint32_t)(n - 1)) + 1;
        uint32_t *counts = mem_zalloc(places, sizeof *counts, NULL);
        uint32_t *expected = mem_zalloc(places, sizeof *expected, NULL);
        Mt19937 m;
        mt_seed(&m, 1234);
        draw_begin(stream);
        for (int channel = 0; channel < 2; channel++) { /* the second goes on in the same stream */
            memset(counts, 0, places * sizeof *counts);
            memset(expected, 0, places * sizeof *expected);
            draw_counts(stream, n, draws, counts);
            for (int64_t i = 0; i < draws; i++) expected[mt_bounded(&m, (uint32_t)(n - 1))]++;
            assert_memory_equal(counts, expected, (size_t)n * sizeof *counts);
        }
        mem_free(counts);
        mem_free(expected);
    }
    mem_free(stream);
}

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Statistics of a list that contains each value as often as it was drawn. */
static void statistics_equal_the_list(void **state)
{
    (void)state;
    enum { N = 700, MOST = N * 5 };
    float values[N], *list = mem_alloc(MOST * sizeof *list, NULL);
    uint32_t counts[N];
    Rng rng = rng_make(1, 0, 0, 0, RNG_TEST);
    PoolChannel pool;
    Moments all = {0};
    int drawn = 0;
    double sum = 0, squares = 0, percentiles[3];
    assert_int_equal(pool_new(&pool, NULL), 0);
    for (int i = 0; i < N; i++) {
        values[i] = i % 50 ? (float)(rng_normal(&rng) * 100) : i % 100 ? 0.0f : -0.0f;
        counts[i] = rng_below(&rng, 5);
        for (uint32_t k = 0; k < counts[i]; k++) list[drawn++] = values[i];
    }
    for (int part = 0; part < 7; part++) { /* as cases would */
        all = moments_join(all, moments_of_draws(values + part * 100, counts + part * 100, 100));
        assert_int_equal(pool_add(&pool, values + part * 100, counts + part * 100, 100, NULL), 0);
    }
    qsort(list, (size_t)drawn, sizeof *list, compare_floats);
    for (int i = 0; i < drawn; i++) sum += list[i];
    for (int i = 0; i < drawn; i++) squares += (list[i] - sum / drawn) * (list[i] - sum / drawn);
    assert_true(all.count == drawn && all.low == list[0] && all.high == list[drawn - 1]);
    assert_true(fabs(all.mean - sum / drawn) < 1e-10);
    assert_true(fabs(all.squares / squares - 1) < 1e-12);
    assert_false(pool_needs_second_pass(&pool));
    pool_percentiles(&pool, false, percentiles);
    static const double percents[] = {0.5, 50, 99.5};
    for (int i = 0; i < 3; i++) {
        const PercentileRank r = percentile_rank(drawn, percents[i]);
        const double a = list[r.low], b = list[r.high];
        assert_true(percentiles[i] == percentile_between(a, b, b - a, r.part));
    }
    pool_free(&pool);
    mem_free(list);
}

/* More distinct values than the pool will hold: a second pass gives the same percentiles. */
static void many_values_take_a_second_pass(void **state)
{
    (void)state;
    enum { N = 2500000 };
    float *values = mem_alloc(N * sizeof *values, NULL);
    uint32_t *counts = mem_alloc(N * sizeof *counts, NULL);
    PoolChannel pool;
    double percentiles[3];
    assert_int_equal(pool_new(&pool, NULL), 0);
    for (int i = 0; i < N; i++) {
        values[i] = (float)((int64_t)i * 1999993 % N) - 1000000; /* a permutation */
        counts[i] = 1;
    }
    assert_int_equal(pool_add(&pool, values, counts, N, NULL), 0);
    assert_true(pool_needs_second_pass(&pool));
    pool_begin_second_pass(&pool);
    for (int part = 0; part < 5; part++)
        assert_int_equal(pool_add(&pool, values + part * (N / 5), counts, N / 5, NULL), 0);
    assert_false(pool_needs_second_pass(&pool));
    pool_percentiles(&pool, false, percentiles);
    assert_true(fabs(percentiles[0] - ((N - 1) * 0.005 - 1000000)) < 1e-6);
    assert_true(percentiles[1] == (N - 1) * 0.5 - 1000000);
    assert_true(fabs(percentiles[2] - ((N - 1) * 0.995 - 1000000)) < 1e-6);
    pool_free(&pool);
    mem_free(values);
    mem_free(counts);
}

/* As other processes would: the pools of two parts of the values, joined as bytes. */
static void join_parts(PoolChannel *pool, const float *values, const uint32_t *counts, int n)
{
    for (int part = 0; part < 2; part++) {
        PoolChannel own;
        Text bytes = {0};
        const int first = part ? n / 3 : 0, count = part ? n - n / 3 : n / 3;
        assert_int_equal(pool_new(&own, NULL), 0);
        if (pool->selective) {
            pool_pack_wanted(&bytes, pool);
            pool_take_wanted(&own, bytes.data);
            text_free(&bytes);
        }
        assert_int_equal(pool_add(&own, values + first, counts + first, count, NULL), 0);
        pool_pack(&bytes, &own);
        const char *at = bytes.data;
        assert_int_equal(pool_join(pool, &at, NULL), 0);
        assert_ptr_equal(at, bytes.data + bytes.length);
        text_free(&bytes);
        pool_free(&own);
    }
}

static void joined_pools_are_like_one(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) { /* all values of the second need another pass; those of a part do not */
        const int n = large ? 3000000 : 3000;
        float *values = mem_alloc((size_t)n * sizeof *values, NULL);
        uint32_t *counts = mem_alloc((size_t)n * sizeof *counts, NULL);
        PoolChannel pools[2]; /* of one process; of several */
        double percentiles[2][3];
        for (int i = 0; i < n; i++) {
            values[i] = (float)((int64_t)i * 1999993 % n) - 1000;
            counts[i] = 1 + (uint32_t)(i % 3);
        }
        for (int k = 0; k < 2; k++) {
            assert_int_equal(pool_new(&pools[k], NULL), 0);
            for (int pass = 0; pass < 2; pass++) {
                if (k) join_parts(&pools[k], values, counts, n);
                else assert_int_equal(pool_add(&pools[k], values, counts, n, NULL), 0);
                if (pass || !pool_needs_second_pass(&pools[k])) break;
                pool_begin_second_pass(&pools[k]);
            }
            assert_int_equal(pools[k].selective, large);
            assert_int_equal(pools[k].draws, pools[0].draws);
            pool_percentiles(&pools[k], true, percentiles[k]);
        }
        assert_memory_equal(percentiles[0], percentiles[1], sizeof percentiles[0]);
        for (int k = 0; k < 2; k++) pool_free(&pools[k]);
        mem_free(values);
        mem_free(counts);
    }
}

/* A channel with few values takes part in the second pass of another one. */
static void few_values_are_not_counted_twice(void **state)
{
    (void)state;
    enum { N = 1000 };
    float values[N];
    uint32_t counts[N];
    double percentiles[2][3];
    for (int i = 0; i < N; i++) {
        values[i] = 1 + (float)i / N; /* many in one row of the table */
        counts[i] = 1;
    }
    for (int passes = 1; passes <= 2; passes++) {
        PoolChannel pool;
        assert_int_equal(pool_new(&pool, NULL), 0);
        assert_int_equal(pool_add(&pool, values, counts, N, NULL), 0);
        if (passes > 1) {
            pool_begin_second_pass(&pool);
            assert_int_equal(pool_add(&pool, values, counts, N, NULL), 0);
        }
        pool_percentiles(&pool, true, percentiles[passes - 1]);
        pool_free(&pool);
    }
    assert_memory_equal(percentiles[0], percentiles[1], sizeof percentiles[0]);
}

/* ---- planning ---- */

static void topologies_follow_the_rules(void **state)
{
    (void)state;
    static const struct {
        double mm[2], size[2];
        int stages, patch[2], last_stride[2], first_kernel[2];
    } cases[] = {
        {{1, 1}, {50.5, 36}, 4, {56, 40}, {2, 2}, {3, 3}},
        {{1, 1}, {320, 320}, 7, {320, 320}, {2, 2}, {3, 3}},
        {{1, 1}, {11, 7}, 1, {11, 7}, {1, 1}, {3, 3}}, /* only one axis needs 12 */
        {{1, 1}, {12, 7}, 2, {12, 7}, {2, 1}, {3, 3}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        UnetTopology t;
        assert_int_equal(unet_topology(&t, cases[i].mm, cases[i].size, NULL), 0);
        for (int axis = 0; axis < 2; axis++) assert_int_equal(t.patch[axis] % t.divisor[axis], 0);
        assert_int_equal(t.stages, cases[i].stages);
        assert_memory_equal(t.patch, cases[i].patch, sizeof t.patch);
        assert_memory_equal(t.strides[t.stages - 1], cases[i].last_stride, sizeof t.strides[0]);
        assert_memory_equal(t.kernels[0], cases[i].first_kernel, sizeof t.kernels[0]);
    }
    UnetTopology t;
    Err e = {0};
    /* The coarse axis is pooled only in later stages, with kernels of 1 before. */
    assert_int_equal(unet_topology(&t, (const double[]){3, 1}, (const double[]){64, 64}, NULL), 0);
    assert_true(t.strides[1][0] == 1 && t.strides[1][1] == 2 && t.kernels[0][0] == 1 && t.kernels[0][1] == 3);
    assert_true(t.strides[2][0] == 2 && t.kernels[1][0] == 3);
    assert_int_equal(unet_topology(&t, (const double[]){1, 1}, (const double[]){1e6, 1e6}, &e), ERR_VALUE);
    assert_says(&e, "stages");
}

static void feature_maps_are_counted(void **state)
{
    (void)state;
    UnetTopology t;
    assert_int_equal(unet_topology(&t, (const double[]){1, 1}, (const double[]){16, 16}, NULL), 0);
    assert_int_equal(t.stages, 3);
    /* Encoder 2, decoder 3 convolutions at each size, and the head. */
    const double expected = 5 * 32 * 256 + 5 * 64 * 64 + 2 * 128 * 16 + 3 * 256;
    assert_true(unet_feature_map_size(&t, false, 3) == expected);
}

enum { BYTES_PER_PIXEL = 100000 };

static int64_t pretend_bytes(const Plan *plan, const DatasetInfo *info, const TrainingSetup *setup, Err *e)
{
    (void)e;
    assert_string_equal(plan->network.name, "swin_umamba_d");
    assert_int_equal(dataset_head_count(info), 3);
    return 50000000 + (int64_t)setup->batch * setup->patch_yx[0] * setup->patch_yx[1] * BYTES_PER_PIXEL;
}

static int64_t fail_bytes(const Plan *plan, const DatasetInfo *info, const TrainingSetup *setup, Err *e)
{
    (void)plan, (void)info, (void)setup;
    return err_set(e, ERR_SHAPE, "no such network");
}

static const int none[] = {0}, one[] = {1}, two[] = {2};
static const DatasetLabel labels[] = {{"background", none, 1, false}, {"a", one, 1, false}, {"b", two, 1, false}};
static const char *const channel_names[] = {"ct", "T1"};

static DatasetInfo info_of(int64_t cases)
{
    return (DatasetInfo){.file_ending = ".nii.gz",
                         .num_training = cases,
                         .channel_count = 2,
                         .max_value = 2,
                         .channel_names = channel_names,
                         .label_count = 3,
                         .labels = labels,
                         .ignore_value = -1};
}

static int plan_images(Plan *plan, int64_t cases, int side, double gb, TrainingBytes *bytes, Text *explain, Err *e)
{
    double spacing_mm[1][3] = {{5, 1, 1}};
    int shape[1][3] = {{40, side, side + 20}};
    const DatasetInfo info = info_of(cases);
    IntensityProperties intensities[2] = {{.std = 1}, {.std = 1}};
    const Fingerprint f = {.case_count = 1,
                           .spacings_mm = spacing_mm,
                           .shapes_after_crop = shape,
                           .median_relative_size_after_cropping = 0.5,
                           .channel_count = 2,
                           .intensities = intensities};
    plan_defaults(plan);
    return plan_experiment(plan, &(PlannerInput){&info, &f, "Dataset001_X", gb, bytes, NULL}, explain, e);
}

static void batches_come_from_the_memory_plan(void **state)
{
    (void)state;
    Plan plan;
    Text explain = {0};
    const PlanConfiguration *c = &plan.configuration;
    assert_int_equal(plan_images(&plan, 100, 300, 8, pretend_bytes, &explain, NULL), 0);
    assert_int_equal(c->patch_size[0] % 32 + c->patch_size[1] % 32, 0);
    const double pixels = (double)c->patch_size[0] * c->patch_size[1];
    const double fits = floor((8.0 * (1 << 30) - 50000000) / (pixels * BYTES_PER_PIXEL));
    assert_true(c->batch_size == fits || fits < 2);
    assert_int_equal(plan_check(&plan, NULL), 0);
    assert_non_null(strstr(explain.data, "memory plan of swin_umamba_d"));
    text_free(&explain);

    /* So little memory that the patch must be smaller. */
    assert_int_equal(plan_images(&plan, 100, 300, 2, pretend_bytes, NULL, NULL), 0);
    assert_int_equal(c->batch_size, 2);
    assert_true(50000000.0 + 2.0 * c->patch_size[0] * c->patch_size[1] * BYTES_PER_PIXEL <= 2.0 * (1 << 30));
    /* So much memory that 5 % of the voxels are the limit. */
    assert_int_equal(plan_images(&plan, 10, 60, 1000, pretend_bytes, NULL, NULL), 0);
    assert_int_equal(c->batch_size, (int)nearbyint(40.0 * 60 * 80 * 10 * 0.05 / (c->patch_size[0] * c->patch_size[1])));
    Err e = {0};
    assert_int_equal(plan_images(&plan, 10, 60, 0.01, pretend_bytes, NULL, &e), ERR_VALUE);
    assert_says(&e, "--memory-target");
    assert_int_equal(plan_images(&plan, 10, 60, 8, fail_bytes, NULL, &e), ERR_SHAPE);
    assert_says(&e, "memory plan of swin_umamba_d: no such network");
}

static void recomputation_leaves_room_for_larger_batches(void **state)
{
    (void)state;
    Plan plan;
    const DatasetInfo info = info_of(10);
    assert_int_equal(plan_images(&plan, 10, 60, 8, NULL, NULL, NULL), 0);
    const int64_t kept = training_memory(&plan, &info, &(TrainingSetup){2, {256, 256}, DTYPE_F32, NULL}, NULL);
    plan.training.recompute = true;
    const int64_t again = training_memory(&plan, &info, &(TrainingSetup){4, {256, 256}, DTYPE_F32, NULL}, NULL);
    assert_true(again > 0 && again < kept);
}

static void schemes_follow_the_channel_names(void **state)
{
    (void)state;
    Plan plan;
    assert_int_equal(plan_images(&plan, 10, 60, 8, NULL, NULL, NULL), 0);
    assert_int_equal(plan.configuration.normalization_schemes[0], NORMALIZE_CT);
    assert_int_equal(plan.configuration.normalization_schemes[1], NORMALIZE_ZSCORE);
    assert_false(plan.configuration.use_mask_for_norm[0]);
    assert_true(plan.configuration.use_mask_for_norm[1]);
    assert_string_equal(plan.dataset_name, "Dataset001_X");
    assert_string_equal(plan.image_reader_writer, "SimpleITKIO");

    /* The older planner is case-sensitive: "ct" is not CT. */
    double spacing_mm[1][3] = {{5, 1, 1}};
    int shape[1][3] = {{40, 60, 80}};
    const DatasetInfo info = info_of(10);
    const Fingerprint f = {.case_count = 1, .spacings_mm = spacing_mm, .shapes_after_crop = shape};
    plan_defaults(&plan);
    plan.compatibility = COMPATIBILITY_NNUNET_2_1;
    assert_int_equal(plan_experiment(&plan, &(PlannerInput){&info, &f, "X", 8, NULL, NULL}, NULL, NULL), 0);
    assert_int_equal(plan.configuration.normalization_schemes[0], NORMALIZE_ZSCORE);
}

/* ---- loops, stamps, files ---- */

static int note_index(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    (void)context;
    fault_add(faults, FAULT_WARNING, "%d %s", index, c->id);
    return index == 90 ? err_set(e, ERR_VALUE, "the ninetieth") : 0;
}

static void loops_keep_the_order_of_cases(void **state)
{
    (void)state;
    enum { CASES = 100 };
    Case cases[CASES];
    char ids[CASES][16], expected[32];
    for (int i = 0; i < CASES; i++) {
        snprintf(ids[i], sizeof ids[i], "c%d", i);
        cases[i] = (Case){.id = ids[i]};
    }
    const Dataset d = {.training = {cases, 80}}, failing = {.training = {cases, CASES}};
    FaultList faults = {0};
    Err e = {0};
    assert_int_equal(for_each_case(&d, note_index, NULL, TEAM, NULL, NULL, &faults, &e), 0);
    assert_int_equal(faults.count, 80);
    for (int i = 0; i < 80; i++) {
        snprintf(expected, sizeof expected, "%d c%d", i, i);
        assert_string_equal(faults.faults[i].text, expected);
    }
    assert_int_equal(for_each_case(&failing, note_index, NULL, TEAM, NULL, NULL, &faults, &e), ERR_VALUE);
    assert_string_equal(e.text, "case c90: the ninetieth");
    faults_free(&faults);
}

static void lack_of_memory_is_no_fault_of_a_case(void **state)
{
    (void)state;
    FaultList own = {0}, all = {0};
    Err wrong = {ERR_FORMAT, "damaged"}, e = {0};
    fault_add_failure(&own, "a", &wrong);
    faults_move(&all, &own);
    assert_int_equal(faults_expect_memory(&all, &e), 0);
    assert_int_equal(faults_check(&all, &e), ERR_VALUE);
    assert_string_equal(e.text, "case a: damaged");
    wrong = (Err){ERR_NOMEM, "out of memory: 5 bytes could not be allocated"};
    fault_add_failure(&own, "b", &wrong);
    faults_move(&all, &own);
    assert_string_equal(all.faults[1].text, "case b: out of memory: 5 bytes could not be allocated");
    assert_int_equal(faults_expect_memory(&all, &e), ERR_NOMEM);
    assert_int_equal(faults_check(&all, &e), ERR_NOMEM);
    faults_free(&all);
}

/* Whether the case's list differs from `before`, which it becomes. */
static bool changes(MadeFrom *before, const Dataset *d, const Plan *plan)
{
    Origins origins;
    MadeFrom settings = {0}, now;
    Err e = {0};
    assert_int_equal(origins_read(&origins, d, 1, NULL, NULL, &e), 0);
    case_settings_add(&settings, plan, &d->info);
    origins_of_case(&now, &origins, 0, &settings);
    assert_int_equal(made_from_check(&now, &e), 0);
    const bool same = made_from_same(before, &now);
    made_from_free(before);
    *before = now;
    made_from_free(&settings);
    origins_free(&origins);
    return !same;
}

/* Another content of the same size and the same times. */
static void correct_unseen(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(file_put(path, "abd", 3, NULL), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, (const struct timespec[]){info.st_atim, info.st_mtim}, 0), 0);
}

static void origins_change_with_content_and_plan(void **state)
{
    (void)state;
    char image[256], label[256], *images[] = {image};
    Case c = {.id = "c", .images = images, .image_count = 1, .label = label};
    const Dataset d = {.folder = folder, .info = info_of(1), .training = {&c, 1}};
    Plan plan;
    MadeFrom before = {0};
    Origins origins;
    Err e = {0};
    plan_defaults(&plan);
    snprintf(image, sizeof image, "%s", in_folder("c_0000.nii.gz"));
    snprintf(label, sizeof label, "%s", in_folder("c.nii.gz"));
    assert_int_equal(origins_read(&origins, &d, 1, NULL, NULL, &e), 0); /* no failure yet: all faults in one run */
    assert_int_equal(made_from_check(&origins.cases[0], &e), ERR_IO);
    assert_says(&e, "c_0000.nii.gz");
    origins_free(&origins);
    assert_int_equal(file_put(image, "abc", 3, NULL) | file_put(label, "abc", 3, NULL), 0);
    assert_int_equal(plan_images(&plan, 10, 60, 8, NULL, NULL, NULL), 0);
    plan.configuration.normalization_schemes[0] = NORMALIZE_ZSCORE;
    assert_true(changes(&before, &d, &plan));
    assert_false(changes(&before, &d, &plan));
    plan.configuration.batch_size++; /* not used in preprocessing */
    plan.intensities[0].mean++;      /* not used for a channel that is not CT */
    assert_false(changes(&before, &d, &plan));
    plan.configuration.spacing_mm[1] *= 1.0000001;
    assert_true(changes(&before, &d, &plan));
    correct_unseen(label);
    assert_true(changes(&before, &d, &plan));
    plan.configuration.normalization_schemes[0] = NORMALIZE_CT;
    assert_true(changes(&before, &d, &plan));
    plan.intensities[0].mean++;
    assert_true(changes(&before, &d, &plan));
    plan.compatibility = COMPATIBILITY_NNUNET_2_1;
    assert_true(changes(&before, &d, &plan));
    made_from_free(&before);
}

static void settings_that_differ_are_named(void **state)
{
    (void)state;
    const DatasetInfo info = info_of(1);
    Plan plan;
    MadeFrom then = {0}, now = {0};
    Text text = {0};
    plan_defaults(&plan);
    assert_int_equal(plan_images(&plan, 10, 60, 8, NULL, NULL, NULL), 0);
    plan.configuration.spacing_mm[0] = plan.configuration.spacing_mm[1] = 1;
    plan.configuration.normalization_schemes[0] = NORMALIZE_ZSCORE;
    made_from_add(&then, "image 0", "0123");
    case_settings_add(&then, &plan, &info);
    plan.configuration.spacing_mm[0] = 2.5;
    plan.configuration.normalization_schemes[0] = NORMALIZE_NONE;
    case_settings_add(&now, &plan, &info);
    assert_int_equal(case_settings_differ(&text, &then, &now), 2);
    assert_string_equal(text.data,
                        "plan spacing: [1.0, 1.0], now [2.5, 1.0]; plan normalization_schemes: "
                        "[ZScoreNormalization, ZScoreNormalization], now [NoNormalization, ZScoreNormalization]");
    text_free(&text);
    made_from_free(&then);
    made_from_free(&now);
}

/* The slice with the most foreground, contours in the labels' colours, the right proportions. */
static void sheets_show_the_contours(void **state)
{
    (void)state;
    Canvas tile;
    CaseData data = {.image.geometry = {.dimensions = 3, .shape_zyx = {3, 20, 20}, .spacing_zyx_mm = {5, 1, 2}}};
    assert_int_equal(canvas_new(&tile, CONTACT_TILE, CONTACT_TILE, (Color){0, 0, 0}, NULL), 0);
    assert_int_equal(array_new(&data.image.voxels, DTYPE_F32, 4, (const int64_t[]){1, 3, 20, 20}, NULL), 0);
    assert_int_equal(array_new(&data.labels, DTYPE_I16, 3, (const int64_t[]){3, 20, 20}, NULL), 0);
    for (int i = 0; i < 400; i++) {
        ((float *)data.image.voxels.data)[400 + i] = (float)(i % 20);
        ((int16_t *)data.labels.data)[400 + i] = i / 20 >= 5 && i / 20 < 15 && i % 20 >= 5 && i % 20 < 15;
    }
    assert_int_equal(contact_tile(&tile, 0, 0, &data, NULL), 0);
    const int width = CONTACT_TILE - 4, height = width / 2;
    const Color color = label_color(1);
    int contour = 0, lit = 0;
    for (int y = 0; y < CONTACT_TILE; y++)
        for (int x = 0; x < CONTACT_TILE; x++) {
            const uint8_t *pixel = tile.pixels + 3 * (y * CONTACT_TILE + x);
            contour += pixel[0] == color.r && pixel[1] == color.g && pixel[2] == color.b;
            lit += pixel[0] > 0;
            assert_true((x < width && y < height) || !pixel[0]);
            assert_true(pixel[0] == pixel[1] || (x >= width / 4 - 1 && x <= 3 * width / 4 && y >= height / 4 - 1));
        }
    assert_true(abs(contour - (width + height)) < 12); /* once around half the width, half the height */
    assert_true(lit > width * height * 8 / 10);
    case_data_free(&data);
    canvas_free(&tile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_round_as_numpy),
        cmocka_unit_test(draws_are_numpys),
        cmocka_unit_test(statistics_equal_the_list),
        cmocka_unit_test(many_values_take_a_second_pass),
        cmocka_unit_test(joined_pools_are_like_one),
        cmocka_unit_test(few_values_are_not_counted_twice),
        cmocka_unit_test(topologies_follow_the_rules),
        cmocka_unit_test(feature_maps_are_counted),
        cmocka_unit_test(batches_come_from_the_memory_plan),
        cmocka_unit_test(recomputation_leaves_room_for_larger_batches),
        cmocka_unit_test(schemes_follow_the_channel_names),
        cmocka_unit_test(loops_keep_the_order_of_cases),
        cmocka_unit_test(lack_of_memory_is_no_fault_of_a_case),
        cmocka_unit_test(origins_change_with_content_and_plan),
        cmocka_unit_test(settings_that_differ_are_named),
        cmocka_unit_test(sheets_show_the_contours),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
