/* inference/predictor.h: official results, several folds, several threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/half.h"
#include "base/memory.h"
#include "inference/fold_networks.h"
#include "inference/predictor.h"
#include "tests/support/exists.h"
#include "tests/support/gold.h"
#include "tests/support/says.h"

#define FILES gold_path("swin_umamba/files")

enum { HEIGHT = 64, WIDTH = 96, CLASSES = 3 };

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[256];
    Err e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_put(path, text, strlen(text), &e), 0);
}

/* A results folder as the official trainers write it; every fold's checkpoint is that file. */
static void make_results(char *folder, const char *checkpoint, int folds)
{
    char path[256];
    Err e = {0};
    snprintf(path, sizeof path, "%s/%s", FILES, checkpoint);
    char *target = realpath(path, NULL);
    assert_non_null(target);
    assert_non_null(mkdtemp(folder));
    write_text(folder, "dataset.json",
               "{\"channel_names\": {\"0\": \"MR\"}, \"labels\": {\"background\": 0, \"c1\": 1, "
               "\"c2\": 2}, \"numTraining\": 4, \"file_ending\": \".png\"}");
    write_text(folder, "plans.json",
               "{\"dataset_name\": \"D\", \"plans_name\": \"nnUNetPlans\", "
               "\"image_reader_writer\": \"NaturalImage2DIO\", \"transpose_forward\": [0, 1, 2], "
               "\"transpose_backward\": [0, 1, 2], \"configurations\": {\"2d\": {\"batch_size\": 4, "
               "\"patch_size\": [64, 96], \"spacing\": [1.0, 1.0], \"normalization_schemes\": "
               "[\"ZScoreNormalization\"], "
               "\"use_mask_for_norm\": [false]}}, \"foreground_intensity_properties_per_channel\": {}}");
    for (int fold = 0; fold < folds; fold++) {
        snprintf(path, sizeof path, "%s/fold_%d", folder, fold);
        assert_int_equal(file_make_folders(path, &e), 0);
        snprintf(path, sizeof path, "%s/fold_%d/checkpoint_final.pth", folder, fold);
        assert_int_equal(symlink(target, path), 0);
    }
    free(target);
}

static void remove_results(const char *folder, int folds)
{
    char path[256];
    for (int fold = 0; fold < folds; fold++) {
        snprintf(path, sizeof path, "%s/fold_%d/checkpoint_final.pth", folder, fold);
        assert_int_equal(unlink(path), 0);
        *strrchr(path, '/') = '\0';
        assert_int_equal(rmdir(path), 0);
    }
    snprintf(path, sizeof path, "%s/plans.json", folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static const CaseProperties one_tile = {{1, HEIGHT, WIDTH}, {{0, 0, 0}, {1, HEIGHT, WIDTH}},
                                        {1, HEIGHT, WIDTH}, {.from = {0, 1, 2}},
                                        {0, 1, 2},          {999, 1, 1}};

static Array tile_of(const Gold *gold)
{
    const Array *x = gold_find(gold, "in.x");
    assert_non_null(x);
    assert_int_equal(array_count(x), HEIGHT * WIDTH);
    return array_view(DTYPE_F32, 4, (int64_t[]){1, HEIGHT, WIDTH, 1}, x->data);
}

/* Probabilities (H,W,classes) are the softmax of the official head (classes,H,W), whose values are allowed an
 * error of 4e-6 of the largest, 8. */
static void compare_with_head(const float *found, const float *head)
{
    double worst = 0;
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        double sum = 0;
        for (int k = 0; k < CLASSES; k++) sum += exp(head[k * HEIGHT * WIDTH + i]);
        for (int k = 0; k < CLASSES; k++)
            worst = fmax(worst, fabs(found[i * CLASSES + k] - exp(head[k * HEIGHT * WIDTH + i]) / sum));
    }
    if (worst > 4e-5) fail_msg("probabilities differ by %g", worst);
}

static void official_results_give_the_official_output(void **state)
{
    (void)state;
    if (!exists(FILES)) skip();
    static const char *const models[] = {"D", "U"};
    for (int m = 0; m < 2; m++) {
        char folder[] = "/tmp/official-XXXXXX", path[128], checkpoint[64];
        Gold gold;
        Predictor *p;
        ProbabilityArray values;
        Array labels;
        Err e = {0};
        snprintf(path, sizeof path, "%s/narrow_%s.gold", FILES, models[m]);
        snprintf(checkpoint, sizeof checkpoint, "narrow_%s_checkpoint_final.pth", models[m]);
        make_results(folder, checkpoint, 1);
        assert_int_equal(gold_open(&gold, path, &e), 0);
        if (predictor_open(&p, folder, &(PredictorOptions){0}, &e)) fail_msg("%s", e.text);
        assert_string_equal(predictor_plan(p)->network.name, m ? "swin_umamba" : "swin_umamba_d");
        const Array tile = tile_of(&gold);
        const ProbabilitySink sink = probability_array_sink(&values, NULL);
        assert_int_equal(predictor_predict_preprocessed(p, &tile, &one_tile, &labels, &sink, &e), 0);
        const Array *head = gold_find(&gold, "out.0");
        assert_non_null(head);
        compare_with_head(values.values.data, head->data);
        array_free(&labels);
        array_free(&values.values);
        predictor_close(p);
        gold_close(&gold);
        remove_results(folder, 1);
    }
}

/* ---- folds ---- */

static void folds_of_one_kind_change_nothing(void **state)
{
    (void)state;
    if (!exists(FILES)) skip();
    char folder[] = "/tmp/folds-XXXXXX", path[128];
    Gold gold;
    Array labels[2];
    Err e = {0};
    make_results(folder, "narrow_D_checkpoint_final.pth", 3);
    snprintf(path, sizeof path, "%s/narrow_D.gold", FILES);
    assert_int_equal(gold_open(&gold, path, &e), 0);
    const Array tile = tile_of(&gold);
    for (int all = 0; all < 2; all++) {
        Predictor *p;
        const PredictorOptions o = {.folds = (int[]){1}, .fold_count = all ? 0 : 1};
        assert_int_equal(predictor_open(&p, folder, &o, &e), 0);
        assert_int_equal(predictor_fold_count(p), all ? 3 : 1);
        assert_int_equal(predictor_predict_preprocessed(p, &tile, &one_tile, &labels[all], NULL, &e), 0);
        predictor_close(p);
    }
    assert_memory_equal(labels[0].data, labels[1].data, array_bytes(&labels[0]));
    const PredictorOptions missing = {.folds = (int[]){4}, .fold_count = 1};
    Predictor *p;
    assert_int_equal(predictor_open(&p, folder, &missing, &e), ERR_VALUE);
    assert_says(&e, "there is no fold_4, only folds 0, 1, 2");
    assert_null(p);
    array_free(&labels[0]);
    array_free(&labels[1]);
    gold_close(&gold);
    remove_results(folder, 3);
}

/* In half precision each sum and the quotient are rounded. */
static void half_folds_are_rounded_one_by_one(void **state)
{
    (void)state;
    enum { FOLDS = 3, HEADS = 2, PIXELS = 50 };
    float logits[PIXELS * FOLDS * HEADS], mean[PIXELS * HEADS];
    for (int i = 0; i < PIXELS * FOLDS * HEADS; i++) logits[i] = half_rounded(9 * sin(1.7 * i));
    fold_mean(mean, logits, PIXELS, FOLDS, HEADS);
    int differs = 0;
    for (int p = 0; p < PIXELS; p++)
        for (int h = 0; h < HEADS; h++) {
            const float *at = logits + (p * FOLDS) * HEADS + h;
            const float first = half_rounded(at[0] + at[HEADS]), sum = half_rounded(first + at[2 * HEADS]);
            assert_true(mean[p * HEADS + h] == half_rounded(sum / 3));
            differs += mean[p * HEADS + h] != half_rounded((at[0] + at[HEADS] + at[2 * HEADS]) / 3.0f);
        }
    assert_true(differs > 0);
}

/* ---- threads ---- */

typedef struct Caller {
    Predictor *predictor;
    const Array *tile;
    Array labels;
    int code;
} Caller;

static void *call(void *context)
{
    Caller *c = context;
    for (int i = 0; i < 3 && !c->code; i++) {
        array_free(&c->labels);
        c->code = predictor_predict_preprocessed(c->predictor, c->tile, &one_tile, &c->labels, NULL, NULL);
    }
    return NULL;
}

static void threads_take_turns(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    if (!exists(FILES)) skip();
    char folder[] = "/tmp/threads-XXXXXX", path[128];
    Gold gold;
    Predictor *p;
    Err e = {0};
    Caller callers[THREADS] = {{0}};
    pthread_t threads[THREADS];
    make_results(folder, "narrow_D_checkpoint_final.pth", 1);
    snprintf(path, sizeof path, "%s/narrow_D.gold", FILES);
    assert_int_equal(gold_open(&gold, path, &e), 0);
    const Array tile = tile_of(&gold);
    assert_int_equal(predictor_open(&p, folder, &(PredictorOptions){0}, &e), 0);
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (Caller){.predictor = p, .tile = &tile};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].code, 0);
        assert_memory_equal(callers[i].labels.data, callers[0].labels.data, array_bytes(&callers[0].labels));
    }
    for (int i = 0; i < THREADS; i++) array_free(&callers[i].labels);
    predictor_close(p);
    gold_close(&gold);
    remove_results(folder, 1);
}

static void images_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    if (!exists(FILES)) skip();
    char folder[] = "/tmp/refused-XXXXXX";
    Predictor *p;
    Array image, labels;
    Err e = {0};
    make_results(folder, "narrow_D_checkpoint_final.pth", 1);
    assert_int_equal(predictor_open(&p, folder, &(PredictorOptions){.memory = 1 << 20}, &e), 0);
    assert_int_equal(array_new(&image, DTYPE_F32, 4, (int64_t[]){2, 1, 40, 40}, &e), 0);
    assert_int_equal(predictor_predict(p, &image, (double[]){999, 1, 1}, NULL, &labels, NULL, &e), ERR_SHAPE);
    assert_says(&e, "2 channels, the plan has 1");
    assert_null(image.data);
    assert_int_equal(array_new(&image, DTYPE_F32, 4, (int64_t[]){1, 1, 40, 40}, &e), 0);
    ((float *)image.data)[7] = NAN;
    ((float *)image.data)[9] = INFINITY;
    assert_int_equal(predictor_predict(p, &image, (double[]){999, 1, 1}, NULL, &labels, NULL, &e), ERR_VALUE);
    assert_says(&e, "2 voxel(s) are not finite, the first nan in channel 0 at x 7, y 0, z 0 (from 0)");
    assert_null(image.data);
    PredictionCost cost;
    const CaseSize size = {.channels = 1, .shape_zyx = {1, 40, 40}, .spacing_zyx_mm = {999, 1, 1}};
    assert_int_equal(predictor_cost(p, &size, &cost, &e), ERR_LIMIT);
    assert_says(&e, "may use 1");
    predictor_close(p);
    assert_int_equal(predictor_open(&p, "/tmp/no such folder", &(PredictorOptions){0}, &e), ERR_IO);
    remove_results(folder, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(official_results_give_the_official_output), cmocka_unit_test(folds_of_one_kind_change_nothing),
        cmocka_unit_test(half_folds_are_rounded_one_by_one),         cmocka_unit_test(threads_take_turns),
        cmocka_unit_test(images_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests_name("predictor", tests, NULL, NULL);
}
