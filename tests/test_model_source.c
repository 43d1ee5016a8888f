/* inference/model_source: which folds of a results folder are used for prediction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "inference/model_source.h"
#include "inference/predictor.h"
#include "plans/splits.h"
#include "tests/support/says.h"

static char folder[] = "/tmp/test_model_source_XXXXXX";

static void put(const char *name, const char *content)
{
    char *path = path_format(NULL, "%s/%s", folder, name), *parent = mem_strdup(path, NULL);
    *strrchr(parent, '/') = '\0';
    assert_int_equal(file_make_folders(parent, NULL), 0);
    assert_int_equal(file_put(path, content, strlen(content), NULL), 0);
    mem_free(parent);
    mem_free(path);
}

static int begin_test(void **state)
{
    (void)state;
    strcpy(strrchr(folder, '_'), "_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    Plan plan;
    Err e = {0};
    plan_defaults(&plan);
    plan.configuration.patch_size[0] = plan.configuration.patch_size[1] = 64;
    plan.configuration.batch_size = plan.configuration.channel_count = plan.configuration.mask_count = 1;
    plan.configuration.spacing_mm[0] = plan.configuration.spacing_mm[1] = 1;
    for (int i = 0; i < 3; i++) plan.transpose_forward[i] = plan.transpose_backward[i] = i;
    plan.intensity_count = 1;
    char *path = path_format(NULL, "%s/plans.yaml", folder);
    if (plan_write(&plan, path, &e)) fail_msg("%s", e.text);
    mem_free(path);
    put("dataset.json", "{\"channel_names\": {\"0\": \"CT\"}, \"labels\": {\"background\": 0, \"organ\": 1},"
                        "\"numTraining\": 1, \"file_ending\": \".nii.gz\"}");
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void expect_folds(const int *folds, int count, const char *checkpoint, const char *used, const char *unused)
{
    ModelSource s;
    Err e = {0};
    Text text = {0}, left = {0};
    if (model_source_open(&s, folder, folds, count, checkpoint, &e)) fail_msg("%s", e.text);
    fold_list_text(&s.folds, &text);
    assert_string_equal(text.data, used);
    fold_list_text(&s.unused, &left);
    assert_string_equal(left.data, unused);
    text_free(&text);
    text_free(&left);
    model_source_free(&s);
}

static void expect_refused(const int *folds, int count, const char *checkpoint, const char *why)
{
    ModelSource s;
    Err e = {0};
    assert_int_equal(model_source_open(&s, folder, folds, count, checkpoint, &e), ERR_VALUE);
    assert_says(&e, why);
}

static void numbered_folds_predict_together(void **state)
{
    (void)state;
    put("fold_0/checkpoint_final.safetensors", "0");
    put("fold_7/checkpoint_final.pth", "7");
    put("fold_199/checkpoint_final.safetensors", "199");
    put("fold_2/checkpoint_best.safetensors", "2");
    put("fold_all/checkpoint_final.safetensors", "all");
    put("fold_0.old/checkpoint_final.safetensors", "x");
    expect_folds(NULL, 0, NULL, "folds 0, 7, 199", "folds 2, all");
    expect_folds((int[]){SPLITS_FOLD_ALL}, 1, NULL, "fold all", "folds");
    expect_folds((int[]){199, 0}, 2, NULL, "folds 199, 0", "folds");
    expect_folds(NULL, 0, "best", "fold 2", "folds 0, 7, 199, all");
    expect_refused((int[]){2}, 1, NULL, "fold_2 has no checkpoint_final");
    expect_refused((int[]){3}, 1, NULL, "there is no fold_3, only folds all, 0, 2, 7, 199");
    expect_refused(NULL, 0, "latest",
                   "have no checkpoint_latest, but checkpoint_final: use it with --checkpoint final");
}

static void fold_all_predicts_where_it_is_the_only_one(void **state)
{
    (void)state;
    expect_refused(NULL, 0, NULL, "there is no fold");
    put("fold_all/checkpoint_final.safetensors", "all");
    expect_folds(NULL, 0, NULL, "fold all", "folds");
    put("fold_0/checkpoint_latest.safetensors", "0"); /* its training goes on */
    expect_folds(NULL, 0, NULL, "fold all", "fold 0");
}

static MadeFrom made_from(const PredictorOptions *o)
{
    ModelSource s;
    MadeFrom m = {0};
    Err e = {0};
    if (model_source_open(&s, folder, o->folds, o->fold_count, o->checkpoint, &e)) fail_msg("%s", e.text);
    predictor_made_from(&m, "", &s, o);
    if (made_from_check(&m, &e)) fail_msg("%s", e.text);
    model_source_free(&s);
    return m;
}

/* The difference from `then` must start with `beginning`. */
static void expect_difference(const MadeFrom *then, const PredictorOptions *o, const char *beginning)
{
    MadeFrom now = made_from(o);
    Text text = {0};
    const int count = made_from_differences(&text, then, &now, "");
    if (!*beginning) assert_int_equal(count, 0);
    else if (!count || strncmp(text.data, beginning, strlen(beginning))) fail_msg("%s", text.data ? text.data : "none");
    text_free(&text);
    made_from_free(&now);
}

static void what_decides_the_labels_is_listed(void **state)
{
    (void)state;
    put("fold_0/checkpoint_final.safetensors", "0");
    put("fold_1/checkpoint_final.safetensors", "1");
    put("fold_0/checkpoint_best.safetensors", "0");
    const PredictorOptions none = {0};
    MadeFrom m = made_from(&none);
    assert_string_equal(made_from_find(&m, "folds"), "0 1");
    assert_string_equal(made_from_find(&m, "labels"), "background=0 organ=1");
    assert_string_equal(made_from_find(&m, "plan patch_size"), "[64, 64]");
    assert_null(made_from_find(&m, "plan training.epochs"));
    expect_difference(&m, &none, "");
    expect_difference(&m, &(PredictorOptions){.step = 0.5, .memory = 1 << 30}, "");
    expect_difference(&m, &(PredictorOptions){.step = 0.25}, "step: 0.5, now 0.25");
    expect_difference(&m, &(PredictorOptions){.mirroring = SWITCH_ON}, "mirroring: none, now height and width");
    expect_difference(&m, &(PredictorOptions){.precision = DTYPE_BF16}, "precision: fp32, now bf16");
    expect_difference(&m, &(PredictorOptions){.folds = (int[]){0}, .fold_count = 1}, "folds: 0 1, now 0; ");
    expect_difference(&m, &(PredictorOptions){.folds = (int[]){0}, .fold_count = 1, .checkpoint = "best"}, "folds");
    put("fold_1/checkpoint_final.safetensors", "2");
    expect_difference(&m, &none, "weights of fold 1: ");
    made_from_free(&m);
}

static void networks_that_are_not_known_are_named_with_their_file(void **state)
{
    (void)state;
    ModelSource s;
    Err e = {0};
    put("fold_0/checkpoint_final.safetensors", "0");
    char *path = path_format(NULL, "%s/plans.yaml", folder);
    char *text;
    size_t bytes;
    assert_int_equal(file_get(path, &text, &bytes, NULL), 0);
    memcpy(strstr(text, "swin_umamba_d"), "mednext      ", 13);
    put("plans.yaml", text);
    mem_free(text);
    mem_free(path);
    assert_true(model_source_open(&s, folder, NULL, 0, NULL, &e) < 0);
    assert_says(&e, "mednext");
    assert_says(&e, folder);
}

/* A checkpoint in nnU-Net's folder names its trainer. */
static void put_checkpoint_of(const char *trainer)
{
    char header[256] = {0};
    const int length = snprintf(header + 8, sizeof header - 8, "{\"__metadata__\":{\"trainer_name\":\"%s\"}}", trainer);
    header[0] = (char)length;
    char *path = path_format(NULL, "%s/fold_0/checkpoint_final.safetensors", folder);
    assert_int_equal(file_put(path, header, (size_t)length + 8, NULL), 0);
    mem_free(path);
}

static void expect_unknown_trainer(const char *trainer, const char *why)
{
    ModelSource s;
    Err e = {0};
    put_checkpoint_of(trainer);
    assert_int_equal(model_source_open(&s, folder, NULL, 0, NULL, &e), ERR_UNSUPPORTED);
    assert_says(&e, "fold_0/checkpoint_final.safetensors: the network of trainer ");
    assert_says(&e, trainer);
    assert_says(&e, why);
}

static void trainers_that_are_not_known_are_named_with_their_file(void **state)
{
    (void)state;
    put("fold_0/x", "");
    char *ours = path_format(NULL, "%s/plans.yaml", folder), *theirs = path_format(NULL, "%s/plans.json", folder);
    assert_int_equal(rename(ours, theirs), 0);
    mem_free(ours);
    mem_free(theirs);
    expect_unknown_trainer("nnUNetTrainerMedNeXt", "there are the networks swin_umamba_d");
    expect_unknown_trainer("SomebodysTrainer", "is not known; there are the networks");
    put_checkpoint_of("nnUNetTrainerSwinUMambaD");
    expect_folds(NULL, 0, NULL, "fold 0", "folds");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbered_folds_predict_together), TEST(fold_all_predicts_where_it_is_the_only_one),
        TEST(what_decides_the_labels_is_listed), TEST(networks_that_are_not_known_are_named_with_their_file),
        TEST(trainers_that_are_not_known_are_named_with_their_file)};
    return cmocka_run_group_tests_name("model_source", tests, NULL, NULL);
}
